"""How far the durable inbox lags, known well enough to refuse what would be too much, at no cost to a request."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.api.group_commit import Overloaded
from app.db import inbox
from app.db.base import Database
from app.db.inbox import Depth

LOOK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 5
MOST_KNOWN: Final = 10_000
"""Workspaces remembered before all of them are looked at anew."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Seen:
    at: float
    depth: Depth


class Backlog:
    """Shared by all requests of a process. It looks once a second at those workspaces that send."""

    def __init__(
        self,
        database: Database,
        *,
        most_messages: int,
        most_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._most_messages = most_messages
        self._most_seconds = most_seconds
        self._clock = clock
        self._seen: dict[UUID, _Seen] = {}
        self._looking: dict[UUID, asyncio.Task[None]] = {}

    def check(self, workspace_id: UUID) -> None:
        """Overloaded while too much waits to be applied, by what was seen last; and look again if that was long ago."""
        seen = self._seen.get(workspace_id)
        old = seen is None or self._clock() - seen.at > LOOK_SECONDS
        if old and workspace_id not in self._looking:
            self._looking[workspace_id] = asyncio.create_task(self._look(workspace_id))
        if seen is not None and self._lags(seen.depth):
            raise Overloaded(
                "The inbox of this workspace is full: what it holds must be applied first.",
                retry_after=RETRY_SECONDS,
                pending=seen.depth.messages,
            )

    async def close(self) -> None:
        """Wait for the looks that are under way."""
        await asyncio.gather(*self._looking.values(), return_exceptions=True)

    def _lags(self, depth: Depth) -> bool:
        return depth.messages >= self._most_messages or depth.oldest_seconds >= self._most_seconds

    async def _look(self, workspace_id: UUID) -> None:
        try:
            async with self._database.transaction(workspace_id) as db:
                depth = await inbox.depth(db, workspace_id)
            if len(self._seen) >= MOST_KNOWN:
                self._seen.clear()
            self._seen[workspace_id] = _Seen(self._clock(), depth)
        except Exception:  # noqa: BLE001 - the append itself tells the sender when the database is away
            log.warning("the inbox could not be looked at")
        finally:
            del self._looking[workspace_id]
