"""The hands of one worker process: the jobs it runs now, and the leases it must keep alive."""

import asyncio
import logging
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from app.db import jobs
from app.domain.errors import DomainError, TooMany, Unavailable
from app.domain.ids import new_id
from app.domain.jobs import SUSPECT, Fenced, Job, Lane, Lease
from app.domain.retries import spread, wait
from app.workers.faults import fault
from app.workers.runtime import HANDLERS, Handler, Runtime

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 60.0  # longer than the slowest outside call and its two transactions
PER_ENDPOINT: Final = 4  # calls to one endpoint at a time
PER_CLAIM: Final = 8  # jobs of one workspace in one claim
GATHER_SECONDS: Final = 0.005  # between two claims of a busy worker, so that one claim fills several hands
DEEP_EVERY_SECONDS: Final = 1.0  # how often a claim looks behind an endpoint's long backlog
LANE_LIMITS: Final = {Lane.BULK: 2, Lane.MAINTENANCE: 1}


@dataclass(slots=True)
class _Hand:
    lease: Lease
    task: asyncio.Task[None]
    stop_at: float  # on this process's monotonic clock, before the lease can have lapsed


class Crew:
    """At most `settings.worker_concurrency` jobs at a time, fairly shared between workspaces and endpoints."""

    def __init__(
        self, rt: Runtime, *, lease_seconds: float = LEASE_SECONDS, on_free: Callable[[], None] | None = None
    ) -> None:
        self._rt = rt
        self._lease_seconds = lease_seconds
        self._on_free = on_free
        self._name = f"{socket.gethostname()}:{os.getpid()}:{new_id().hex[-6:]}"
        self._size = rt.settings.worker_concurrency
        self._per_workspace = max(1, self._size * 3 // 4)  # nobody can occupy every hand
        self._hands: dict[int, _Hand] = {}
        self._freed = asyncio.Event()
        self._deep_at = 0.0
        self._stopping = False

    def __len__(self) -> int:
        return len(self._hands)

    async def hire(self, *, only_workspace: UUID | None = None) -> int:
        """Claim as many due jobs as there are hands free and start them; returns how many."""
        if self._hands:
            await asyncio.sleep(GATHER_SECONDS)
        if self._stopping or len(self._hands) >= self._size:
            return 0
        return await self._start(await self._claim(only_workspace))

    async def drain(self, *, only_workspace: UUID | None = None) -> int:
        """Run jobs until none is due and none is running; returns how many were started."""
        total = 0
        while True:
            self._freed.clear()  # before looking: what ends meanwhile makes us look again
            total += (started := await self.hire(only_workspace=only_workspace))
            if self._hands:
                await self._freed.wait()
            elif not started and not self._freed.is_set():
                return total

    async def beat(self) -> None:
        """Prolong all leases; stop the work whose lease is lost, or may be by now because the database is away."""
        leases, asked = [hand.lease for hand in self._hands.values()], time.monotonic()
        if not leases:
            return
        kept: set[int] = set()
        try:
            async with self._rt.database.pump_transaction() as db:
                kept = await jobs.heartbeat(db, leases, lease_seconds=self._lease_seconds)
            lost = {lease.id for lease in leases if not lease.settled} - kept
        except Unavailable:
            lost = set()
        for job_id, hand in list(self._hands.items()):
            if job_id in kept:
                hand.stop_at = asked + self._patience()
            elif job_id in lost or time.monotonic() > hand.stop_at:
                log.warning("lease lost, work stopped: %s %s", hand.lease.kind, job_id)
                hand.task.cancel()

    def stop(self) -> None:
        """Start nothing more; what is claimed from now on is given back."""
        self._stopping = True

    async def finish(self, grace_seconds: float) -> None:
        """Start nothing more and let what runs end; what does not end in time is left to its lease."""
        self.stop()
        tasks = [hand.task for hand in self._hands.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _patience(self) -> float:
        return self._lease_seconds * 5 / 6

    async def _claim(self, only_workspace: UUID | None) -> list[Lease]:
        """Claim lane after lane, in one transaction, until the hands are full."""
        found: list[Lease] = []
        deep = time.monotonic() >= self._deep_at
        if deep:
            self._deep_at = time.monotonic() + DEEP_EVERY_SECONDS
        async with self._rt.database.pump_transaction() as db:
            for lane, known in (await jobs.workspaces_with_work(db)).items():
                who = known if only_workspace is None else [one for one in known if one == only_workspace]
                random.shuffle(who)
                want = self._wanted(Lane(lane), who, [hand.lease for hand in self._hands.values()] + found, deep=deep)
                if want.limit > 0 and want.takes:
                    found += await jobs.claim(db, want)
        return found

    def _wanted(self, lane: Lane, who: Sequence[UUID], taken: Sequence[Lease], *, deep: bool) -> jobs.Claim:
        """What may be claimed of a lane beside what is taken already."""
        in_lane = sum(HANDLERS[lease.kind].job.lane == lane for lease in taken)
        busy = Counter(lease.workspace_id for lease in taken)
        takes = {one: min(PER_CLAIM, self._per_workspace - busy[one]) for one in who}
        return jobs.Claim(
            worker=self._name,
            lane=lane,
            kinds=list(HANDLERS),
            lease_seconds=self._lease_seconds,
            limit=min(self._size - len(taken), LANE_LIMITS.get(lane, self._size) - in_lane),
            takes={one: take for one, take in takes.items() if take > 0},
            in_flight=Counter(lease.slot for lease in taken if lease.slot),
            per_endpoint=PER_ENDPOINT,
            deep=deep,
        )

    async def _start(self, leases: Sequence[Lease]) -> int:
        """One suspect at a time: if it kills the process, no second suspect is charged for it."""
        if leases:
            fault("job.after_claim")
        started = 0
        for lease in leases:
            suspected = any(hand.lease.slot == SUSPECT for hand in self._hands.values())
            if self._stopping or (suspected and lease.slot == SUSPECT):
                await self._give_back(lease)
                continue
            task = asyncio.create_task(self._keep(lease), name=f"{lease.kind} {lease.id}")
            self._hands[lease.id] = _Hand(lease, task, time.monotonic() + self._patience())
            task.add_done_callback(partial(self._leave, lease.id))
            started += 1
        return started

    def _leave(self, job_id: int, _task: asyncio.Task[None]) -> None:
        self._hands.pop(job_id, None)
        self._freed.set()
        if self._on_free is not None:
            self._on_free()

    async def _give_back(self, lease: Lease) -> None:
        try:
            async with self._rt.transaction(lease.workspace_id) as db:
                await jobs.give_back(db, lease)
        except (Fenced, DomainError):
            log.info("claim could not be given back: %s %s", lease.kind, lease.id)

    async def _keep(self, lease: Lease) -> None:
        """Keep one promise, and write down how it went."""
        handler = HANDLERS[lease.kind]
        job: Job | None = None
        try:
            job = handler.job.from_payload(lease.payload)
            async with asyncio.timeout(handler.timeout):
                await handler.run(job, self._rt, lease)
            if not lease.settled:
                await self._complete(lease)
        except Fenced:
            log.info("fenced: %s %s", lease.kind, lease.id)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises decides about its own job only
            await self._failed(handler, job, lease, error)

    async def _complete(self, lease: Lease) -> None:
        fault("job.before_complete")
        async with self._rt.transaction(lease.workspace_id) as db:
            await jobs.complete(db, lease)
        fault("job.after_complete")

    async def _failed(self, handler: Handler, job: Job | None, lease: Lease, error: Exception) -> None:
        after = (
            None
            if job is None or is_final(error)
            else wait(job.retries, lease.attempt, jitter=spread(f"{lease.kind}{lease.id}", lease.attempt))
        )
        log.warning("job failed: %s %s: %s", lease.kind, lease.id, describe(error), exc_info=error)
        try:
            async with self._rt.transaction(lease.workspace_id) as db:
                await jobs.fail(db, lease, error=describe(error), after=after)
                if after is None and job is not None and handler.bury is not None:
                    await handler.bury(db, job, lease, self._rt.now())
        except Fenced:
            log.info("fenced: %s %s", lease.kind, lease.id)
        except Exception:
            log.exception("a failure could not be noted; the lease will lapse: %s %s", lease.kind, lease.id)


def is_final(error: Exception) -> bool:
    """Whether trying again cannot help: the domain said no, and not merely `later`."""
    return isinstance(error, DomainError) and not isinstance(error, Unavailable | TooMany)


def describe(error: Exception) -> str:
    """What is kept of an error: the domain's own words, or only its type, since messages may quote data."""
    return f"{error.code}: {error.detail}" if isinstance(error, DomainError) else type(error).__name__
