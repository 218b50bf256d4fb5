"""Telling the world: letters are written with their cause, and every attempt to deliver one is noted with its job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import deliveries, jobs, webhooks
from app.db.base import Session
from app.domain import ids
from app.domain.deliveries import (
    Announcement,
    Answer,
    UnknownDelivery,
    Verdict,
    WebhookDisabled,
    judge,
    wanted,
)
from app.domain.jobs import Deliver, Fenced, Lease
from app.domain.letters import letter
from app.domain.retries import spread
from app.domain.secrets import Keyring, Place, SecretUnreadable, unseal

EXCERPT_CHARACTERS = 2_000
REPLAYED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Letter:
    """All that is needed to send a letter; the same id and body on every attempt."""

    message_id: str
    url: str
    body: bytes
    secrets: tuple[str, ...]


async def announce(db: Session, workspace_id: UUID, announcements: Sequence[Announcement], *, now: datetime) -> int:
    """Write a letter for every endpoint that wants to know, and promise to send it; returns how many are new.

    The letters show the accounts as this transaction sees them, so announce after writing. Safe to repeat.
    """
    endpoints = await deliveries.enabled_endpoints(db, workspace_id) if announcements else []
    wanting = {
        news.event_id: [endpoint for endpoint, types in endpoints if wanted(types, news.type)] for news in announcements
    }
    heard = [news for news in announcements if wanting[news.event_id]]
    if not heard:
        return 0
    subjects = await deliveries.subjects(db, workspace_id, sorted({news.account_id for news in heard}))
    letters = []
    for news in heard:
        if news.account_id in subjects:
            body = letter(news.event_id, news.type, news.occurred_at, subjects[news.account_id], news.data)
            letters += [
                deliveries.Letter(ids.new_id(), endpoint, news.event_id, news.type, body)
                for endpoint in wanting[news.event_id]
            ]
    return await post(db, workspace_id, letters, now=now)


async def post(db: Session, workspace_id: UUID, letters: Sequence[deliveries.Letter], *, now: datetime) -> int:
    """Store letters and promise to send the new ones; returns how many those are."""
    made = await deliveries.insert_letters(db, workspace_id, letters, now=now)
    await jobs.put(db, workspace_id, [Deliver(one.id, one.endpoint_id) for one in letters if one.id in made])
    return len(made)


async def open_letters(
    db: Session, workspace_id: UUID, errands: Sequence[tuple[Deliver, Lease]], *, keys: Keyring, now: datetime
) -> list[Letter | Exception | None]:
    """The letters to send now, in the order asked for.

    None: there is nothing to send, and the job is put aside or can be completed. `Fenced`: it is not ours any more.
    """
    found = await deliveries.with_endpoints(db, workspace_id, [job.delivery_id for job, _ in errands])
    opened: list[Letter | Exception | None] = []
    for job, lease in errands:
        row = found.get(job.delivery_id)
        if row is None or row.state != "pending":
            opened.append(None)
        elif row.enabled:
            opened.append(_opened(workspace_id, job.endpoint_id, row, keys, now))
        else:
            opened.append(await _put_aside(db, job, lease))
    return opened


def _opened(workspace_id: UUID, endpoint_id: UUID, row: Any, keys: Keyring, now: datetime) -> Letter | Exception:
    sealed = {"secret": row.secret}
    if row.previous_secret is not None and row.previous_secret_until > now:
        sealed["previous_secret"] = row.previous_secret
    try:
        secrets = tuple(
            unseal(value.decode(), keys, Place(workspace_id, webhooks.TABLE, column, endpoint_id))
            for column, value in sealed.items()
        )
    except SecretUnreadable as error:
        return error
    return Letter(ids.show("evt", row.event_id), row.url, row.body, secrets)


async def _put_aside(db: Session, job: Deliver, lease: Lease) -> Exception | None:
    """Hold the job of a webhook that is switched off, unless it was switched on this moment: then look again soon."""
    try:
        if await deliveries.endpoint_is_off(db, lease.workspace_id, job.endpoint_id):
            await jobs.hold(db, lease, why="the webhook is switched off")
        else:
            await jobs.give_back(db, lease)
    except Fenced as error:
        return error
    return None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as it went. `excerpt` is the beginning of what the receiver said."""

    started_at: datetime
    duration_ms: int
    answer: Answer
    excerpt: str

    def row(self) -> dict[str, Any]:
        """The attempt as it is kept."""
        return {
            "started_at": self.started_at,
            "duration_ms": self.duration_ms,
            "status": self.answer.status,
            "error": self.answer.error,
            "excerpt": self.excerpt[:EXCERPT_CHARACTERS] or None,
        }


