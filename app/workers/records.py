"""Keeps the promise of dirty marks for users and organizations, as `workers.evaluation` does for accounts."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.db import record_marks as marks
from app.db.base import Session
from app.db.marks import Marks
from app.domain.fields import Subject
from app.services.records import evaluate
from app.workers import slices
from app.workers.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Records(slices.Queue):
    """The marked users or organizations of a workspace."""

    slice_size = 200
    noun = "record_id"
    log = logging.getLogger(__name__)

    subject: Subject

    async def mark_timed(self, db: Session, *, limit: int) -> None:
        """Records about which the clock changes something."""
        await marks.mark_timed(db, self.workspace_id, self.subject, now=self.rt.now(), limit=limit)

    async def take(self, db: Session) -> Marks:
        """The oldest due marks."""
        return await marks.take(db, self.workspace_id, self.subject, limit=self.slice_size)

    async def take_of(self, db: Session, part: Marks) -> Marks:
        """Those of these marks that are left."""
        return await marks.take_of(db, self.workspace_id, part)

    async def set_aside(self, db: Session, record_id: UUID, failed: Marks, error: str) -> None:
        """The record waits for a while."""
        await marks.set_aside(db, self.workspace_id, self.subject, record_id, failed, error)

    async def evaluate(self, db: Session, record_ids: Sequence[UUID]) -> None:
        """Everything derived about these records."""
        await evaluate(db, self.workspace_id, self.subject, record_ids, now=self.rt.now())


async def drain(rt: Runtime, only_workspace: UUID | None = None) -> int:
    """Evaluate what is due, a few slices of each workspace; how many records. Call again until it returns 0."""
    async with rt.database.pump_transaction() as db:
        found = await marks.workspaces_with_work(db, now=rt.now())
    return await slices.all_of(
        Records(rt, one, subject).turn for one in found if only_workspace in (None, one) for subject in marks.SUBJECTS
    )
