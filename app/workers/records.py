"""Keeps the promise of dirty marks for users and organizations, as `workers.evaluation` does for accounts."""

import logging
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.db import record_marks as marks
from app.db.base import is_away, is_held
from app.db.marks import Marks
from app.domain.fields import Subject
from app.services.records import evaluate
from app.workers.crew import describe
from app.workers.runtime import Runtime

SLICE: Final = 200
SLICES_A_TURN: Final = 8
"""One workspace's backlog may take this many slices of each kind before the others have their turn."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Queue:
    """The marks of one kind of record in one workspace."""

    rt: Runtime
    workspace_id: UUID
    subject: Subject

    async def turn(self) -> int:
        """Evaluate a few slices of what is due; how many records."""
        most = SLICE * SLICES_A_TURN
        async with self.rt.transaction(self.workspace_id) as db:
            await marks.mark_timed(db, self.workspace_id, self.subject, now=self.rt.now(), limit=most)
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
                taken = await marks.take(db, self.workspace_id, self.subject, limit=SLICE)
                await evaluate(db, self.workspace_id, self.subject, sorted(taken.accounts), now=self.rt.now())
        except Exception as error:
            if is_away(error) or is_held(error) or not taken.accounts:
                raise
            await self._isolate(taken, error)
        return len(taken.accounts)

    async def _isolate(self, failed: Marks, error: Exception) -> None:
        """Halve what failed until the record to blame is alone, and set that one aside for a while."""
        if len(failed.accounts) == 1:
            (record_id,) = failed.accounts
            log.error("evaluation failed", extra={"record_id": str(record_id)}, exc_info=error)
            async with self.rt.transaction(self.workspace_id) as db:
                await marks.set_aside(db, self.workspace_id, self.subject, record_id, failed, describe(error))
            return
        ordered = sorted(failed.accounts)
        middle = len(ordered) // 2
        for half in (ordered[:middle], ordered[middle:]):
            await self._again(Marks(failed.ids, frozenset(half)))

    async def _again(self, part: Marks) -> None:
        try:
            async with self.rt.transaction(self.workspace_id) as db:
                taken = await marks.take_of(db, self.workspace_id, part)
                await evaluate(db, self.workspace_id, self.subject, sorted(taken.accounts), now=self.rt.now())
        except Exception as error:
            if is_away(error) or is_held(error):
                raise
            await self._isolate(part, error)


async def drain(rt: Runtime, only_workspace: UUID | None = None) -> int:
    """Evaluate what is due, a few slices of each workspace; how many records. Call again until it returns 0."""
    async with rt.database.pump_transaction() as db:
        found = await marks.workspaces_with_work(db, now=rt.now())
    done, failure = 0, None
    for workspace_id in found:
        if only_workspace in (None, workspace_id):
            for subject in marks.SUBJECTS:
                try:
                    done += await Queue(rt, workspace_id, subject).turn()
                except Exception as error:
                    if is_away(error):
                        raise
                    failure = failure or error  # one workspace's trouble must not keep the others waiting
    if failure is not None:
        raise failure
    return done
