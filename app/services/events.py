"""Showing what happened."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import events
from app.db.base import Session


async def page(
    db: Session, workspace_id: UUID, account_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """An account's events, newest first, continuing before (occurred at, id)."""
    return await events.page(db, workspace_id, account_id, before=before, limit=limit)
