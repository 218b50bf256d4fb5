"""Carries recounts of stored events through, a part per transaction, for a while per job."""

import time
from datetime import datetime, timedelta
from typing import Final

from app.db import maintenance
from app.db import recounts as places
from app.db.base import Session
from app.domain.jobs import CountStored, Lease
from app.services import recounting
from app.workers.faults import fault
from app.workers.runtime import Runtime, handles

TURN_SECONDS: Final = 20.0
"""After this long others have their turn."""
REST: Final = timedelta(hours=1)


async def _never_give_up(db: Session, job: CountStored, lease: Lease, now: datetime) -> None:
    """A recount that keeps failing stays promised: it is tried again, at a slower pace, until it is done."""
    await recounting.go_on(db, lease.workspace_id, job.recount_id, run_at=now + REST)


@handles(CountStored, timeout=120, bury=_never_give_up)
async def recount(job: CountStored, rt: Runtime, lease: Lease) -> None:
    """Count what is left, part by part; each is noted with its counts, so a crash costs one part at most."""
    until = time.monotonic() + TURN_SECONDS
    while time.monotonic() < until:
        async with rt.transaction(lease.workspace_id) as db:
            more = await recounting.step(db, lease.workspace_id, job.recount_id)
            fault("recount.counted")
        fault("recount.part")
        if not more:
            return
    async with rt.transaction(lease.workspace_id) as db:
        await recounting.go_on(db, lease.workspace_id, job.recount_id, run_at=None)


async def count_uncounted(rt: Runtime) -> None:
    """Have workspaces counted whose events were stored by a release that counted none."""
    async with rt.database.pump_transaction() as db:
        if not await maintenance.take_turn(db, "count_uncounted"):
            return
        found = await places.uncounted(db)
    for workspace_id in found:
        async with rt.transaction(workspace_id) as db:
            await recounting.catch_up(db, workspace_id)
