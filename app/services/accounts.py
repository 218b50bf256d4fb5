"""Finding and showing accounts."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db import accounts
from app.db.base import Session
from app.domain.errors import NotFound
from app.services.named import Directory


class UnknownAccount(NotFound):
    """There is no such account in this workspace."""

    code = "unknown_account"


_ACCOUNTS = Directory("acc", accounts, lambda: UnknownAccount("No account has this id or external id."))
find, called, show, page = _ACCOUNTS.find, _ACCOUNTS.called, _ACCOUNTS.show, _ACCOUNTS.page


async def of_organization(
    db: Session, workspace_id: UUID, organization_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The accounts that belong to an organization now, in the order they were made."""
    return await accounts.page(db, workspace_id, organization_id=organization_id, after=after, limit=limit)


async def held_by(
    db: Session, workspace_id: UUID, holder: UUID, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The accounts where a member holds any key role, in the order they were made."""
    return await accounts.page(db, workspace_id, holder=holder, after=after, limit=limit)
