"""The only file that knows arq. The bell says `look now`; it carries no work, so losing it loses only time."""

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Final

from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

QUEUE: Final = "steward:bell"
RING: Final = "ring"
RING_SECONDS: Final = 0.2  # the longest a ring may take
SPACING_SECONDS: Final = 0.05  # between two rings of one lane: they mean the same
EXPIRES_SECONDS: Final = 60
NAMES: Final = 256  # so many rings can wait, however long nobody listens
FAILURES: Final = 3  # in a row, then
OPEN_SECONDS: Final = 5.0  # nothing is tried for this long
SOCKET_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.1
FIRST_BACKOFF: Final = 0.5
LONGEST_BACKOFF: Final = 15.0


def _connect(url: str) -> ArqRedis:
    pool = ConnectionPool.from_url(url, socket_connect_timeout=1.0, socket_timeout=SOCKET_SECONDS)
    return ArqRedis(pool, job_serializer=_pack, job_deserializer=json.loads, default_queue_name=QUEUE)


def _pack(value: Any) -> bytes:
    return json.dumps(value, default=str).encode()


class Bell:
    """Rings for the workers. `wake` returns at once and never raises; `rung` and `failed` count what came of it."""

    def __init__(self, url: str) -> None:
        self._redis = _connect(url)
        self._wanted: dict[str, bool] = {}
        self._ringers: dict[str, asyncio.Task[None]] = {}
        self._in_a_row = 0
        self._closed_until = 0.0
        self.rung = 0
        self.failed = 0

    def wake(self, lane: str = "work") -> None:
        """Tell the workers that there is work, after the commit that made it. Many calls become few rings."""
        self._wanted[lane] = True
        if lane not in self._ringers and time.monotonic() >= self._closed_until:
            self._ringers[lane] = asyncio.create_task(self._ring_while_wanted(lane))

    async def answers(self) -> bool | None:
        """Whether Redis can be reached now; None where there is none to reach. Never raises."""
        try:
            async with asyncio.timeout(RING_SECONDS):
                await self._redis.ping()
        except Exception:  # noqa: BLE001 - the pump needs no bell
            return False
        return True

    async def close(self) -> None:
        """Stop ringing."""
        for task in list(self._ringers.values()):
            task.cancel()
        await asyncio.gather(*self._ringers.values(), return_exceptions=True)
        await self._redis.aclose(close_connection_pool=True)

    async def _ring_while_wanted(self, lane: str) -> None:
        try:
            while self._wanted.pop(lane, False) and time.monotonic() >= self._closed_until:
                await self._ring(lane)
                await asyncio.sleep(SPACING_SECONDS)
        finally:
            del self._ringers[lane]

    async def _ring(self, lane: str) -> None:
        try:
            async with asyncio.timeout(RING_SECONDS):
                name = f"{lane}:{random.randrange(NAMES)}"  # noqa: S311 - a name in use is refused: few, not one
                await self._redis.enqueue_job(RING, lane, _job_id=name, _expires=EXPIRES_SECONDS)
        except Exception as error:  # noqa: BLE001 - the pump needs no bell
            self.failed += 1
            self._in_a_row += 1
            if self._in_a_row >= FAILURES:
                self._in_a_row, self._closed_until = 0, time.monotonic() + OPEN_SECONDS
                log.warning("the bell does not ring (%s); workers look once a second", type(error).__name__)
        else:
            self.rung += 1
            self._in_a_row = 0


class NoBell:
    """For deployments without Redis: the pump looks by itself."""

    def wake(self, lane: str = "work") -> None:
        """Nothing to ring."""

    async def answers(self) -> bool | None:
        """There is no Redis to reach."""
        return None

    async def close(self) -> None:
        """Nothing to close."""


def open_bell(url: str, kind: str = "arq") -> Bell | NoBell:
    """The bell of this deployment."""
    return Bell(url) if url and kind == "arq" else NoBell()


async def trouble(url: str) -> str | None:
    """Why Redis cannot be reached, in its own words; None when it answers."""
    try:
        redis = Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3)
        async with redis:
            await redis.ping()
    except (RedisError, OSError, ValueError) as error:
        return str(error)
    return None


async def serve(url: str, on_wake: Callable[[str], None]) -> None:
    """Listen for the bell until cancelled. arq's worker ends with its connection, so it is made anew each time."""
    pause = FIRST_BACKOFF
    while True:
        started = time.monotonic()
        try:
            await _listen(url, on_wake)
        except Exception as error:  # noqa: BLE001 - the pump needs no bell
            log.warning("the bell is out of reach (%s)", type(error).__name__)
        pause = FIRST_BACKOFF if time.monotonic() - started > 60 else min(pause * 2, LONGEST_BACKOFF)
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret


async def _listen(url: str, on_wake: Callable[[str], None]) -> None:
    async def ring(_context: dict[Any, Any], lane: str) -> None:
        on_wake(lane)

    listener: Any = ring  # arq's protocol wants any arguments; this one takes what `Bell` sends
    redis = _connect(url)
    worker = Worker(
        [func(listener, name=RING)],
        redis_pool=redis,
        queue_name=QUEUE,
        handle_signals=False,
        keep_result=0,
        max_tries=1,
        max_jobs=4,
        job_timeout=30,
        poll_delay=POLL_SECONDS,
        retry_jobs=False,
        job_serializer=_pack,
        job_deserializer=json.loads,
        log_results=False,
    )
    try:
        await worker.main()
    finally:
        for task in worker.tasks.values():
            task.cancel()
        await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
        await redis.aclose(
            close_connection_pool=True
        )  # not worker.close(), which closes in a way redis calls deprecated
