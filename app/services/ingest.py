"""Taking in what senders tell: once per message id, the same state whatever the order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from app.db import ingest, suppressions
from app.db.base import Session
from app.db.ingest import Receipts
from app.domain.folding import Fold, fold
from app.domain.memory import Memory
from app.domain.messages import ACCEPTED, DUPLICATE, MISUSED, SUPPRESSED, Envelope, Verdict
from app.domain.suppression import disguise, named_in


@dataclass(frozen=True, slots=True)
class Recorded:
    """One verdict per message, in order, and what was written; it counts once the transaction has committed."""

    verdicts: list[Verdict]
    batch: Fold


def message_hash(message_id: str) -> str:
    """128 bits, as 32 hex digits, that stand for a free-form message id."""
    return blake2b(message_id.encode(), digest_size=16).hexdigest()


def _judge(envelopes: Sequence[Envelope], hashes: Sequence[str | None], receipts: Receipts) -> list[Verdict]:
    """First come, first served: within the batch too, the first body under an id is the one that counts."""
    verdicts = []
    taken = dict(receipts.seen)
    for envelope, key in zip(envelopes, hashes, strict=True):
        if key is None:
            verdicts.append(ACCEPTED)
        elif key in taken:
            verdicts.append(DUPLICATE if taken[key] == envelope.body_hash else MISUSED)
        else:
            taken[key] = envelope.body_hash
            verdicts.append(ACCEPTED)
    return verdicts


async def _drop_suppressed(
    db: Session, workspace_id: UUID, envelopes: Sequence[Envelope], verdicts: Sequence[Verdict], key: bytes
) -> list[Verdict]:
    """Whoever was deleted does not come back with a late retry."""
    named = [{disguise(key, workspace_id, *one) for m in e.messages for one in named_in(m)} for e in envelopes]
    gone = await suppressions.find(db, workspace_id, set().union(*named))
    return [
        SUPPRESSED if verdict is ACCEPTED and names & gone else verdict
        for names, verdict in zip(named, verdicts, strict=True)
    ]


async def record(
    db: Session, workspace_id: UUID, envelopes: Sequence[Envelope], memory: Memory, *, now: datetime
) -> Recorded:
    """Store each message once and mark every account it touches for evaluation. Safe to repeat.

    After the commit the caller tells `memory` what was written.
    """
    hashes = [message_hash(e.message_id) if e.message_id is not None else None for e in envelopes]
    firsts: dict[str, int] = {}
    for envelope, key in zip(envelopes, hashes, strict=True):
        if key is not None:
            firsts.setdefault(key, envelope.body_hash)
    receipts = await ingest.receive(db, workspace_id, firsts, now)
    memory.trust(workspace_id, receipts.erasures)
    verdicts = _judge(envelopes, hashes, receipts)
    if receipts.erasures:
        verdicts = await _drop_suppressed(db, workspace_id, envelopes, verdicts, memory.suppression_key)
    fresh = (m for e, verdict in zip(envelopes, verdicts, strict=True) if verdict is ACCEPTED for m in e.messages)
    batch = fold(fresh, owner_trait=receipts.owner_trait)
    memory.reduce(workspace_id, batch)
    if batch.accounts or batch.users:
        await ingest.apply(db, workspace_id, batch, now)
    return Recorded(verdicts, batch)
