"""How often each event happened at an account or an organization."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from app.db import event_totals
from app.db.base import Session
from app.domain.fields import Subject
from app.services import accounts, organizations

_FIND: Final = {Subject.ACCOUNTS: accounts.find, Subject.ORGANIZATIONS: organizations.find}


async def find(db: Session, workspace_id: UUID, subject: Subject, ref: str) -> UUID:
    """The account or organization behind an id. Raises `UnknownAccount`, `UnknownOrganization`."""
    return await _FIND[subject](db, workspace_id, ref)


async def page(
    db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, *, now: datetime, after: str | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Its events by name: how often in all, the first and the last, and how the last thirty days compare."""
    today = now.astimezone(UTC).date()
    return await event_totals.page(db, workspace_id, subject, record_id, today=today, after=after, limit=limit)
