"""Sends letters in three beats: open, send, note. No transaction is open while someone else's server is asked.

Letters of one workspace that are opened, or whose success is noted, at the same time share a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.deliveries import Answer
from app.domain.jobs import Deliver, Lease
from app.outbound import webhooks
from app.services import deliveries
from app.services.deliveries import Attempt, Letter
from app.workers.faults import fault
from app.workers.runtime import Runtime, handles
from app.workers.together import Together


@dataclass(frozen=True, slots=True)
class _Errand:
    """One letter under way."""

    rt: Runtime
    job: Deliver
    lease: Lease

    @property
    def key(self) -> object:
        """Who may share a transaction: the same workspace, over the same connections."""
        return id(self.rt.database), self.lease.workspace_id


@handles(Deliver, timeout=30, bury=deliveries.bury)
async def deliver(job: Deliver, rt: Runtime, lease: Lease) -> None:
    """Post the letter once and note what came of it. Killed in between, it is sent again: same id, same bytes."""
    errand = _Errand(rt, job, lease)
    letter = await OPENING(errand.key, errand)
    if letter is None:
        return
    attempt = await _send(rt, letter)
    if attempt.answer.ok:
        await NOTING(errand.key, (errand, attempt))
    else:
        await _note_failure(errand, attempt)
    fault("deliver.after_commit")


async def _send(rt: Runtime, letter: Letter) -> Attempt:
    started_at = rt.now()
    headers = webhooks.headers(letter.message_id, letter.body, letter.secrets, now=started_at)
    fault("deliver.before_send")
    outcome = await rt.outbound.post(letter.url, letter.body, headers)
    fault("deliver.after_reply")
    answer = Answer(outcome.status, outcome.error, outcome.retry_after)
    return Attempt(started_at, outcome.duration_ms, answer, outcome.excerpt)


async def _open_all(errands: Sequence[_Errand]) -> Sequence[Letter | Exception | None]:
    rt, workspace_id = errands[0].rt, errands[0].lease.workspace_id
    async with rt.transaction(workspace_id) as db:
        return await deliveries.open_letters(
            db, workspace_id, [(one.job, one.lease) for one in errands], keys=rt.keys, now=rt.now()
        )


async def _note_all(noted: Sequence[tuple[_Errand, Attempt]]) -> Sequence[Exception | None]:
    rt, workspace_id = noted[0][0].rt, noted[0][0].lease.workspace_id
    async with rt.transaction(workspace_id) as db:
        found = await deliveries.note_delivered(
            db, workspace_id, [(one.job, one.lease, attempt) for one, attempt in noted], now=rt.now()
        )
        fault("deliver.before_commit")
    return found


async def _note_failure(errand: _Errand, attempt: Attempt) -> None:
    async with errand.rt.transaction(errand.lease.workspace_id) as db:
        await deliveries.note_failure(db, errand.job, errand.lease, attempt, now=errand.rt.now())
        fault("deliver.before_commit")


OPENING: Final[Together[_Errand, Letter | None]] = Together(_open_all)
NOTING: Final[Together[tuple[_Errand, Attempt], None]] = Together(_note_all)
