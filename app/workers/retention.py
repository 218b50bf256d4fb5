"""Forgets what is old, a little at a time: nothing here may keep senders or other housekeeping waiting.

Each function is safe to run in every process, at any pace. What is behind is caught up with over many rounds.
"""

import asyncio
import logging
import random
import time
from datetime import UTC, date, datetime, timedelta
from typing import Final

from app.db import maintenance, retention, trait_history
from app.db.base import DatabaseUnavailable
from app.workers.runtime import Runtime

log = logging.getLogger(__name__)

PACE: Final = timedelta(seconds=50)
"""A round less than a minute apart, so that no minute of the day is left out (see `forget_receipts`)."""
SECONDS_A_ROUND: Final = 2.0
EVENTS_AT_ONCE: Final = 5_000
HISTORY_PAGES: Final = 20
MINUTES_A_DAY: Final = 24 * 60
LOCK_MS: Final = 250
TRIES: Final = 3


async def drop_old_months(rt: Runtime) -> None:
    """Drop whole months of events that are older than the installation keeps them."""
    cutoff = first_kept(rt.now(), rt.settings.event_retention_months)
    if cutoff is None:
        return
    while await _drop_month(rt, cutoff) is not None:
        pass
    await _trim_default(rt, cutoff)


def first_kept(now: datetime, months: int) -> date | None:
    """The first day of the oldest month that is kept, the current one not counted; None: all are."""
    if months == 0:
        return None
    number = now.year * 12 + now.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


async def _drop_month(rt: Runtime, cutoff: date) -> str | None:
    for _ in range(TRIES):
        try:
            async with rt.database.open_transaction() as db:
                if not await maintenance.take_turn(db, "drop_old_months"):
                    return None
                return await retention.drop_month(db, cutoff=cutoff, lock_ms=LOCK_MS)
        except DatabaseUnavailable:  # somebody is using the table, as is usual: let them, and try again
            await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - not a secret
    log.info("old events are still there: the table is too busy")
    return None


async def _trim_default(rt: Runtime, cutoff: date) -> None:
    until = time.monotonic() + SECONDS_A_ROUND
    before = datetime(cutoff.year, cutoff.month, 1, tzinfo=UTC)
    while time.monotonic() < until:
        async with rt.database.open_transaction() as db:
            if not await maintenance.take_turn(db, "trim_default"):
                return
            if await retention.trim_default(db, cutoff=before, limit=EVENTS_AT_ONCE) < EVENTS_AT_ONCE:
                return


async def delete_old_events(rt: Runtime) -> None:
    """Delete events older than their workspace keeps them; a backlog of many takes turns, in no particular order."""
    async with rt.database.pump_transaction() as db:
        limited = list((await retention.limited_workspaces(db)).items())
    random.shuffle(limited)
    until = time.monotonic() + SECONDS_A_ROUND
    for workspace_id, kept in limited:
        gone = EVENTS_AT_ONCE
        while gone == EVENTS_AT_ONCE and time.monotonic() < until:
            async with rt.transaction(workspace_id) as db:
                gone = await retention.delete_events(db, workspace_id, cutoff=rt.now() - kept, limit=EVENTS_AT_ONCE)


async def forget_receipts(rt: Runtime) -> None:
    """Forget receipts too old for a repeat: each minute of the day looks through its own part of the table."""
    now = rt.now()
    await sweep_receipts(rt, minute=now.hour * 60 + now.minute, minutes=MINUTES_A_DAY)


async def sweep_receipts(rt: Runtime, *, minute: int, minutes: int) -> int:
    """Look through one of so many equal parts of the receipts; how many were forgotten."""
    async with rt.database.pump_transaction() as db:
        if not await maintenance.take_turn(db, "forget_receipts"):
            return 0
        pages = await retention.receipt_pages(db)
        first, beyond = pages * minute // minutes, pages * (minute + 1) // minutes
        if first == beyond:
            return 0
        cutoff = rt.now() - timedelta(days=rt.settings.receipt_days)
        return await retention.forget_receipts(db, first=first, beyond=beyond, cutoff=cutoff)


async def thin_trait_history(rt: Runtime) -> None:
    """Shorten the history of traits: each minute of the day looks through its own part of the table."""
    now = rt.now()
    await sweep_trait_history(rt, minute=now.hour * 60 + now.minute, minutes=MINUTES_A_DAY)


async def sweep_trait_history(rt: Runtime, *, minute: int, minutes: int) -> int:
    """Look through one of so many equal parts of the history, a few pages at a time; how many lines became shorter.

    Where none is kept, what was kept before goes.
    """
    days = rt.settings.trait_history_days
    oldest = rt.now() - timedelta(days=days) if days else None
    async with rt.database.pump_transaction() as db:
        pages = await trait_history.pages(db)
    first, beyond = pages * minute // minutes, pages * (minute + 1) // minutes
    done, until = 0, time.monotonic() + SECONDS_A_ROUND
    while first < beyond and time.monotonic() < until:
        async with rt.database.pump_transaction() as db:
            if not await maintenance.take_turn(db, "thin_trait_history"):
                return done
            next_ = min(first + HISTORY_PAGES, beyond)
            done += await trait_history.thin(db, first=first, beyond=next_, oldest=oldest, now=rt.now())
        first = next_
    return done
