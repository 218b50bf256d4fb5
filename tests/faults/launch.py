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
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

from sqlalchemy import text

from app.embedded.child import die_with

LEASE_SECONDS = 5.0  # a twelfth of the real one
MOST_CRASHES = 36  # twelve times the real one: a job meets twelve times as many deaths of workers
SUSPECTED = ("least(60, power(2, d.crashes))", "least(5, power(2, d.crashes) / 12)")  # waits a twelfth, too
LONGEST_LIFE = 3  # passings of a point
RETRY_WAITS = (0, 0.5, 1, 1, 2, 2, 3, 3, 3, 3)
DIED = 86


def hurry():
    """The same schedules, hundreds of times faster."""
    from app.domain.jobs import PATIENT
    from app.domain.retries import WEBHOOKS
    from app.workers.pump import Pump

    assert len(RETRY_WAITS) == WEBHOOKS.attempts
    object.__setattr__(WEBHOOKS, "waits", RETRY_WAITS)
    object.__setattr__(PATIENT, "waits", (0,) + (1,) * (12 * PATIENT.attempts))  # twelve times as many deaths, too
    Pump.__init__.__kwdefaults__["lease_seconds"] = LEASE_SECONDS
    sweep = importlib.import_module("app.db.jobs.sweep")
    sweep.MAX_CRASHES = MOST_CRASHES
    _reword(sweep, "_SWEEP", SUSPECTED)


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


def arm(book, times):
    """End the process at whichever named point comes, as long as fewer than `times` ended there by the book.

    Not at the first passing always: at one of the first few, so that some work gets past. No job is given up for the
    workers it has cost: here a long one meets some hundred deaths that are none of its doing.
    """
    importlib.import_module("app.db.jobs.sweep").MAX_CRASHES = 10_000
    passings, endings = Counter(), {}

    def pass_by(point):
        passings[point] += 1
        if passings[point] < endings.setdefault(point, random.randint(1, LONGEST_LIFE)):
            return
        with Path(book).open("a+", encoding="ascii") as lines:
            lines.seek(0)
            if lines.read().split().count(point) < times:
                lines.write(f"{point}\n")
                lines.flush()
                os._exit(DIED)

    _tell_of_points(pass_by)


def _tell_of_points(pass_by):
    """Call `pass_by` at each named point: the workers' own, and those of the API, which must not know the workers."""
    from app.api import group_commit, inbox
    from app.workers import faults

    keep, append = inbox.inbox.put, inbox.Inbox._commit
    record, commit, fault = group_commit.ingest.record, group_commit.GroupCommit._commit, faults.fault

    async def recorded(*args, **kwargs):
        found = await record(*args, **kwargs)
        pass_by("ingest.before_commit")
        return found

    async def committed(*args):
        found = await commit(*args)
        pass_by("ingest.after_commit")
        return found

    async def put(*args):
        await keep(*args)
        pass_by("inbox.before_append")

    async def appended(*args):
        await append(*args)
        pass_by("inbox.after_append")

    inbox.inbox = SimpleNamespace(put=put)  # the workers go on with the real ones
    inbox.Inbox._commit = appended
    group_commit.ingest = SimpleNamespace(record=recorded)
    group_commit.GroupCommit._commit = committed
    for module in list(sys.modules.values()):
        if getattr(module, "fault", None) is fault:
            module.fault = pass_by


CARELESS = {"receipts": forget_receipts, "leases": forget_leases}


def start(words, log, dying=None) -> int:
    """Fork a process that is `steward WORDS`; its id. `dying` are the words to `arm` it."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(words, log, parent, dying)
        finally:
            os._exit(1)
    return pid


def _become(words, log, parent, dying) -> NoReturn:
    os.setsid()
    die_with(parent, signal.SIGKILL)
    for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, log, _APPEND), (2, log, _APPEND)):
        os.dup2(os.open(name, flags, 0o600), number)
    random.seed()  # or all would draw the same
    if dying is not None:
        arm(**dying)
    from app.cli import main as steward

    sys.argv = ["steward", *words]
    try:
        steward()
    except SystemExit as ended:
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    os._exit(0)


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def wait(pid, seconds):
    """The exit code of a process once it has ended, negative when a signal ended it; None when it does not end."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.005)


def main():
    for name in ("app.cli", "app.main", "app.workers.main", "app.workers.faults", "uvicorn", "uvloop", "httptools"):
        importlib.import_module(name)
    hurry()
    for name in sys.argv[1:]:
        CARELESS[name]()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        answer = wait(*asked["wait"]) if "wait" in asked else start(**asked)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
