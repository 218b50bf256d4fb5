"""Promised work in PostgreSQL: put, claim, heartbeat, settle, sweep.

Only the database's clock decides about leases and due times. A promise that would become ready while a twin of it
is waiting is absorbed: it ends as `cancelled`, and the twin, which runs after it anyway, inherits its crash count.
"""

from app.db.jobs.claim import Claim, claim, heartbeat, workspaces_with_work
from app.db.jobs.put import put
from app.db.jobs.settle import cancel, complete, complete_all, fail, give_back, give_up, hold
from app.db.jobs.sweep import MAX_CRASHES, spent, sweep
from app.db.jobs.upkeep import Depth, cancel_of_endpoint, cancel_waiting, depths, hold_waiting, purge, requeue, resume

__all__ = [
    "MAX_CRASHES",
    "Claim",
    "Depth",
    "cancel",
    "cancel_of_endpoint",
    "cancel_waiting",
    "claim",
    "complete",
    "complete_all",
    "depths",
    "fail",
    "give_back",
    "give_up",
    "heartbeat",
    "hold",
    "hold_waiting",
    "purge",
    "put",
    "requeue",
    "resume",
    "spent",
    "sweep",
    "workspaces_with_work",
]
