"""Where refused items are put aside, and taken from to be tried again.

A door: it opens and ends the transactions. While one runs, the refusals of other requests of the workspace wait and
then share the next: a flood of them takes one connection of the pool, and its own sender's time.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from app.api.group_commit import GroupCommit, Overloaded
from app.db.base import Database, has_no_parent, may_run_again
from app.db.rejections import Settled
from app.domain.errors import DomainError, Rejected
from app.domain.keys import InvalidKey, redact
from app.domain.messages import Envelope, Verdict
from app.domain.rejections import Bounds, Refusal, Wanted
from app.intake.dialects import read_again
from app.services import rejections
from app.settings import Settings

MOST_AT_ONCE = 1_000  # items in one transaction, though a request's own stay together
MOST_WAITING = 5_000  # items of one workspace, unless a single request has more
TRIES = 4


@dataclass(slots=True)
class _Line:
    items: int = 0
    waiting: deque[tuple[Sequence[Refusal], asyncio.Future[None]]] = field(default_factory=deque)
    worker: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What trying some items again came to, and where to go on; None: these were the last."""

    settled: Sequence[Settled]
    next: UUID | None


class Shelf:
    """Shared by all requests of a process."""

    def __init__(
        self,
        database: Database,
        commits: GroupCommit,
        settings: Settings,
        *,
        suppression_key: bytes,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._commits = commits
        self._bounds = Bounds.of(settings.rejected_days, settings.rejected_rows, settings.rejected_bytes)
        self._event_bytes = settings.event_bytes
        self._suppression_key = suppression_key
        self._now = now
        self._lines: defaultdict[UUID, _Line] = defaultdict(_Line)
        self._held = Counter[UUID]()

    @contextmanager
    def room(self, workspace_id: UUID, items: int) -> Iterator[None]:
        """Hold room for items until they are handed to `keep`, at once after this.

        Raises `Overloaded` when there is none: before anything of their request is committed, since what carries no id
        would be taken again with it. Where nothing else waits, there is room for any number.
        """
        line = self._lines.get(workspace_id)
        waiting = self._held[workspace_id] + (line.items if line is not None else 0)
        if waiting and waiting + items > MOST_WAITING:
            raise Overloaded("Too many refused messages are waiting for this workspace.", retry_after=1)
        self._held[workspace_id] += items
        try:
            yield
        finally:
            self._held[workspace_id] -= items
            if not self._held[workspace_id]:
                del self._held[workspace_id]

    async def keep(self, workspace_id: UUID, refusals: Sequence[Refusal]) -> None:
        """Put items aside; when this returns they are on disk. Raises `Unavailable` when they could not be.

        However many wait: `room` was asked first.
        """
        line = self._lines[workspace_id]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append((refusals, done))
        line.items += len(refusals)
        if line.worker is None:
            line.worker = asyncio.create_task(self._work(workspace_id, line))
        await asyncio.shield(done)  # who hangs up must not take back what shares a transaction with others

    async def close(self) -> None:
        """Wait until everything that was taken in is answered."""
        workers = [line.worker for line in self._lines.values() if line.worker is not None]
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, workspace_id: UUID, line: _Line) -> None:
        try:
            while line.waiting:
                group = [line.waiting.popleft()]
                size = len(group[0][0])
                while line.waiting and size + len(line.waiting[0][0]) <= MOST_AT_ONCE:
                    group.append(line.waiting.popleft())
                    size += len(group[-1][0])
                await self._answer(workspace_id, group)
                line.items -= size
        finally:
            self._lines.pop(workspace_id, None)

    async def _answer(
        self, workspace_id: UUID, group: Sequence[tuple[Sequence[Refusal], asyncio.Future[None]]]
    ) -> None:
        failure: Exception | None = None
        try:
            await self._commit(workspace_id, [one for refusals, _ in group for one in refusals])
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer to these requests
            failure = error
        for _, done in group:
            if done.done():
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)
                done.exception()  # looked at: its reader may have hung up

    async def _commit(self, workspace_id: UUID, refusals: Sequence[Refusal]) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                async with self._database.transaction(workspace_id) as db:
                    await rejections.keep(
                        db,
                        workspace_id,
                        refusals,
                        bounds=self._bounds,
                        suppression_key=self._suppression_key,
                        now=self._now(),
                    )
            except Exception as error:
                if has_no_parent(error):
                    raise InvalidKey("The key is not valid.") from None  # its workspace was just deleted
                if not may_run_again(error):
                    raise
                if attempt == TRIES:
                    raise Overloaded("Others kept writing the same rows; send it again.", retry_after=1) from error
            else:
                return

    async def replay_one(self, workspace_id: UUID, rejected_id: UUID | None, mended: Any = None) -> Settled:
        """Try one item again, or a mended one in its place. Raises as `services.rejections.to_replay` does.

        Safe to repeat: what was taken is not taken twice.
        """
        async with self._database.transaction(workspace_id) as db:
            row = await rejections.to_replay(db, workspace_id, rejected_id, mended=mended is not None)
        if row["replayed_at"] is not None:
            return Settled(row["id"], row["outcome"])
        (settled,) = await self._replay(workspace_id, [row], mended)
        return settled

    async def replay_some(self, workspace_id: UUID, wanted: Wanted, after: UUID | None) -> Replayed:
        """Try the oldest open items again that a filter asks for."""
        async with self._database.transaction(workspace_id) as db:
            some = await rejections.some_to_replay(db, workspace_id, wanted, after=after)
        return Replayed(await self._replay(workspace_id, some.rows) if some.rows else [], some.next)

    async def _replay(self, workspace_id: UUID, rows: Sequence[Mapping[str, Any]], mended: Any = None) -> list[Settled]:
        read: dict[UUID, Envelope] = {}
        settled: list[Settled] = []
        for row in rows:
            try:
                read[row["id"]] = self._read(row, mended)
            except Rejected as error:
                settled.append(Settled(row["id"], "rejected", error.code, *_why(error)))
        verdicts = await self._commits.record(workspace_id, list(read.values())) if read else []
        settled += (_settled(id_, verdict) for id_, verdict in zip(read, verdicts, strict=True))
        async with self._database.transaction(workspace_id) as db:
            await rejections.settle(db, workspace_id, settled, now=self._now())
        return settled

    def _read(self, row: Mapping[str, Any], mended: Any) -> Envelope:
        """The item as of when it came; without an id of its own it gets the row's, so that it is taken once."""
        item = mended if mended is not None else from_json(row["item"], allow_inf_nan=False)
        envelope = read_again(row["source"], item, row["first_at"], self._event_bytes)
        if envelope.message_id is not None:
            return envelope
        return replace(envelope, message_id=f"rejected-{row['id'].hex}")


def _why(error: DomainError) -> tuple[str, str | None]:
    pointer = error.context.get("pointer")
    return redact(error.detail), None if pointer is None else redact(pointer)


def _settled(id_: UUID, verdict: Verdict) -> Settled:
    if verdict.status in {"accepted", "duplicate", "suppressed"}:
        return Settled(id_, verdict.status)
    return Settled(id_, "conflict", verdict.code, verdict.detail)
