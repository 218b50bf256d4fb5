"""The durable inbox's side of requests: messages are packed, appended together with what else came, and acknowledged.

A door: it opens and ends the append's transaction. Nobody is answered before their own transaction has committed.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from app.api.backlog import Backlog
from app.api.group_commit import Overloaded
from app.db import inbox
from app.db.base import Database, has_no_parent
from app.domain import parcels
from app.domain.keys import InvalidKey
from app.domain.messages import ACCEPTED, Envelope, Verdict

MOST_MESSAGES: Final = 2_000
"""In one parcel: the worker applies a parcel whole, and a few of them at a time."""
MOST_BYTES: Final = 2 * 1024 * 1024
"""In one parcel, unless a single request has more."""
MOST_WAITING: Final = 64 * 1024 * 1024
"""Bytes waiting for one workspace before its senders are asked to come back."""


@dataclass(slots=True)
class _Request:
    parcel: bytes
    messages: int
    answer: asyncio.Future[None]


@dataclass(slots=True)
class _Line:
    waiting: deque[_Request] = field(default_factory=deque)
    size: int = 0
    flusher: asyncio.Task[None] | None = None


class Inbox:
    """Shared by all requests of a process."""

    def __init__(self, database: Database, backlog: Backlog, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._backlog = backlog
        self._wake = wake
        self._lines: defaultdict[UUID, _Line] = defaultdict(_Line)

    async def append(self, workspace_id: UUID, envelopes: Sequence[Envelope]) -> list[Verdict]:
        """Keep messages and return once that is committed. Raises `Unavailable` when it could not be, or lags too far.

        All are accepted: what is a duplicate, contradicts an earlier body or was deleted is found when it is applied.
        """
        self._backlog.check(workspace_id)
        parcel = parcels.pack(envelopes)
        line = self._lines[workspace_id]
        if line.size + len(parcel) > MOST_WAITING:
            raise Overloaded("Too many messages are waiting for this workspace.", retry_after=1)
        request = _Request(parcel, len(envelopes), asyncio.get_running_loop().create_future())
        line.waiting.append(request)
        line.size += len(parcel)
        if line.flusher is None:
            line.flusher = asyncio.create_task(self._flush_all(workspace_id, line))
        # A client that hangs up must not take back what shares a transaction with others.
        await asyncio.shield(request.answer)
        return [ACCEPTED] * len(envelopes)

    async def close(self) -> None:
        """Wait until everything that was taken in is answered."""
        flushers = [line.flusher for line in self._lines.values() if line.flusher is not None]
        await asyncio.gather(*flushers, return_exceptions=True)
        await self._backlog.close()

    async def _flush_all(self, workspace_id: UUID, line: _Line) -> None:
        try:
            while line.waiting:
                await self._flush(workspace_id, _next_group(line))
        finally:
            self._lines.pop(workspace_id, None)

    async def _flush(self, workspace_id: UUID, group: Sequence[_Request]) -> None:
        """Append what several requests sent as one parcel: one row is cheaper than many."""
        parcel = group[0].parcel if len(group) == 1 else b"".join([request.parcel for request in group])
        try:
            await self._commit(workspace_id, parcel, sum(request.messages for request in group))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer to everybody's request
            _answer(group, InvalidKey("The key is not valid.") if has_no_parent(error) else error)
        else:
            _answer(group, None)
            self._wake()

    async def _commit(self, workspace_id: UUID, parcel: bytes, messages: int) -> None:
        async with self._database.transaction(workspace_id) as db:
            await inbox.put(db, workspace_id, parcel, messages)


def _next_group(line: _Line) -> list[_Request]:
    group = [line.waiting.popleft()]
    size, messages = len(group[0].parcel), group[0].messages
    while line.waiting:
        size += len(line.waiting[0].parcel)
        messages += line.waiting[0].messages
        if size > MOST_BYTES or messages > MOST_MESSAGES:
            break
        group.append(line.waiting.popleft())
    line.size -= sum(len(request.parcel) for request in group)
    return group


def _answer(group: Sequence[_Request], error: Exception | None) -> None:
    for request in group:
        if request.answer.done():
            continue
        if error is None:
            request.answer.set_result(None)
        else:
            request.answer.set_exception(error)
            request.answer.exception()  # looked at: its reader may have hung up
