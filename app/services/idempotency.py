"""Doing a write once however often it is sent: its answer is kept in the transaction that does it."""

from datetime import datetime
from uuid import UUID

from app.db import idempotency
from app.db.base import Session
from app.domain.idempotency import KEPT, Answer, Attempt, IdempotencyKeyReused, RequestInProgress
from app.domain.secrets import Keyring, Place, seal, unseal


def _place(workspace_id: UUID, attempt: Attempt) -> Place:
    return Place(workspace_id, "idempotency_keys", "answer", attempt.id)


async def begin(db: Session, workspace_id: UUID, attempt: Attempt, keys: Keyring, *, now: datetime) -> Answer | None:
    """The answer of the first time; None: this is the first time, and nobody else does it before we end.

    Raises `RequestInProgress`, `IdempotencyKeyReused`.
    """
    if not await idempotency.try_lock(db, workspace_id, attempt.id):
        raise RequestInProgress("Wait for the answer to the first one, or send this again a little later.")
    found = await idempotency.find(db, workspace_id, attempt.id, since=now - KEPT)
    if found is None:
        return None
    if found.request_hash != attempt.request_hash:
        raise IdempotencyKeyReused("Use a new key for every new request: this one belongs to another body or address.")
    return Answer(found.status, unseal(found.answer, keys, _place(workspace_id, attempt)).encode())


async def end(
    db: Session, workspace_id: UUID, attempt: Attempt, answer: Answer, keys: Keyring, *, now: datetime
) -> None:
    """Keep the answer, to be committed with what was done."""
    sealed = seal(answer.body.decode(), keys, _place(workspace_id, attempt))
    await idempotency.keep(
        db,
        workspace_id,
        attempt.id,
        request_hash=attempt.request_hash,
        status=answer.status,
        answer=sealed,
        now=now,
    )
