"""Who changed what. The door writes a line for every write; a service may add what only it knows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.db import audit, idempotency
from app.db.base import Session
from app.domain.audit import Entry, Narrowing
from app.domain.idempotency import KEPT

_NOTES = "steward.audit"


def add(db: Session, **details: Any) -> None:
    """Add JSON to the line that the door writes for this transaction, such as what there was before."""
    db.info.setdefault(_NOTES, {}).update(details)


def details(db: Session) -> Mapping[str, Any]:
    """What services added."""
    return dict(db.info.get(_NOTES, {}))


async def record(db: Session, workspace_id: UUID, entry: Entry) -> None:
    """Write a line, in the transaction it is about."""
    await audit.insert_new(db, workspace_id, entry)


async def page(
    db: Session, workspace_id: UUID, narrowed: Narrowing, *, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The log, the newest first."""
    return await audit.page(db, workspace_id, narrowed, before=before, limit=limit)


async def workspaces(db: Session) -> Sequence[UUID]:
    """The workspaces that have anything to forget some day."""
    return await audit.workspaces(db)


async def purge(db: Session, workspace_id: UUID, *, days: int, now: datetime) -> None:
    """Forget lines older than that, and the answers to writes that nobody will repeat any more."""
    await audit.purge(db, workspace_id, before=now - timedelta(days=days))
    await idempotency.purge(db, workspace_id, before=now - KEPT)
