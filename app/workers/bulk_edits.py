"""Carries bulk edits through: a stretch of slices per job, each changed and counted in one transaction."""

import logging
import time
from datetime import datetime
from typing import Final
from uuid import UUID

from app.db.base import Session, is_away, is_held, may_run_again
from app.domain import suppression
from app.domain.bulk_edits import BulkEditStopped
from app.domain.errors import DomainError, Unavailable
from app.domain.jobs import ForgetBulkEdit, Lease, RunBulkEdit
from app.domain.memory import Memory
from app.services import bulk_editing
from app.services.bulk_editing import Done
from app.workers.runtime import Runtime, handles

log = logging.getLogger(__name__)

SLICE: Final = 250
STRETCH_SECONDS: Final = 10.0
"""How long one job goes on before others of its lane have their turn."""


async def _give_up(db: Session, job: RunBulkEdit, lease: Lease, now: datetime) -> None:
    """A job that fails again and again leaves an edit that says so."""
    error = BulkEditStopped("It failed several times. Begin another one to go on: what is done stays unchanged by it.")
    await bulk_editing.fail(db, lease.workspace_id, job.bulk_edit_id, error, now=now)


@handles(RunBulkEdit, timeout=300, bury=_give_up)
async def run_bulk_edit(job: RunBulkEdit, rt: Runtime, lease: Lease) -> None:
    """Go on with a bulk edit for a while."""
    try:
        over = await _Stretch(rt, lease.workspace_id, job.bulk_edit_id).go()
    except Unavailable:
        raise
    except DomainError as error:  # what was asked for cannot be done any more
        async with rt.transaction(lease.workspace_id) as db:
            await bulk_editing.fail(db, lease.workspace_id, job.bulk_edit_id, error, now=rt.now())
        return
    if not over:
        async with rt.transaction(lease.workspace_id) as db:
            await bulk_editing.go_on(db, lease.workspace_id, job.bulk_edit_id)


@handles(ForgetBulkEdit, timeout=60)
async def forget_bulk_edit(job: ForgetBulkEdit, rt: Runtime, lease: Lease) -> None:
    """Delete a bulk edit that is a month old."""
    async with rt.transaction(lease.workspace_id) as db:
        await bulk_editing.forget(db, lease.workspace_id, job.bulk_edit_id)


class _Stretch:
    """Slices of one edit, one after the other."""

    def __init__(self, rt: Runtime, workspace_id: UUID, edit_id: UUID) -> None:
        self._rt, self._workspace_id, self._edit_id = rt, workspace_id, edit_id
        key = suppression.key(rt.settings.secret_key.get_secret_value())
        self._memory = Memory(key, keeps_history=rt.settings.trait_history_days > 0)
        self._most = SLICE

    async def go(self) -> bool:
        """Work for a while; whether the edit is over."""
        until = time.monotonic() + STRETCH_SECONDS
        while time.monotonic() < until:
            if await self._slice():
                return True
        return False

    async def _slice(self) -> bool:
        try:
            done = await self._work()
        except Exception as error:
            if isinstance(error, DomainError) and not isinstance(error, Unavailable):
                raise  # it is the edit that cannot be done
            if is_away(error) or is_held(error) or may_run_again(error):
                raise  # nothing is wrong with the records: the job is run again
            log.exception("a slice of a bulk edit failed")
            return await self._narrow()
        self._most = min(SLICE, self._most * 2)
        return done.over

    async def _work(self, *, give_up: bool = False) -> Done:
        async with self._rt.transaction(self._workspace_id) as db:
            return await bulk_editing.work(
                db,
                self._workspace_id,
                self._edit_id,
                most=self._most,
                memory=self._memory,
                give_up=give_up,
                now=self._rt.now(),
            )

    async def _narrow(self) -> bool:
        """What cannot be changed is tried in smaller slices, until the record to blame stands alone and is left out."""
        if self._most > 1:
            self._most = max(1, self._most // 4)
            return False
        return (await self._work(give_up=True)).over
