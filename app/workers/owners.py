"""Carries a reprocessing through a workspace, one slice of accounts per job."""

import logging

from app.db.base import DatabaseUnavailable
from app.domain.jobs import Lease, Reprocess
from app.services import reprocessing
from app.services.evaluation import evaluate
from app.workers.faults import fault
from app.workers.runtime import Runtime, handles

log = logging.getLogger(__name__)


@handles(Reprocess, timeout=60)
async def reprocess(job: Reprocess, rt: Runtime, lease: Lease) -> None:
    """Evaluate the next slice, count it and promise the one after it, all in one transaction."""
    try:
        async with rt.transaction(lease.workspace_id) as db:
            part = await reprocessing.open_slice(db, lease.workspace_id, job.reprocessing_id)
            if part is None:
                return
            now = rt.now()
            found = await evaluate(db, lease.workspace_id, part.accounts, now=now)
            fault("reprocessing.slice")
            await reprocessing.close_slice(db, lease.workspace_id, part, found.owners_changed, now=now)
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("a slice of a reprocessing failed; its accounts are marked instead")
        async with rt.transaction(lease.workspace_id) as db:
            await reprocessing.leave_slice(db, lease.workspace_id, job.reprocessing_id, now=rt.now())