async def note_delivered(
    db: Session, workspace_id: UUID, noted: Sequence[tuple[Deliver, Lease, Attempt]], *, now: datetime
) -> list[Exception | None]:
    """Write successful attempts, the letters' state and the jobs' fate as one; `Fenced` for those not ours any more."""
    ours = await jobs.complete_all(db, [lease for _, lease, _ in noted])
    kept = [(job, attempt) for job, lease, attempt in noted if lease.id in ours]
    rows = {job.delivery_id: attempt.row() for job, attempt in kept}
    await deliveries.mark_delivered(db, workspace_id, rows, now=now)
    await webhooks.mark_well(db, workspace_id, {job.endpoint_id for job, _ in kept})
    return [None if lease.id in ours else Fenced() for _, lease, _ in noted]


async def note_failure(db: Session, job: Deliver, lease: Lease, attempt: Attempt, *, now: datetime) -> Verdict:
    """Write a failed attempt, the letter's state and the job's fate as one. Raises `Fenced`."""
    endpoint = (await deliveries.with_endpoints(db, lease.workspace_id, [job.delivery_id])).get(job.delivery_id)
    verdict = judge(
        attempt.answer,
        attempt=lease.attempt,
        jitter=spread(str(job.delivery_id), lease.attempt),
        failing_since=endpoint and endpoint.failing_since,
        now=now,
    )
    await _settle(db, lease, verdict, attempt)
    number = await deliveries.finish_attempt(
        db,
        lease.workspace_id,
        job.delivery_id,
        state=verdict.state,
        next_attempt_at=None if verdict.wait is None or verdict.disable else now + verdict.wait,
        now=now,
    )
    if number is None:
        return verdict  # the webhook was deleted meanwhile, and its letters with it
    await deliveries.insert_attempt(db, lease.workspace_id, job.delivery_id, {"number": number, **attempt.row()})
    await webhooks.mark_failing(db, lease.workspace_id, job.endpoint_id, since=now)
    if verdict.disable:
        await webhooks.switch_off(db, lease.workspace_id, job.endpoint_id, reason=verdict.disable)
        await jobs.hold_waiting(db, lease.workspace_id, Deliver.lane, job.endpoint_id)
    return verdict


async def _settle(db: Session, lease: Lease, verdict: Verdict, attempt: Attempt) -> None:
    error = attempt.answer.error or f"answered {attempt.answer.status}"
    if verdict.state == "cancelled":
        await jobs.cancel(db, lease, why=error)
    elif verdict.state == "pending" and verdict.disable:
        await jobs.hold(db, lease, why=error)
    else:
        await jobs.fail(db, lease, error=error, after=verdict.wait)


async def bury(db: Session, job: Deliver, lease: Lease, now: datetime) -> None:
    """The job was given up without an answer: the letter has failed, and can be replayed."""
    await deliveries.bury(db, lease.workspace_id, job.delivery_id, now=now)


async def page(
    db: Session, workspace_id: UUID, endpoint_id: UUID, *, state: str | None, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """An endpoint's deliveries, the newest first."""
    return await deliveries.page(db, workspace_id, endpoint_id, state=state, before=before, limit=limit)


async def show(db: Session, workspace_id: UUID, delivery_id: UUID | None) -> Mapping[str, Any]:
    """One delivery with its body and every attempt. Raises `UnknownDelivery`."""
    found = await deliveries.one(db, workspace_id, delivery_id) if delivery_id else None
    if found is None:
        raise UnknownDelivery("No delivery has this id.")
    return {**found, "log": await deliveries.attempts(db, workspace_id, found["id"])}


async def replay(db: Session, workspace_id: UUID, delivery_id: UUID | None, *, now: datetime) -> Mapping[str, Any]:
    """Send a delivery again, with the same id and body. Raises `UnknownDelivery`, `WebhookDisabled`."""
    found = await show(db, workspace_id, delivery_id)
    await _require_enabled(db, workspace_id, found["endpoint_id"])
    await _send_again(db, workspace_id, [found["id"]], now=now)
    return await show(db, workspace_id, found["id"])


async def replay_since(db: Session, workspace_id: UUID, endpoint_id: UUID, since: datetime, *, now: datetime) -> int:
    """Send again what failed since then, at most 10,000 at a time; returns how many. Raises `WebhookDisabled`."""
    await _require_enabled(db, workspace_id, endpoint_id)
    found = await deliveries.not_delivered_since(db, workspace_id, endpoint_id, since, limit=REPLAYED_AT_ONCE)
    return await _send_again(db, workspace_id, found, now=now)


async def _require_enabled(db: Session, workspace_id: UUID, endpoint_id: UUID) -> None:
    if await deliveries.endpoint_is_off(db, workspace_id, endpoint_id):
        raise WebhookDisabled("Switch the webhook on first: set `enabled` to true.")


async def _send_again(db: Session, workspace_id: UUID, delivery_ids: Sequence[UUID], *, now: datetime) -> int:
    """A new promise with a schedule of its own, in place of the one that was given up."""
    reopened = await deliveries.reopen(db, workspace_id, ids=delivery_ids, now=now)
    promises = [Deliver(delivery, endpoint) for delivery, endpoint in reopened]
    await jobs.cancel_waiting(db, workspace_id, promises, why="replayed")
    await jobs.put(db, workspace_id, promises)
    return len(promises)
