"""Reads the list of what was refused: by page, by size for a replay, with the items, and in numbers."""

from collections.abc import Mapping, Sequence
from datetime import date
from operator import eq, ge, lt
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text

from app.db.base import Session, rows
from app.domain.models import RejectedMessage
from app.domain.rejections import Wanted

_COUNTS = text(
    """
select day, source, code, refused, dropped from rejected_counts
where workspace_id = :workspace and day >= :since order by day desc, source, code
"""
)


async def counts(db: Session, workspace_id: UUID, *, since: date) -> Sequence[Mapping[str, Any]]:
    """How many were refused and dropped, by day, source and code, the latest day first."""
    return rows(await db.execute(_COUNTS, {"workspace": workspace_id, "since": since}))


async def page(
    db: Session, workspace_id: UUID, wanted: Wanted, *, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Rejected messages without their items, the newest first."""
    query = _where(_shown(), workspace_id, wanted).order_by(RejectedMessage.id.desc()).limit(limit)
    if before is not None:
        query = query.where(RejectedMessage.id < before)
    return rows(await db.execute(query))


async def sizes(
    db: Session, workspace_id: UUID, wanted: Wanted, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Ids and sizes of rejected messages, the oldest first."""
    query = _where(select(RejectedMessage.id, RejectedMessage.size), workspace_id, wanted)
    if after is not None:
        query = query.where(RejectedMessage.id > after)
    return rows(await db.execute(query.order_by(RejectedMessage.id).limit(limit)))


async def load(db: Session, workspace_id: UUID, wanted: Sequence[UUID]) -> Sequence[Mapping[str, Any]]:
    """Rejected messages with their items, the oldest first."""
    query = _shown().add_columns(RejectedMessage.item).order_by(RejectedMessage.id)
    chosen = RejectedMessage.workspace_id == workspace_id, RejectedMessage.id.in_(wanted)
    return rows(await db.execute(query.where(*chosen)))


def _shown() -> Select[*tuple[Any, ...]]:
    return select(
        RejectedMessage.id,
        RejectedMessage.source,
        RejectedMessage.key_id,
        RejectedMessage.code,
        RejectedMessage.detail,
        RejectedMessage.pointer,
        RejectedMessage.message_id,
        RejectedMessage.whole,
        RejectedMessage.size,
        RejectedMessage.first_at,
        RejectedMessage.last_at,
        RejectedMessage.times,
        RejectedMessage.tried_at,
        RejectedMessage.outcome,
        RejectedMessage.replayed_at,
    )


def _where(query: Select[*tuple[Any, ...]], workspace_id: UUID, wanted: Wanted) -> Select[*tuple[Any, ...]]:
    found = query.where(RejectedMessage.workspace_id == workspace_id)
    if wanted.state != "all":
        open_ = RejectedMessage.replayed_at.is_(None)
        found = found.where(open_ if wanted.state == "open" else ~open_)
    conditions = (
        (wanted.source, RejectedMessage.source, eq),
        (wanted.code, RejectedMessage.code, eq),
        (wanted.since, RejectedMessage.first_at, ge),
        (wanted.until, RejectedMessage.first_at, lt),
        (wanted.replayable, RejectedMessage.whole, eq),
    )
    return found.where(*(compare(column, value) for value, column, compare in conditions if value is not None))
