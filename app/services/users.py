"""Finding and showing users."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db import users
from app.db.base import Session
from app.domain import ids
from app.domain.errors import NotFound


class UnknownUser(NotFound):
    """There is no such user in this workspace."""

    code = "unknown_user"


async def find(db: Session, workspace_id: UUID, ref: str) -> UUID:
    """The user behind `usr_…` or an external id. Raises `UnknownUser`."""
    found = await users.id_of(db, workspace_id, by_id=ids.read("usr", ref), external_id=ref)
    if found is None:
        raise UnknownUser("No user has this id or external id.")
    return found


async def show(db: Session, workspace_id: UUID, ref: str) -> Mapping[str, Any]:
    """Everything shown of one user. Raises `UnknownUser`."""
    found = await users.profile(db, workspace_id, await find(db, workspace_id, ref))
    if found is None:
        raise UnknownUser("No user has this id or external id.")
    return found


async def page(
    db: Session, workspace_id: UUID, *, external_id: str | None, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Users in the order they were made, or just the one their sender calls `external_id`."""
    if external_id is not None:
        return await users.by_external_id(db, workspace_id, external_id)
    return await users.page(db, workspace_id, after=after, limit=limit)


async def of_account(
    db: Session, workspace_id: UUID, account_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Users linked to an account, in the order they were made."""
    return await users.of_account(db, workspace_id, account_id, after=after, limit=limit)


async def accounts_of(db: Session, workspace_id: UUID, user_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The accounts a user belongs to now (the first 200), oldest link first."""
    return await users.accounts_of(db, workspace_id, user_id)
