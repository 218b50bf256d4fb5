"""Sweep, run what is due, evaluate, drain: needs PostgreSQL only. Everything else merely shortens its pauses."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from uuid import UUID

from app.db import jobs
from app.domain.errors import Unavailable
from app.domain.jobs import Fenced, Lease
from app.workers import (
    bulk_edits,
    deliveries,
    elements,
    erasures,
    evaluation,
    imports,
    metrics,
    owners,
    records,
    recounts,
)
from app.workers.crew import LEASE_SECONDS, Crew
from app.workers.inbox import Applier
from app.workers.runtime import HANDLERS, Runtime
from app.workers.schedule import Timetable

log = logging.getLogger(__name__)

REGISTERED: Final = (bulk_edits, deliveries, elements, erasures, imports, metrics, owners, recounts)
"""The modules whose handlers exist because they are imported here."""

TICK_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 2.0
GRACE_SECONDS: Final = 25.0
LONGEST_BACKOFF: Final = 10.0
SPENT: Final = {True: "worker_crashed", False: "lease expired"}


async def pump_once(rt: Runtime, *, only_workspace: UUID | None = None) -> int:
    """Do all work that is due, once; returns how much there was. Zero: nothing is left to do now."""
    done = await sweep(rt, only_workspace=only_workspace)
    done += await Applier(rt).drain(only_workspace=only_workspace)
    done += await evaluation.drain(rt, only_workspace=only_workspace)
    done += await records.drain(rt, only_workspace=only_workspace)
    return done + await Crew(rt).drain(only_workspace=only_workspace)


async def sweep(rt: Runtime, *, only_workspace: UUID | None = None) -> int:
    """Free what dead workers held, and bury what has cost too many of them; returns how many jobs."""
    async with rt.database.pump_transaction() as db:
        freed = await jobs.sweep(db, only_workspace=only_workspace)
    async with rt.database.pump_transaction() as db:
        spent = await jobs.spent(db, only_workspace=only_workspace)
    for lease in spent:
        await _bury(rt, lease)
    return freed + len(spent)


async def _bury(rt: Runtime, lease: Lease) -> None:
    """Give a job up for dead, together with what hangs on it."""
    handler = HANDLERS.get(lease.kind)
    why = SPENT[lease.crashes + 1 >= jobs.MAX_CRASHES]
    log.error("job given up: %s %s: %s", lease.kind, lease.id, why)
    with suppress(Fenced):
        async with rt.transaction(lease.workspace_id) as db:
            await jobs.give_up(db, lease, error=why, crashed=True)
            if handler is not None and handler.bury is not None:
                await handler.bury(db, handler.job.from_payload(lease.payload), lease, rt.now())


def jittered(seconds: float) -> float:
    """A pause that keeps processes from moving in step."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret


class Pump:
    """The loops of one worker process. `wake` makes them look at once; `stop` lets what runs end, and ends `run`."""

    def __init__(
        self,
        rt: Runtime,
        *,
        tick_seconds: float = TICK_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        only_workspace: UUID | None = None,
    ) -> None:
        self._rt = rt
        self._only = only_workspace
        self._tick = tick_seconds
        self._lease_seconds = lease_seconds
        self._grace = grace_seconds
        self._timetable = Timetable(rt)
        self._look = {name: asyncio.Event() for name in ("apply", "evaluate", "work", "tend")}
        self._stopping = False
        self._applier = Applier(rt)
        self._crew = Crew(rt, lease_seconds=lease_seconds, on_free=self._look["work"].set)

    def wake(self, _lane: str = "") -> None:
        """Look for work now. Cheap, and harmless to call too often."""
        for name in ("apply", "evaluate", "work"):
            self._look[name].set()

    def stop(self) -> None:
        """Claim nothing more, finish what runs, then let `run` return."""
        self._stopping = True
        self._crew.stop()
        for event in self._look.values():
            event.set()

    async def run(self) -> None:
        """Work until `stop`. An outage of the database is waited out."""
        beating = asyncio.create_task(self._beating())
        try:
            turns = {"tend": self._tend, "apply": self._apply, "evaluate": self._evaluate, "work": self._work}
            await asyncio.gather(*(self._loop(name, turn) for name, turn in turns.items()))
        finally:
            await self._crew.finish(self._grace)
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating

    async def _tend(self) -> float:
        await sweep(self._rt, only_workspace=self._only)
        await self._timetable.run_due()
        return SWEEP_SECONDS

    async def _apply(self) -> float:
        done = await self._applier.drain(self._only)
        if done:
            self._look["evaluate"].set()  # what was applied has marked accounts
        return 0.0 if done else self._tick

    async def _evaluate(self) -> float:
        done = await evaluation.drain(self._rt, only_workspace=self._only)
        done += await records.drain(self._rt, only_workspace=self._only)  # what follows for their organizations
        if done:
            self._look["work"].set()  # what changed may have been announced
        return 0.0 if done else self._tick

    async def _work(self) -> float:
        return 0.0 if await self._crew.hire(only_workspace=self._only) else self._tick

    async def _beating(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                await self._crew.beat()
            except Exception:
                log.exception("heartbeat failed")

    async def _loop(self, name: str, turn: Callable[[], Awaitable[float]]) -> None:
        """Take turns until told to stop. A turn answers how long to wait for the next; a failure makes it longer."""
        failures, event = 0, self._look[name]
        while not self._stopping:
            event.clear()
            try:
                pause, failures = await turn(), 0
            except Exception as error:
                failures += 1
                pause = min(LONGEST_BACKOFF, 0.25 * 2**failures)
                log.warning("pump: %s failed", name, exc_info=None if isinstance(error, Unavailable) else error)
                event.clear()
            if not self._stopping and pause:
                with suppress(TimeoutError):
                    async with asyncio.timeout(jittered(pause)):
                        await event.wait()
