"""Carries a reprocessing through a workspace, one slice of records per job."""

import logging
from datetime import datetime
from uuid import UUID

from app.db.base import Session, is_away, is_held
from app.domain.fields import Subject
from app.domain.jobs import Lease, Reprocess
from app.services import records, reprocessing
from app.services.evaluation import evaluate
from app.workers.faults import fault
from app.workers.runtime import Runtime, handles

log = logging.getLogger(__name__)


async def _go_on(db: Session, job: Reprocess, lease: Lease, now: datetime) -> None:
    """A slice that cannot be done is left to the dirty marks, which isolate the account to blame."""
    await reprocessing.leave_slice(db, lease.workspace_id, job.reprocessing_id, now=now)


async def _evaluate(db: Session, workspace_id: UUID, part: reprocessing.Slice, now: datetime) -> int:
    """Evaluate the records of a slice; how many accounts have another owner by it."""
    if part.subject is Subject.ACCOUNTS:
        return (await evaluate(db, workspace_id, part.records, now=now)).owners_changed
    await records.evaluate(db, workspace_id, part.subject, part.records, now=now)
    return 0


@handles(Reprocess, timeout=60, bury=_go_on)
async def reprocess(job: Reprocess, rt: Runtime, lease: Lease) -> None:
    """Evaluate the next slice, count it and promise the one after it, all in one transaction."""
    now = rt.now()
    try:
        async with rt.transaction(lease.workspace_id) as db:
            part = await reprocessing.open_slice(db, lease.workspace_id, job.reprocessing_id)
            if part is None:
                return
            owners_changed = await _evaluate(db, lease.workspace_id, part, now)
            fault("reprocessing.slice")
            await reprocessing.close_slice(db, lease.workspace_id, part, owners_changed, now=now)
    except Exception as error:
        if is_away(error) or is_held(error):
            raise
        log.exception("a slice of a reprocessing failed")
        async with rt.transaction(lease.workspace_id) as db:
            await _go_on(db, job, lease, now)
