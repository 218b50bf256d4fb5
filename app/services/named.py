"""What accounts, users and organizations have in common: each is found by an id of ours or by its sender's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from app.db.base import Session
from app.domain import ids
from app.domain.errors import NotFound

Row = Mapping[str, Any]


class Rows(Protocol):
    """The module with the queries of one kind."""

    async def id_of(self, db: Session, workspace_id: UUID, *, by_id: UUID | None, external_id: str) -> UUID | None: ...
    async def profile(self, db: Session, workspace_id: UUID, id_: UUID, /) -> Row | None: ...
    async def page(
        self, db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, holder: UUID | None
    ) -> Sequence[Row]: ...
    async def by_external_id(
        self, db: Session, workspace_id: UUID, external_id: str, *, holder: UUID | None
    ) -> Sequence[Row]: ...


@dataclass(frozen=True, slots=True)
class Directory:
    """The things of one kind: `prefix` begins their ids, `unknown` makes the error where there is none."""

    prefix: str
    rows: Rows
    unknown: Callable[[], NotFound]

    async def find(self, db: Session, workspace_id: UUID, ref: str) -> UUID:
        """The one behind an id of ours, or behind an external id. Raises NotFound."""
        found = await self.rows.id_of(db, workspace_id, by_id=ids.read(self.prefix, ref), external_id=ref)
        if found is None:
            raise self.unknown()
        return found

    async def called(self, db: Session, workspace_id: UUID, external_id: str) -> UUID:
        """The one its sender calls this, and no other. Raises NotFound."""
        found = await self.rows.id_of(db, workspace_id, by_id=None, external_id=external_id)
        if found is None:
            raise self.unknown()
        return found

    async def show(self, db: Session, workspace_id: UUID, ref: str) -> Row:
        """Everything shown of one. Raises NotFound."""
        found = await self.rows.profile(db, workspace_id, await self.find(db, workspace_id, ref))
        if found is None:
            raise self.unknown()
        return found

    async def page(
        self,
        db: Session,
        workspace_id: UUID,
        *,
        external_id: str | None,
        after: UUID | None,
        limit: int,
        holder: UUID | None = None,
    ) -> Sequence[Row]:
        """A page of all, or just the one its sender calls `external_id`.

        With a holder, only what belongs to accounts where this member holds a key role.
        """
        if external_id is not None:
            return await self.rows.by_external_id(db, workspace_id, external_id, holder=holder)
        return await self.rows.page(db, workspace_id, after=after, limit=limit, holder=holder)
