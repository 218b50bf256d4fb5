"""How many requests a key may send: decided in this process from tokens at hand, which are fetched in the background.

All processes together keep to about the limit while Redis answers. Without it each fills its own part of the bucket:
never closed, never unlimited.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol
from uuid import UUID

import structlog

from app.api import buckets
from app.api.buckets import Bucket, Headers, Rate
from app.api.refusals import RateLimited
from app.domain.keys import Caller
from app.settings import Settings

DRAW_SECONDS: Final = 0.2  # the longest a request waits for tokens
AWAY_SECONDS: Final = 5.0  # after Redis failed, nobody asks it for so long
ROUNDS: Final = 3
MOST_BUCKETS: Final = 10_000
IDLE_SECONDS: Final = 60.0

log = structlog.get_logger("steward.limiter")


class Shared(Protocol):
    """What all processes draw from."""

    async def draw(self, key_id: UUID, rate: Rate, wanted: int) -> tuple[int, float, int]:
        """Tokens given, tokens left, processes that draw; raises when it cannot be reached."""

    async def close(self) -> None:
        """Let go of it."""


class Limiter:
    """Shared by all requests of a process."""

    def __init__(
        self, per_minute: int, burst: int, shared: Shared | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._usual = buckets.rate(per_minute, burst)
        self._shared = shared
        self._clock = clock
        self._buckets: dict[UUID, Bucket] = {}
        self._drawing: dict[UUID, asyncio.Task[None]] = {}
        self._away = shared is None
        self._ask_at = float("inf") if shared is None else 0.0

    async def admit(self, caller: Caller) -> Headers:
        """Count a request; what its answer says about the limit. RateLimited, with `headers` to say it too."""
        own = caller.requests_per_minute
        now = self._clock()
        bucket = await self._ready(caller.credential_id, self._usual if own is None else buckets.rate(own), now)
        if bucket.take():
            return bucket.headers(now, time.time())
        error = RateLimited(
            f"This key may send {bucket.rate.per_minute} requests a minute.",
            retry_after=bucket.wait(now),
            requestsPerMinute=bucket.rate.per_minute,
        )
        error.headers = bucket.headers(now, time.time())
        raise error

    async def attempt(self, whose: UUID, rate: Rate) -> int:
        """Count an attempt to get in; 0, or whole seconds until there may be another."""
        now = self._clock()
        bucket = await self._ready(whose, rate, now)
        return 0 if bucket.take() else bucket.wait(now)

    async def close(self) -> None:
        """Wait for what is being fetched, and let go of Redis."""
        await asyncio.gather(*self._drawing.values())
        if self._shared is not None:
            await self._shared.close()

    async def _ready(self, whose: UUID, rate: Rate, now: float) -> Bucket:
        """A bucket, filled as far as can be."""
        bucket = self._bucket(whose, rate, now)
        if not self._away:
            await self._top_up(whose, bucket, now)
        if self._away:
            bucket.fill(now)
            if now >= self._ask_at:
                self._draw(whose, bucket)
        return bucket

    def _bucket(self, whose: UUID, rate: Rate, now: float) -> Bucket:
        bucket = self._buckets.get(whose)
        if bucket is None:
            if len(self._buckets) >= MOST_BUCKETS:
                self._forget(now)
            bucket = self._buckets[whose] = Bucket(rate, now)
        elif bucket.rate is not rate and bucket.rate != rate:
            bucket.change(rate)
        return bucket

    def _forget(self, now: float) -> None:
        """Nobody misses what has been idle for long enough to be full."""
        kept = {key: bucket for key, bucket in self._buckets.items() if now - bucket.seen < IDLE_SECONDS}
        self._buckets = kept if len(kept) < MOST_BUCKETS else {}

    async def _top_up(self, key_id: UUID, bucket: Bucket, now: float) -> None:
        """See that there are tokens at hand; waits only when there is none, and not for long."""
        for _ in range(ROUNDS):
            if bucket.held >= bucket.rate.low or now < bucket.dry_until or self._away:
                return
            if bucket.held >= 1.0:
                self._draw(key_id, bucket)
                return
            bucket.waiting += 1
            try:
                await asyncio.shield(self._draw(key_id, bucket))
            finally:
                bucket.waiting -= 1

    def _draw(self, key_id: UUID, bucket: Bucket) -> asyncio.Task[None]:
        task = self._drawing.get(key_id)
        if task is None:
            task = self._drawing[key_id] = asyncio.create_task(self._fetch(key_id, bucket))
            task.add_done_callback(lambda _: self._drawing.pop(key_id, None))
        return task

    async def _fetch(self, key_id: UUID, bucket: Bucket) -> None:
        assert self._shared is not None  # noqa: S101 - otherwise nobody asks
        if self._away:
            self._ask_at = self._clock() + AWAY_SECONDS
        try:
            async with asyncio.timeout(DRAW_SECONDS):
                await asyncio.sleep(0)  # whoever waits has said so by then
                wanted = bucket.rate.chunk + bucket.waiting
                given, left, sharers = await self._shared.draw(key_id, bucket.rate, wanted)
        except Exception as error:  # noqa: BLE001 - each process has its own part
            self._lost(error)
            return
        if self._away:
            self._found()
        bucket.receive(given, left, sharers, self._clock())

    def _lost(self, error: Exception) -> None:
        self._ask_at = self._clock() + AWAY_SECONDS
        if not self._away:
            self._away = True
            log.warning(
                "the shared rate limits are out of reach; each process keeps its own", error=type(error).__name__
            )

    def _found(self) -> None:
        self._away = False
        for bucket in self._buckets.values():  # what time filled here, it filled there too
            bucket.held = min(bucket.held, bucket.rate.chunk)


def open_limiter(settings: Settings, shared: Shared | None) -> Limiter:
    """The limiter of this deployment."""
    return Limiter(settings.requests_per_minute, settings.request_burst, shared)
