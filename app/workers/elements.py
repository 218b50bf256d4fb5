"""Clears away instances that no element counts any more."""

from app.domain.jobs import Lease, SweepInstances
from app.services import elements
from app.workers.runtime import Runtime, handles


@handles(SweepInstances, timeout=60)
async def sweep(job: SweepInstances, rt: Runtime, lease: Lease) -> None:
    """Look at some records, delete what is left of elements as they were, and promise the next ones."""
    async with rt.transaction(lease.workspace_id) as db:
        await elements.sweep(db, lease.workspace_id, job.after)
