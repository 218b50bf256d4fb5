"""Keeps the promise of dirty marks: a slice of accounts per transaction, and no account holds up the others."""

import logging
from typing import Final
from uuid import UUID

from app.db import marks
from app.db.base import is_away, is_held
from app.db.marks import Marks
from app.services.evaluation import evaluate
from app.workers.crew import describe
from app.workers.faults import fault
from app.workers.runtime import Runtime

SLICE: Final = 500
SLICES_A_TURN: Final = 8
"""One workspace's backlog may take this many slices before the others have their turn."""

log = logging.getLogger(__name__)


async def drain(rt: Runtime, only_workspace: UUID | None = None) -> int:
    """Evaluate what is due, a few slices of each workspace; how many accounts. Call again until it returns 0."""
    async with rt.database.pump_transaction() as db:
        found = await marks.workspaces_with_work(db, now=rt.now())
    done, failure = 0, None
    for workspace_id in found:
        if only_workspace in (None, workspace_id):
            try:
                done += await _turn(rt, workspace_id)
            except Exception as error:
                if is_away(error):
                    raise
                failure = failure or error  # one workspace's trouble must not keep the others waiting
    if failure is not None:
        raise failure
    return done


async def _turn(rt: Runtime, workspace_id: UUID) -> int:
    async with rt.transaction(workspace_id) as db:
        await marks.mark_timed(db, workspace_id, now=rt.now(), limit=SLICE * SLICES_A_TURN)
    done = 0
    for _ in range(SLICES_A_TURN):
        slice_done = await _slice(rt, workspace_id)
        if not slice_done:
            break
        done += slice_done
    return done


async def _slice(rt: Runtime, workspace_id: UUID) -> int:
    """Take marks, evaluate, commit: a crash before the commit leaves the marks where they were."""
    taken = Marks((), frozenset())
    try:
        async with rt.transaction(workspace_id) as db:
            taken = await marks.take(db, workspace_id, limit=SLICE)
            if taken.accounts:
                fault("evaluation.taken")
            await evaluate(db, workspace_id, sorted(taken.accounts), now=rt.now())
    except Exception as error:
        if is_away(error) or is_held(error) or not taken.accounts:
            raise
        await _isolate(rt, workspace_id, taken, error)
    return len(taken.accounts)


async def _isolate(rt: Runtime, workspace_id: UUID, failed: Marks, error: Exception) -> None:
    """Halve what failed until the account to blame is alone, and set that one aside for a while."""
    if len(failed.accounts) == 1:
        (account_id,) = failed.accounts
        log.error("evaluation failed", extra={"account_id": str(account_id)}, exc_info=error)
        async with rt.transaction(workspace_id) as db:
            await marks.set_aside(db, workspace_id, account_id, failed, describe(error))
        return
    ordered = sorted(failed.accounts)
    middle = len(ordered) // 2
    for half in (ordered[:middle], ordered[middle:]):
        await _again(rt, workspace_id, Marks(failed.ids, frozenset(half)))


async def _again(rt: Runtime, workspace_id: UUID, part: Marks) -> None:
    try:
        async with rt.transaction(workspace_id) as db:
            taken = await marks.take_of(db, workspace_id, part)
            await evaluate(db, workspace_id, sorted(taken.accounts), now=rt.now())
    except Exception as error:
        if is_away(error) or is_held(error):
            raise
        await _isolate(rt, workspace_id, part, error)
