"""Finding and showing accounts."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db import accounts
from app.db.base import Session
from app.domain import ids
from app.domain.errors import NotFound


class UnknownAccount(NotFound):
    """There is no such account in this workspace."""

    code = "unknown_account"


async def find(db: Session, workspace_id: UUID, ref: str) -> UUID:
    """The account behind `acc_…` or an external id. Raises `UnknownAccount`."""
    found = await accounts.id_of(db, workspace_id, by_id=ids.read("acc", ref), external_id=ref)
    if found is None:
        raise UnknownAccount("No account has this id or external id.")
    return found


async def show(db: Session, workspace_id: UUID, ref: str) -> Mapping[str, Any]:
    """Everything shown of one account. Raises `UnknownAccount`."""
    found = await accounts.profile(db, workspace_id, await find(db, workspace_id, ref))
    if found is None:
        raise UnknownAccount("No account has this id or external id.")
    return found


async def page(
    db: Session, workspace_id: UUID, *, external_id: str | None, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Accounts in the order they were made, or just the one its sender calls `external_id`."""
    if external_id is not None:
        return await accounts.by_external_id(db, workspace_id, external_id)
    return await accounts.page(db, workspace_id, after=after, limit=limit)
