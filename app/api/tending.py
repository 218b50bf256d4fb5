"""Keeps the columnar copies that answer reports: reads them in, lets them catch up, gives them up. In the background.

A door: it opens and ends the transactions.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from uuid import UUID

import structlog

from app.db.base import Database, Session
from app.db.replica import Replicas
from app.db.replica.store import Full
from app.db.replica.tending import Bounds, Tending
from app.domain.errors import Unavailable
from app.settings import Settings

EVERY: Final = 1.0  # seconds between looks at copies that answer reports
LATELY: Final = 60.0  # seconds in which a copy was asked, for that
AT_LEAST: Final = 300.0  # seconds between looks at any copy
ANEW: Final = 3600.0  # seconds after which it is decided anew which columns a copy should have
REST: Final = 60.0  # seconds before a workspace too small is looked at again
LONG_REST: Final = 3600.0  # the same for one too large
AT_ONCE: Final = 2  # copies tended at a time

T = TypeVar("T")
log = structlog.get_logger("steward.replicas")


class Keeper:
    """Shared by all requests of a process; `replicas` is what they ask."""

    def __init__(self, database: Database, settings: Settings) -> None:
        bounds = Bounds(settings.columns_from, settings.columns_bytes, settings.columns_threads)
        self.replicas = Replicas(self.wake)
        self._tending = Tending(self.replicas, bounds)
        self._database = database
        self._off = settings.columns_bytes == 0
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._resting: dict[UUID, float] = {}
        self._clock: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look at the copies there are."""
        if not self._off:
            self._clock = asyncio.create_task(self._tick())

    async def close(self) -> None:
        """Stop, and give the memory back."""
        self._off = True
        tasks = [*self._running.values(), *([] if self._clock is None else [self._clock])]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        for workspace_id in list(self.replicas.copies):
            self._tending.drop(workspace_id)

    def wake(self, workspace_id: UUID) -> None:
        """See to a workspace's copy, unless somebody does or it is to rest."""
        if self._off or workspace_id in self._running or time.monotonic() < self._resting.get(workspace_id, 0.0):
            return
        self._begin(workspace_id, self._tend)

    def _begin(self, workspace_id: UUID, work: Callable[[UUID], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._quietly(workspace_id, work))
        self._running[workspace_id] = task
        task.add_done_callback(lambda _: self._running.pop(workspace_id, None))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self._tending.drop_idle()
            now = time.monotonic()
            for workspace_id, copy in list(self.replicas.copies.items()):
                pace = EVERY if now - copy.asked_at < LATELY else AT_LEAST
                if workspace_id not in self._running and now - copy.began >= pace:
                    plain = copy.usable and now - copy.seen_to < ANEW
                    self._begin(workspace_id, self._catch_up if plain else self._tend)

    async def _quietly(self, workspace_id: UUID, work: Callable[[UUID], Awaitable[None]]) -> None:
        """What fails is tried again later: PostgreSQL answers meanwhile."""
        try:
            async with self._turns:
                await work(workspace_id)
        except Full:
            self._resting[workspace_id] = time.monotonic() + LONG_REST
            log.warning("columns given up: STEWARD_COLUMNS_BYTES is too little", workspace=workspace_id.hex)
        except Unavailable:
            self._resting[workspace_id] = time.monotonic() + EVERY
        except Exception:
            self._resting[workspace_id] = time.monotonic() + REST
            self._tending.drop(workspace_id)
            log.exception("columns given up", workspace=workspace_id.hex)

    async def _tend(self, workspace_id: UUID) -> None:
        more = await self._within(workspace_id, self._tending.begin)
        if workspace_id not in self.replicas.copies:
            self._resting[workspace_id] = time.monotonic() + REST
        while more:
            more = await self._within(workspace_id, self._tending.read_on)
        await self._catch_up(workspace_id)

    async def _catch_up(self, workspace_id: UUID) -> None:
        await self._within(workspace_id, self._tending.catch_up)

    async def _within(self, workspace_id: UUID, step: Callable[[Session, UUID], Awaitable[T]]) -> T:
        async with self._database.transaction(workspace_id) as db:
            return await step(db, workspace_id)
