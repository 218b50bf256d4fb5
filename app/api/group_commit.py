"""Three flushes at a time per workspace: requests that arrive while they run share the next transaction.

Three, so that one is prepared here while two run in PostgreSQL; order between them does not matter (see
`domain.folding`), and all write in the order of keys, so they wait for each other rather than deadlock.

A door: it opens and ends the flush's transaction. Nobody is answered before their own transaction has committed.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.db.base import Database, has_no_parent, may_run_again
from app.domain.errors import Unavailable
from app.domain.keys import InvalidKey
from app.domain.memory import Memory
from app.domain.messages import Envelope, Verdict
from app.services import ingest

FLUSHERS = 3
MOST_MESSAGES = 1_000  # in one transaction
MOST_WAITING = 20_000  # messages waiting for one workspace before senders are asked to come back
TRIES = 4


class Overloaded(Unavailable):
    """Too much is waiting to be stored."""

    code = "overloaded"


@dataclass(slots=True)
class _Request:
    envelopes: Sequence[Envelope]
    answer: asyncio.Future[list[Verdict]]


@dataclass(slots=True)
class _Line:
    waiting: deque[_Request] = field(default_factory=deque)
    messages: int = 0
    flushers: set[asyncio.Task[None]] = field(default_factory=set)


class GroupCommit:
    """Shared by all requests of a process."""

    def __init__(
        self, database: Database, memory: Memory, *, now: Callable[[], datetime], wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._now = now
        self._wake = wake
        self._memory = memory
        self._lines: defaultdict[UUID, _Line] = defaultdict(_Line)

    async def record(self, workspace_id: UUID, envelopes: Sequence[Envelope]) -> list[Verdict]:
        """Store messages and return once they are committed. Raises `Unavailable` when they could not be."""
        line = self._lines[workspace_id]
        if line.messages + len(envelopes) > MOST_WAITING:
            raise Overloaded("Too many messages are waiting for this workspace.", retry_after=1)
        request = _Request(envelopes, asyncio.get_running_loop().create_future())
        line.waiting.append(request)
        line.messages += len(envelopes)
        if len(line.flushers) < FLUSHERS:
            line.flushers.add(asyncio.create_task(self._flush_all(workspace_id, line)))
        # A client that hangs up must not take back what shares a transaction with others.
        return await asyncio.shield(request.answer)

    async def close(self) -> None:
        """Wait until everything that was taken in is answered."""
        flushers = [flusher for line in self._lines.values() for flusher in line.flushers]
        await asyncio.gather(*flushers, return_exceptions=True)

    async def _flush_all(self, workspace_id: UUID, line: _Line) -> None:
        try:
            while line.waiting:
                await self._flush(workspace_id, self._next_group(line))
        finally:
            line.flushers -= {asyncio.current_task()}
            if not line.flushers and not line.waiting:
                self._lines.pop(workspace_id, None)

    @staticmethod
    def _next_group(line: _Line) -> list[_Request]:
        group = [line.waiting.popleft()]
        size = len(group[0].envelopes)
        while line.waiting and size + len(line.waiting[0].envelopes) <= MOST_MESSAGES:
            request = line.waiting.popleft()
            group.append(request)
            size += len(request.envelopes)
        line.messages -= size
        return group

    async def _flush(self, workspace_id: UUID, group: list[_Request]) -> None:
        try:
            verdicts = await self._commit(workspace_id, [e for request in group for e in request.envelopes])
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer to somebody's request
            await self._part(workspace_id, group, error)
            return
        start = 0
        for request in group:
            end = start + len(request.envelopes)
            _answer(request, verdicts[start:end])
            start = end
        self._wake()

    async def _part(self, workspace_id: UUID, group: list[_Request], error: Exception) -> None:
        """What fails together is tried apart, so that one sender's poison is that sender's alone."""
        if len(group) == 1 or isinstance(error, Unavailable):
            for request in group:
                _answer(request, error)
            return
        for request in group:
            await self._flush(workspace_id, [request])

    async def _commit(self, workspace_id: UUID, envelopes: Sequence[Envelope]) -> list[Verdict]:
        for attempt in range(1, TRIES + 1):
            try:
                async with self._database.transaction(workspace_id) as db:
                    recorded = await ingest.record(db, workspace_id, envelopes, self._memory, now=self._now())
            except Exception as error:
                if has_no_parent(error):
                    self._memory.forget(workspace_id)
                    raise InvalidKey("The key is not valid.") from None  # its workspace was just deleted
                if not may_run_again(error):
                    raise
                if attempt == TRIES:
                    raise Overloaded("Others kept writing the same rows; send it again.", retry_after=1) from error
            else:
                self._memory.learn(workspace_id, recorded.batch)
                return recorded.verdicts
        raise AssertionError("unreachable")


def _answer(request: _Request, answer: list[Verdict] | Exception) -> None:
    if request.answer.done():
        return
    if isinstance(answer, Exception):
        request.answer.set_exception(answer)
        request.answer.exception()  # looked at: its reader may have hung up
    else:
        request.answer.set_result(answer)
