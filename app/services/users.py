"""Finding and showing users."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db import users
from app.db.base import Session
from app.domain.errors import NotFound, Rejected
from app.services.named import Directory


class UnknownUser(NotFound):
    """There is no such user in this workspace."""

    code = "unknown_user"


class NeedsAccount(Rejected):
    """This user has to belong to something you see."""

    code = "needs_account"


_USERS = Directory("usr", users, lambda: UnknownUser("No user has this id or external id."))
find, show, page = _USERS.find, _USERS.show, _USERS.page


async def exists(db: Session, workspace_id: UUID, external_id: str) -> bool:
    """Whether somebody is called this by who sends them."""
    return await users.id_of(db, workspace_id, by_id=None, external_id=external_id) is not None


async def of_account(
    db: Session, workspace_id: UUID, account_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Users linked to an account, in the order they were made."""
    return await users.of_account(db, workspace_id, account_id, after=after, limit=limit)


async def accounts_of(db: Session, workspace_id: UUID, user_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The accounts a user belongs to now (the first 200), oldest link first."""
    return await users.accounts_of(db, workspace_id, user_id)


async def of_organization(
    db: Session, workspace_id: UUID, organization_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Users linked to an organization or to one of its accounts, in the order they were made."""
    return await users.of_organization(db, workspace_id, organization_id, after=after, limit=limit)


async def organizations_of(db: Session, workspace_id: UUID, user_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The organizations a user belongs to itself (the first 200), oldest link first."""
    return await users.organizations_of(db, workspace_id, user_id)
