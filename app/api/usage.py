"""Notes when keys and sessions were last used: in the background, and at most once a minute for each."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import structlog

from app.domain.errors import Unavailable
from app.domain.keys import USED_EVERY, Caller

REMEMBERED_KEYS: Final = 10_000

log = structlog.get_logger("steward.usage")


class Usage:
    """Writes a key's or session's `last_used_at` without making its request wait."""

    def __init__(self, write: Callable[[Caller], Awaitable[None]]) -> None:
        self._write = write
        self._written: dict[UUID, float] = {}
        self._running: set[asyncio.Task[None]] = set()

    def note(self, caller: Caller) -> None:
        """A request came in with this key or session."""
        now = time.monotonic()
        if now < self._written.get(caller.credential_id, -1.0):
            return
        if len(self._written) >= REMEMBERED_KEYS:
            self._written.clear()
        self._written[caller.credential_id] = now + USED_EVERY.total_seconds()
        task = asyncio.create_task(self._quietly(caller))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def settle(self) -> None:
        """Wait for what is being written, before the connections are closed."""
        await asyncio.gather(*self._running)

    async def _quietly(self, caller: Caller) -> None:
        try:
            await self._write(caller)
        except Unavailable:
            log.info("last_used_at not written", key=caller.credential_id.hex)
