"""How a backlog of dirty marks is worked off: slice by slice, and no record holds up the others.

Accounts, users and organizations each have marks of their own; what is done with them is the same.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from app.db.base import Session, is_away, is_held
from app.db.marks import Marks
from app.workers.crew import describe
from app.workers.runtime import Runtime

SLICES_A_TURN: Final = 8
"""One workspace's backlog may take this many slices of each kind before the others have their turn."""


@dataclass(frozen=True, slots=True)
class Queue(ABC):
    """The marks of one kind of record in one workspace."""

    slice_size: ClassVar[int]
    noun: ClassVar[str]
    log: ClassVar[logging.Logger]

    rt: Runtime
    workspace_id: UUID

    @abstractmethod
    async def mark_timed(self, db: Session, *, limit: int) -> None:
        """Turn the instants that have come into marks."""

    @abstractmethod
    async def take(self, db: Session) -> Marks:
        """Remove the oldest due marks that are free; they are back if the transaction does not commit."""

    @abstractmethod
    async def take_of(self, db: Session, part: Marks) -> Marks:
        """Remove those of these marks that are still there and free."""

    @abstractmethod
    async def set_aside(self, db: Session, record_id: UUID, failed: Marks, error: str) -> None:
        """Make one mark of a record's marks, due again after a while."""

    @abstractmethod
    async def evaluate(self, db: Session, record_ids: Sequence[UUID]) -> None:
        """Bring everything derived about these records up to date."""

    async def turn(self) -> int:
        """Evaluate a few slices of what is due; how many records."""
        async with self.rt.transaction(self.workspace_id) as db:
            await self.mark_timed(db, limit=self.slice_size * SLICES_A_TURN)
        done = 0
        for _ in range(SLICES_A_TURN):
            slice_done = await self._slice()
            if not slice_done:
                break
            done += slice_done
        return done

    async def _slice(self) -> int:
        """Take marks, evaluate, commit: a crash before the commit leaves the marks where they were."""
        taken = Marks((), frozenset())
        try:
            async with self.rt.transaction(self.workspace_id) as db:
                taken = await self.take(db)
                await self.evaluate(db, sorted(taken.records))
        except Exception as error:
            if is_away(error) or is_held(error) or not taken.records:
                raise
            await self._isolate(taken, error)
        return len(taken.records)

    async def _isolate(self, failed: Marks, error: Exception) -> None:
        """Halve what failed until the record to blame is alone, and set that one aside for a while."""
        if len(failed.records) == 1:
            (record_id,) = failed.records
            self.log.error("evaluation failed", extra={self.noun: str(record_id)}, exc_info=error)
            async with self.rt.transaction(self.workspace_id) as db:
                await self.set_aside(db, record_id, failed, describe(error))
            return
        ordered = sorted(failed.records)
        middle = len(ordered) // 2
        for half in (ordered[:middle], ordered[middle:]):
            await self._again(Marks(failed.ids, frozenset(half)))

    async def _again(self, part: Marks) -> None:
        try:
            async with self.rt.transaction(self.workspace_id) as db:
                taken = await self.take_of(db, part)
                await self.evaluate(db, sorted(taken.records))
        except Exception as error:
            if is_away(error) or is_held(error):
                raise
            await self._isolate(part, error)


async def all_of(turns: Iterable[Callable[[], Awaitable[int]]]) -> int:
    """Each turn; how much was done. One's trouble keeps no other waiting: the first is raised when all have ended."""
    done, failure = 0, None
    for turn in turns:
        try:
            done += await turn()
        except Exception as error:
            if is_away(error):
                raise
            failure = failure or error
    if failure is not None:
        raise failure
    return done
