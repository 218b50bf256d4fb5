"""Carries deletions of users and accounts through, a piece per transaction, for a while per job."""

import time
from datetime import datetime, timedelta
from typing import Final

from app.db.base import Session
from app.domain.jobs import Erase, Lease
from app.services import erasures
from app.workers.runtime import Runtime, handles

TURN_SECONDS: Final = 20.0
"""After this long others have their turn."""
REST: Final = timedelta(hours=1)


async def _never_give_up(db: Session, job: Erase, lease: Lease, now: datetime) -> None:
    """A deletion that keeps failing stays promised: it is tried again, at a slower pace, until it is done."""
    await erasures.go_on(db, lease.workspace_id, job.erasure_id, after=REST, now=now)


@handles(Erase, timeout=120, bury=_never_give_up)
async def erase(job: Erase, rt: Runtime, lease: Lease) -> None:
    """Do what is left, piece by piece; each is noted with its effect, so a crash costs one piece at most."""
    until = time.monotonic() + TURN_SECONDS
    while time.monotonic() < until:
        async with rt.transaction(lease.workspace_id) as db:
            if not await erasures.step(db, lease.workspace_id, job.erasure_id, now=rt.now()):
                return
    async with rt.transaction(lease.workspace_id) as db:
        await erasures.go_on(db, lease.workspace_id, job.erasure_id, after=None, now=rt.now())
