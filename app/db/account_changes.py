"""The log of written account facts, from which columnar copies catch up: who is gone, and what is old enough to go."""

from typing import Final
from uuid import UUID

from sqlalchemy import insert, text

from app.db.base import Session
from app.domain.models import AccountChange

BATCH: Final = 50_000

# Copies catch up from at most half an hour ago (`app/db/replica/copies.py`). The oldest are at the table's beginning.
_TRIM: Final = text(
    """
delete from account_changes where ctid = any(array(
    select ctid from account_changes where changed_at < clock_timestamp() - interval '1 hour' limit :batch
))
"""
)


async def note_gone(db: Session, workspace_id: UUID, account_id: UUID) -> None:
    """An account is deleted: copies find no row for it any more."""
    await db.execute(insert(AccountChange).values(workspace_id=workspace_id, account_id=account_id))


async def trim(db: Session) -> bool:
    """Delete some of what is older than an hour; whether there may be more. For a pump transaction."""
    found = await db.execute(_TRIM, {"batch": BATCH})
    return int(getattr(found, "rowcount", 0)) >= BATCH
