"""Keeps the promise of dirty marks: a slice of accounts per transaction, and no account holds up the others."""

import logging
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from app.db import marks
from app.db.base import Session
from app.db.marks import Marks
from app.services.evaluation import evaluate
from app.workers import slices
from app.workers.faults import fault
from app.workers.runtime import Runtime


class Accounts(slices.Queue):
    """The marked accounts of a workspace."""

    __slots__ = ()
    slice_size = 1000
    noun = "account_id"
    log = logging.getLogger(__name__)

    async def mark_timed(self, db: Session, *, limit: int) -> None:
        """Accounts about which the clock changes something."""
        await marks.mark_timed(db, self.workspace_id, now=self.rt.now(), limit=limit)

    async def take(self, db: Session) -> Marks:
        """The oldest due marks."""
        taken = await marks.take(db, self.workspace_id, limit=self.slice_size)
        if taken.records:
            fault("evaluation.taken")
        return taken

    async def take_of(self, db: Session, part: Marks) -> Marks:
        """Those of these marks that are left."""
        return await marks.take_of(db, self.workspace_id, part)

    async def set_aside(self, db: Session, record_id: UUID, failed: Marks, error: str) -> None:
        """The account waits for a while."""
        await marks.set_aside(db, self.workspace_id, record_id, failed, error)

    async def evaluate(self, db: Session, record_ids: Sequence[UUID]) -> None:
        """Everything derived about these accounts."""
        await evaluate(db, self.workspace_id, record_ids, now=self.rt.now())


async def drain(rt: Runtime, only_workspace: UUID | None = None) -> int:
    """Evaluate what is due, a few slices of each workspace; how many accounts. Call again until it returns 0."""
    async with rt.database.pump_transaction() as db:
        found = await marks.workspaces_with_work(db, now=rt.now())
    return await slices.all_of(partial(_turn, rt, one) for one in found if only_workspace in (None, one))


async def _turn(rt: Runtime, workspace_id: UUID) -> int:
    return await Accounts(rt, workspace_id).turn()
