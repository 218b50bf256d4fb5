"""Works out what metrics were before they were defined: slice after slice, each in a transaction of its own."""

import time
from typing import Final

from app.domain.jobs import Lease, TellMetric
from app.services import metering
from app.services.metering import Step
from app.workers.runtime import Runtime, handles

STRETCH_SECONDS: Final = 10.0
"""How long one job goes on before others of its lane have their turn."""


@handles(TellMetric, timeout=120)
async def tell(job: TellMetric, rt: Runtime, lease: Lease) -> None:
    """Go on for a while, then promise the rest. A slice that is done again comes out the same."""
    until = time.monotonic() + STRETCH_SECONDS
    step = Step(job)
    while step.go_on is not None and step.at is None and time.monotonic() < until:
        async with rt.transaction(lease.workspace_id) as db:
            step = await metering.tell(db, lease.workspace_id, step.go_on, now=rt.now())
    if step.go_on is not None:
        async with rt.transaction(lease.workspace_id) as db:
            await metering.promise(db, lease.workspace_id, step.go_on, at=step.at)
