"""Starts one process of Steward for a campaign: in a hurry always, and careless when a control asks for it.

    python -m tests.faults.launch [--careless receipts|leases] [--die-at POINT] serve --fd 3

In a hurry: leases of seconds instead of a minute and retries of seconds instead of hours, so that what takes three days
fits into three minutes. Nothing else differs from `steward serve` and `steward work`.
"""

import argparse
import importlib
import os
import sys

from sqlalchemy import text

LEASE_SECONDS = 5.0
RETRY_WAITS = (0, 0.5, 1, 1, 2, 2, 3, 3, 3, 3)
DIED = 86


def hurry():
    """The same schedules, hundreds of times faster."""
    from app.domain.retries import WEBHOOKS
    from app.workers.pump import Pump

    assert len(RETRY_WAITS) == WEBHOOKS.attempts
    object.__setattr__(WEBHOOKS, "waits", RETRY_WAITS)
    Pump.__init__.__kwdefaults__["lease_seconds"] = LEASE_SECONDS


def forget_receipts():
    """Control: the API takes every message as new, as if senders never repeated themselves."""
    from app.db import ingest

    async def receive(db, workspace_id, hashes, now):
        found = await kept(db, workspace_id, hashes, now)
        return ingest.Receipts(frozenset(hashes), {}, found.owner_trait)

    kept = ingest.receive
    ingest.receive = receive


def forget_leases():
    """Control: a claim counts as done before anything is done, as with a queue that forgets what it hands out."""
    claim, settle = (importlib.import_module(f"app.db.jobs.{name}") for name in ("claim", "settle"))
    from app.workers import crew

    _reword(
        claim,
        "_CLAIM",
        ("set state = 'leased'", "set state = 'done'"),
        ("lease_until = now() + make_interval(secs => :lease_seconds)", "finished_at = now()"),
    )
    for name in ("_COMPLETE", "_END", "_LET_GO"):
        _reword(settle, name, ("state = 'leased'", "state = 'done'"))

    async def beat(_crew):
        """There is no lease to prolong."""

    crew.Crew.beat = beat


def _reword(module, name, *changes):
    words = str(getattr(module, name))
    for old, new in changes:
        assert old in words, f"{name} no longer says {old!r}: the control would remove nothing"
        words = words.replace(old, new)
    setattr(module, name, text(words))


def die_at(point):
    """End the API at a named point of taking in a batch, the first time it is passed."""
    from app.api import group_commit

    record, commit = group_commit.ingest.record, group_commit.GroupCommit._commit

    async def uncommitted(*args, **kwargs):
        await record(*args, **kwargs)
        os._exit(DIED)

    async def unanswered(*args):
        await commit(*args)
        os._exit(DIED)

    if point == "ingest.before_commit":
        group_commit.ingest.record = uncommitted
    elif point == "ingest.after_commit":
        group_commit.GroupCommit._commit = unanswered
    else:
        raise SystemExit(f"no such point: {point}")


CARELESS = {"receipts": forget_receipts, "leases": forget_leases}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--careless", choices=CARELESS)
    parser.add_argument("--die-at")
    known, rest = parser.parse_known_args()
    hurry()
    if known.careless:
        CARELESS[known.careless]()
    if known.die_at:
        die_at(known.die_at)
    from app.cli import main as steward

    sys.argv = ["steward", *rest]
    steward()


if __name__ == "__main__":
    main()
