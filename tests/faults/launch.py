"""Starts processes of Steward for a campaign: warm, in a hurry, and careless when a control asks for it.

    python -m tests.faults.launch [receipts|leases]      then one JSON object a line, in and out

*Warm*: one process imports the application and forks at every request to start, because a process that is killed every
few seconds would otherwise spend its life importing. *In a hurry*: leases of seconds instead of a minute and retries of
seconds instead of hours, so that three days fit into three minutes. Nothing else differs from `steward serve` and
`steward work`, whose own entry is what runs.
"""

import importlib
import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from typing import NoReturn

from sqlalchemy import text

from app.embedded.child import die_with

LEASE_SECONDS = 5.0  # a twelfth of the real one
MOST_CRASHES = 36  # twelve times the real one: a job meets twelve times as many deaths of workers
RETRY_WAITS = (0, 0.5, 1, 1, 2, 2, 3, 3, 3, 3)
DIED = 86


def hurry():
    """The same schedules, hundreds of times faster."""
    from app.domain.retries import WEBHOOKS
    from app.workers.pump import Pump

    assert len(RETRY_WAITS) == WEBHOOKS.attempts
    object.__setattr__(WEBHOOKS, "waits", RETRY_WAITS)
    Pump.__init__.__kwdefaults__["lease_seconds"] = LEASE_SECONDS
    importlib.import_module("app.db.jobs.sweep").MAX_CRASHES = MOST_CRASHES


def forget_receipts():
    """Control: the API takes every message as new, as if senders never repeated themselves."""
    from app.db import ingest

    async def receive(db, workspace_id, hashes, now):
        return replace(await kept(db, workspace_id, hashes, now), seen={})

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


def arm(point):
    """End the process at a named point, the first time it is passed: one of the workers' own, or one of the API."""
    from app.api import group_commit
    from app.workers import faults

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
        faults._NAME, faults._NTH = point, "1"  # what STEWARD_CRASH_AT would have set


CARELESS = {"receipts": forget_receipts, "leases": forget_leases}


def start(words, log, die_at=None) -> int:
    """Fork a process that is `steward WORDS`; its id."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(words, log, parent, die_at)
        finally:
            os._exit(1)
    return pid


def _become(words, log, parent, die_at) -> NoReturn:
    os.setsid()
    die_with(parent, signal.SIGKILL)
    for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, log, _APPEND), (2, log, _APPEND)):
        os.dup2(os.open(name, flags, 0o600), number)
    random.seed()  # or all would draw the same
    if die_at is not None:
        arm(die_at)
    from app.cli import main as steward

    sys.argv = ["steward", *words]
    try:
        steward()
    except SystemExit as ended:
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    os._exit(0)


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def wait(pid, seconds=30.0):
    """The exit code of a process once it has ended, negative when a signal ended it; None when it does not end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def main():
    for name in ("app.cli", "app.main", "app.workers.main", "app.workers.faults", "uvicorn", "uvloop", "httptools"):
        importlib.import_module(name)
    hurry()
    for name in sys.argv[1:]:
        CARELESS[name]()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        answer = wait(asked["wait"]) if "wait" in asked else start(**asked)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
