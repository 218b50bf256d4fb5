"""Stores indicators."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, func, insert, select, text, update

from app.db.base import Session
from app.domain.models import Indicator

_INDICATORS: Final = cast("Table", Indicator.__table__)
_COLUMNS: Final = tuple(_INDICATORS.c)


async def lock_definitions(db: Session, workspace_id: UUID) -> None:
    """One at a time adds indicators, so that their number stays within its limit."""
    key = f"steward:indicators:{workspace_id}"
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Add an indicator."""
    await db.execute(insert(_INDICATORS).values(workspace_id=workspace_id, **values))


async def change(db: Session, workspace_id: UUID, indicator_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of an indicator; its version goes up by one."""
    await db.execute(
        update(_INDICATORS)
        .where(_INDICATORS.c.workspace_id == workspace_id, _INDICATORS.c.id == indicator_id)
        .values(version=_INDICATORS.c.version + 1, **values)
    )


async def one(db: Session, workspace_id: UUID, indicator_id: UUID, *, lock: bool = False) -> Mapping[str, Any] | None:
    """An indicator, archived or not; with `lock` nobody else changes it until the transaction ends."""
    query = select(*_COLUMNS).where(Indicator.workspace_id == workspace_id, Indicator.id == indicator_id)
    found = (await db.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if found is None else dict(found)


async def live_count(db: Session, workspace_id: UUID) -> int:
    """How many indicators are not archived."""
    query = select(func.count()).where(Indicator.workspace_id == workspace_id, Indicator.archived_at.is_(None))
    return (await db.execute(query)).scalar_one()


async def live(db: Session, workspace_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The indicators to judge: enabled and not archived."""
    query = select(*_COLUMNS).where(
        Indicator.workspace_id == workspace_id, Indicator.enabled, Indicator.archived_at.is_(None)
    )
    return [dict(row) for row in (await db.execute(query.order_by(Indicator.id))).mappings()]


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Indicators in the order they were made; archived ones only when asked for."""
    query = select(*_COLUMNS).where(Indicator.workspace_id == workspace_id).order_by(Indicator.id).limit(limit)
    if not archived:
        query = query.where(Indicator.archived_at.is_(None))
    if after is not None:
        query = query.where(Indicator.id > after)
    return [dict(row) for row in (await db.execute(query)).mappings()]
