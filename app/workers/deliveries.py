"""Sends letters in three beats: open, send, note. No transaction is open while someone else's server is asked."""

from app.domain.deliveries import Answer
from app.domain.jobs import Deliver, Lease
from app.outbound import webhooks
from app.services import deliveries
from app.services.deliveries import Attempt
from app.workers.faults import fault
from app.workers.runtime import Runtime, handles


@handles(Deliver, timeout=30, bury=deliveries.bury)
async def deliver(job: Deliver, rt: Runtime, lease: Lease) -> None:
    """Post the letter once and note what came of it. Killed in between, it is sent again: same id, same bytes."""
    async with rt.transaction(lease.workspace_id) as db:
        letter = await deliveries.open_letter(db, job, lease, keys=rt.keys, now=rt.now())
    if letter is None:
        return
    started_at = rt.now()
    headers = webhooks.headers(letter.message_id, letter.body, letter.secrets, now=started_at)
    fault("deliver.before_send")
    outcome = await rt.outbound.post(letter.url, letter.body, headers)
    fault("deliver.after_reply")
    answer = Answer(outcome.status, outcome.error, outcome.retry_after)
    attempt = Attempt(started_at, outcome.duration_ms, answer, outcome.excerpt)
    async with rt.transaction(lease.workspace_id) as db:
        await deliveries.note(db, job, lease, attempt, now=rt.now())
        fault("deliver.before_commit")
    fault("deliver.after_commit")
