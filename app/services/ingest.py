"""Taking in what senders tell: once per message id, the same state whatever the order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from app.db import ingest, measures, suppressions
from app.db.base import Session
from app.db.ingest import Receipts
from app.domain.folding import Fold, fold
from app.domain.homes import bring_home, homeless
from app.domain.matching import Matchers
from app.domain.memory import Memory
from app.domain.messages import (
    ACCEPTED,
    CUSTOM,
    DUPLICATE,
    MISUSED,
    SUPPRESSED,
    WITHOUT_CUSTOM,
    AccountMessage,
    Envelope,
    Message,
    OrganizationMessage,
    UserMessage,
    Verdict,
)
from app.domain.suppression import disguise, named_in, owner_named, without_owner
from app.services import organizations


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
    """Whoever was deleted does not come back with a late retry, be it known from before or new."""
    named = [{disguise(key, workspace_id, *one) for m in e.messages for one in named_in(m)} for e in envelopes]
    gone = await suppressions.find(db, workspace_id, set().union(*named))
    return [
        SUPPRESSED if verdict in (ACCEPTED, DUPLICATE) and names & gone else verdict
        for names, verdict in zip(named, verdicts, strict=True)
    ]


async def _drop_owners(
    db: Session, workspace_id: UUID, messages: Sequence[Message], owner_trait: str | None, key: bytes
) -> list[Message]:
    """Nor do they come back as the owner that an account's trait names."""
    owners = {
        owner: disguise(key, workspace_id, "user", owner)
        for m in messages
        if (owner := owner_named(m, owner_trait)) is not None
    }
    gone = await suppressions.find(db, workspace_id, set(owners.values())) if owners else set()
    away = {owner for owner, hidden in owners.items() if hidden in gone}
    return [without_owner(m, owner_trait) if owner_named(m, owner_trait) in away else m for m in messages]


def _strangers(message: Message) -> bool:
    """Whether a message sets traits that are managed in Steward alone."""
    if not isinstance(message, AccountMessage | UserMessage | OrganizationMessage):
        return False
    return any(key.startswith(CUSTOM) for key in message.traits)


def _without_custom(message: Message) -> Message:
    if not isinstance(message, AccountMessage | UserMessage | OrganizationMessage) or not _strangers(message):
        return message
    return replace(message, traits={key: value for key, value in message.traits.items() if not key.startswith(CUSTOM)})


def _fresh(envelopes: Sequence[Envelope], verdicts: Sequence[Verdict]) -> tuple[list[Verdict], list[Message]]:
    """The messages to store, without traits that are managed in Steward alone; whoever sent such is told."""
    told = list(verdicts)
    fresh = [m for e, verdict in zip(envelopes, verdicts, strict=True) if verdict is ACCEPTED for m in e.messages]
    if not any(map(_strangers, fresh)):
        return told, fresh
    for n, envelope in enumerate(envelopes):
        if told[n] is ACCEPTED and any(map(_strangers, envelope.messages)):
            told[n] = WITHOUT_CUSTOM
    return told, [_without_custom(m) for m in fresh]


async def _matchers(db: Session, workspace_id: UUID, version: int, memory: Memory) -> Matchers:
    """What is looked for in events, read where it is not remembered as it is now."""
    found = memory.matchers(workspace_id, version) if version else Matchers()
    if found is None:
        found = await measures.matchers(db, workspace_id, version)
        memory.attend(workspace_id, found)
    return found


async def _name(db: Session, workspace_id: UUID, batch: Fold) -> None:
    """Give every event name its number. Before anything else is written, in every flush: so none waits in a circle."""
    unknown = (batch.counts.names | batch.parent_counts.names) - batch.measure_ids.keys()
    if unknown:
        batch.measure_ids |= await measures.intern(db, workspace_id, unknown)


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
    verdicts, fresh = _fresh(envelopes, verdicts)
    if receipts.erasures:
        fresh = await _drop_owners(db, workspace_id, fresh, receipts.owner_trait, memory.suppression_key)
    if asking := homeless(fresh):
        fresh = bring_home(fresh, await ingest.homes(db, workspace_id, asking))
    matchers = await _matchers(db, workspace_id, receipts.matchers, memory)
    batch = fold(fresh, owner_trait=receipts.owner_trait, erasures=receipts.erasures, matchers=matchers)
    batch.keeps_history = memory.keeps_history
    memory.reduce(workspace_id, batch)
    await _name(db, workspace_id, batch)
    if batch.accounts or batch.users:
        await ingest.apply(db, workspace_id, batch, now)
    if batch.relations:
        await organizations.apply(db, workspace_id, batch, now)
    return Recorded(verdicts, batch)
