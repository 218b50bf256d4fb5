"""Every recurring job, on one page. Each is safe to repeat, so a timer in every process is enough."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.db import account_changes, hot_facts, jobs, maintenance
from app.domain.rejections import Bounds
from app.services import audit, rejections
from app.workers import recounts, retention
from app.workers.runtime import Runtime

log = logging.getLogger(__name__)

FINISHED_JOBS_KEPT: Final = timedelta(days=1)
PURGE_BATCH: Final = 5000


@dataclass(frozen=True, slots=True)
class Recurring:
    """Housekeeping and its pace. It runs once when a process starts, then every `every`."""

    name: str
    every: timedelta
    run: Callable[[Runtime], Awaitable[None]]


async def purge_finished_jobs(rt: Runtime) -> None:
    """Delete jobs that ended well a day ago, so that claims stay fast."""
    while True:
        async with rt.database.pump_transaction() as db:
            if not await maintenance.take_turn(db, "purge_finished_jobs"):
                return
            if await jobs.purge(db, older_than=FINISHED_JOBS_KEPT, limit=PURGE_BATCH) < PURGE_BATCH:
                return


async def ensure_event_partitions(rt: Runtime) -> None:
    """Make next months' partitions before the first event needs them."""
    async with rt.database.open_transaction() as db:
        if await maintenance.take_turn(db, "ensure_event_partitions"):
            await maintenance.ensure_event_partitions(db)


async def purge_rejected_messages(rt: Runtime) -> None:
    """Delete refused messages that are too old or too many, a transaction per workspace."""
    chosen = rt.settings
    bounds = Bounds.of(chosen.rejected_days, chosen.rejected_rows, chosen.rejected_bytes)
    async with rt.database.pump_transaction() as db:
        if not await maintenance.take_turn(db, "purge_rejected_messages"):
            return
        workspaces = await rejections.workspaces(db)
    for workspace_id in workspaces:
        async with rt.transaction(workspace_id) as db:
            await rejections.purge(db, workspace_id, bounds=bounds, now=rt.now())


async def purge_audit(rt: Runtime) -> None:
    """Delete old lines of the audit log and old answers to writes, a transaction per workspace."""
    async with rt.database.pump_transaction() as db:
        if not await maintenance.take_turn(db, "purge_audit"):
            return
        workspaces = await audit.workspaces(db)
    for workspace_id in workspaces:
        async with rt.transaction(workspace_id) as db:
            await audit.purge(db, workspace_id, days=rt.settings.audit_days, now=rt.now())


async def analyse_young_tables(rt: Runtime) -> None:
    """Statistics for tables that just got their first rows."""
    async with rt.database.open_transaction() as db:
        if await maintenance.take_turn(db, "analyse_young_tables"):
            await maintenance.analyse_young_tables(db)


async def trim_account_changes(rt: Runtime) -> None:
    """Delete what the log of written accounts said an hour ago: copies in memory have caught up since."""
    more = True
    while more:
        async with rt.database.pump_transaction() as db:
            if not await maintenance.take_turn(db, "trim_account_changes"):
                return
            more = await account_changes.trim(db)


async def forget_cold_facts(rt: Runtime) -> None:
    """Forget which traits were hot when nobody asked for them in thirty days."""
    async with rt.database.pump_transaction() as db:
        if await maintenance.take_turn(db, "forget_cold_facts"):
            await hot_facts.forget(db)


RECURRING: Final = (
    Recurring("analyse_young_tables", timedelta(seconds=5), analyse_young_tables),
    Recurring("trim_account_changes", timedelta(minutes=10), trim_account_changes),
    Recurring("forget_cold_facts", timedelta(hours=6), forget_cold_facts),
    Recurring("count_uncounted", timedelta(minutes=10), recounts.count_uncounted),
    Recurring("purge_finished_jobs", timedelta(minutes=10), purge_finished_jobs),
    Recurring("purge_rejected_messages", timedelta(hours=1), purge_rejected_messages),
    Recurring("purge_audit", timedelta(hours=1), purge_audit),
    Recurring("ensure_event_partitions", timedelta(hours=6), ensure_event_partitions),
    Recurring("drop_old_months", timedelta(hours=1), retention.drop_old_months),
    Recurring("delete_old_events", retention.PACE, retention.delete_old_events),
    Recurring("forget_receipts", retention.PACE, retention.forget_receipts),
    Recurring("thin_trait_history", retention.PACE, retention.thin_trait_history),
)


class Timetable:
    """When each recurring job is due in this process."""

    def __init__(self, rt: Runtime, recurring: tuple[Recurring, ...] = RECURRING) -> None:
        self._rt = rt
        self._recurring = recurring
        self._due = dict.fromkeys((one.name for one in recurring), 0.0)

    async def run_due(self) -> None:
        """Run what is due; what fails is raised when the others have had their turn, and due again at the next call."""
        failure: Exception | None = None
        for one in self._recurring:
            if time.monotonic() >= self._due[one.name]:
                try:
                    await one.run(self._rt)
                except Exception as error:  # noqa: BLE001 - raised below
                    failure = failure or error
                else:
                    self._due[one.name] = time.monotonic() + one.every.total_seconds()
        if failure is not None:
            raise failure
