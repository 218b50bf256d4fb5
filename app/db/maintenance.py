"""Housekeeping that belongs to no noun."""

from sqlalchemy import text

from app.db.base import Session

PARTITION_DAYS_AHEAD = 100

_TRY_TURN = text("select pg_try_advisory_xact_lock(hashtext('steward schedule'), hashtext(:name))")
_ENSURE = text("select steward_ensure_event_partitions(current_date, current_date + cast(:days as int))")
_ANALYSE = text("select steward_analyse_young_tables()")


async def take_turn(db: Session, name: str) -> bool:
    """Whether no other process is doing this housekeeping now; ours until the transaction ends."""
    return bool(await db.scalar(_TRY_TURN, {"name": name}))


async def ensure_event_partitions(db: Session) -> int:
    """Make the partitions of `events` for the coming months; returns how many were missing."""
    return int(await db.scalar(_ENSURE, {"days": PARTITION_DAYS_AHEAD}) or 0)


async def analyse_young_tables(db: Session) -> int:
    """Give tables that just got their first rows the statistics autovacuum would give them a minute later; how many.

    Until then the planner takes every workspace for ten rows, and a first import of many thousands crawls.
    """
    return int(await db.scalar(_ANALYSE) or 0)
