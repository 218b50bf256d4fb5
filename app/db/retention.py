"""Forgetting what is old: events by month and by workspace, receipts of messages."""

from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows

_LIMITED = text("select id, event_retention_days from workspaces where event_retention_days is not null order by id")
_DROP = text("select steward_drop_event_partition(cast(:cutoff as date))")
_TRIM = text("select steward_trim_event_default(cast(:cutoff as timestamptz), cast(:most as int))")
_DELETE = text(
    """
delete from events where workspace_id = :workspace and (occurred_at, id) in (
    select e.occurred_at, e.id from events e
    where e.workspace_id = :workspace and e.occurred_at < :cutoff
    order by e.occurred_at
    limit :limit
) and occurred_at < :cutoff
"""
)

# Read page by page, no index is needed: an index would cost every message that comes in.
_PAGES = text("select pg_relation_size('message_receipts') / current_setting('block_size')::int")
_FORGET = text(
    """
delete from message_receipts
where ctid >= cast(cast(:first as text) as tid) and ctid < cast(cast(:beyond as text) as tid) and received_at < :cutoff
"""
)


async def limited_workspaces(db: Session) -> dict[UUID, timedelta]:
    """How long each workspace that set a limit keeps its events. For a pump transaction."""
    return {row["id"]: timedelta(days=row["event_retention_days"]) for row in rows(await db.execute(_LIMITED))}


async def drop_month(db: Session, *, cutoff: date, lock_ms: int) -> str | None:
    """Drop the oldest month of events that lies before `cutoff` as a whole; its name, None when there is none.

    It needs the table for itself for a moment: waiting for that makes senders wait too, so it does not wait for long.
    """
    await db.execute(text("select set_config('lock_timeout', :limit, true)"), {"limit": f"{lock_ms}ms"})
    name: str | None = await db.scalar(_DROP, {"cutoff": cutoff})
    return name


async def trim_default(db: Session, *, cutoff: datetime, limit: int) -> int:
    """Delete events before `cutoff` that are in no month's partition; how many."""
    return int(await db.scalar(_TRIM, {"cutoff": cutoff, "most": limit}) or 0)


async def delete_events(db: Session, workspace_id: UUID, *, cutoff: datetime, limit: int) -> int:
    """Delete the oldest events of a workspace from before `cutoff`; how many."""
    result = await db.execute(_DELETE, {"workspace": workspace_id, "cutoff": cutoff, "limit": limit})
    return int(result.rowcount)  # type: ignore[attr-defined]


async def receipt_pages(db: Session) -> int:
    """How many pages the receipts fill."""
    return int(await db.scalar(_PAGES) or 0)


async def forget_receipts(db: Session, *, first: int, beyond: int, cutoff: datetime) -> int:
    """Delete the receipts from before `cutoff` that stand on these pages; how many. For a pump transaction."""
    asked = {"first": f"({first},0)", "beyond": f"({beyond},0)", "cutoff": cutoff}
    return int((await db.execute(_FORGET, asked)).rowcount)  # type: ignore[attr-defined]
