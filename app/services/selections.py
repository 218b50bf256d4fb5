"""Which records are meant: by a filter, or by their names."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import selections
from app.db.base import Session
from app.domain import ids
from app.domain.errors import NotFound
from app.domain.fields import Subject
from app.domain.filters import Tree
from app.services.accounts import UnknownAccount
from app.services.organizations import UnknownOrganization
from app.services.users import UnknownUser

SHOWN_UNKNOWN: Final = 20
PREFIXES: Final[Mapping[Subject, str]] = {
    Subject.ACCOUNTS: "acc",
    Subject.USERS: "usr",
    Subject.ORGANIZATIONS: "org",
}
_UNKNOWN: Final[Mapping[Subject, type[NotFound]]] = {
    Subject.ACCOUNTS: UnknownAccount,
    Subject.USERS: UnknownUser,
    Subject.ORGANIZATIONS: UnknownOrganization,
}


async def matching(
    db: Session, workspace_id: UUID, subject: Subject, tree: Tree, *, now: datetime, limit: int
) -> list[UUID]:
    """The records a filter keeps, in the order they were made, up to `limit`."""
    return await selections.ids(db, workspace_id, subject, tree, now=now, limit=limit)


async def named(db: Session, workspace_id: UUID, subject: Subject, refs: Sequence[str]) -> list[UUID]:
    """The records behind ids of ours or external ids, each once, in this order.

    Raises `UnknownAccount`, `UnknownUser` or `UnknownOrganization` when any is missing.
    """
    own = {ref: ids.read(PREFIXES[subject], ref) for ref in refs}
    by_id = [found for found in own.values() if found is not None]
    rows = await selections.named(db, workspace_id, subject, by_id=by_id, by_external_id=list(own))
    present = {row["id"] for row in rows}
    external = {row["external_id"]: row["id"] for row in rows}
    found = {ref: own[ref] if own[ref] in present else external.get(ref) for ref in own}
    missing = [ref for ref, id_ in found.items() if id_ is None]
    if missing:
        detail = f"{len(missing)} of {len(own)} are not known; nothing was changed."
        raise _UNKNOWN[subject](detail, missing=missing[:SHOWN_UNKNOWN])
    return list(dict.fromkeys(id_ for id_ in found.values() if id_ is not None))


async def briefly(db: Session, workspace_id: UUID, subject: Subject, chosen: Sequence[UUID]) -> Mapping[UUID, Any]:
    """Id, external id and name of each of these records."""
    rows = await selections.named(db, workspace_id, subject, by_id=chosen, by_external_id=[])
    return {row["id"]: row for row in rows}
