"""Who is behind a key or session, remembered for three seconds: a revoked one stops working everywhere within five."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from app.api import credentials
from app.domain import keys
from app.domain.keys import Caller, Grant, InvalidKey, InvalidSession, MissingKey

REMEMBERED_SECONDS: Final = 3.0
REMEMBERED_KEYS: Final = 10_000
REFUSED: Final = "This API key is not valid: it is unknown, revoked or expired."
ENDED: Final = "This session has ended: sign in again."

LookUp = Callable[[bytes], Awaitable[Grant | None]]
Note = Callable[[Caller], None]


class Callers:
    """Finds the caller behind an Authorization header, asking the database at most once in three seconds per key."""

    def __init__(self, look_up: LookUp, now: Callable[[], datetime]) -> None:
        self._look_up = look_up
        self._now = now
        self._known: dict[bytes, tuple[float, Grant | None]] = {}
        self._asked: dict[bytes, asyncio.Task[Grant | None]] = {}

    async def identify(self, authorization: bytes | None, missing: str) -> Caller:
        """The caller; MissingKey without credentials, InvalidKey for unknown, revoked and expired ones alike."""
        secret = credentials.read(authorization)
        if secret is None:
            raise MissingKey(missing)
        return await self.behind(secret)

    async def behind(self, secret: str) -> Caller:
        """The caller who knows this secret; InvalidKey, InvalidSession."""
        grant = await self._grant(secret)
        if grant is None or not grant.holds(self._now()):
            raise InvalidSession(ENDED) if keys.is_token("ses", secret) else InvalidKey(REFUSED)
        return grant.caller

    def forget(self) -> None:
        """Ask anew for every key; called when one is revoked or rotated in this process."""
        self._known.clear()

    async def _grant(self, secret: str) -> Grant | None:
        fingerprint = keys.fingerprint(secret)
        known = self._known.get(fingerprint)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        if not (keys.well_formed(secret) or keys.is_token("ses", secret)):
            return None
        task = self._asked.get(fingerprint)
        if task is None:
            task = asyncio.create_task(self._ask(fingerprint))
            self._asked[fingerprint] = task
            task.add_done_callback(lambda _: self._asked.pop(fingerprint, None))
        return await asyncio.shield(task)

    async def _ask(self, fingerprint: bytes) -> Grant | None:
        asked_at = time.monotonic()
        grant = await self._look_up(fingerprint)
        if len(self._known) >= REMEMBERED_KEYS:
            self._known.clear()
        self._known[fingerprint] = (asked_at + REMEMBERED_SECONDS, grant)
        return grant
