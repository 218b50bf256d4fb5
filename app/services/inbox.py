"""The durable inbox: messages are kept first and applied later, as exactly as if they had been applied at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import inbox
from app.db.base import Session
from app.db.inbox import Row
from app.domain import parcels
from app.domain.memory import Memory
from app.domain.rejections import Bounds, refusal
from app.domain.retelling import retell
from app.services import ingest, rejections
from app.services.ingest import Recorded

SHOWN_FAILURES = 50


@dataclass(frozen=True, slots=True)
class Rules:
    """What applying needs to know beside the messages."""

    rejected: Bounds  # how much of what is refused is kept
    suppression_key: bytes


async def apply(
    db: Session, workspace_id: UUID, taken: Sequence[Row], memory: Memory, rules: Rules, *, now: datetime
) -> Recorded:
    """Store what these parcels hold, in the transaction that took them: so each message counts exactly once.

    Only now it is known which of them are duplicates, speak of somebody who was deleted, or contradict an earlier body;
    the last are put on the list of refused messages. After the commit the caller tells `memory` what was written.
    """
    envelopes = [envelope for row in taken for envelope in parcels.unpack(row.parcel)]
    recorded = await ingest.record(db, workspace_id, envelopes, memory, now=now)
    refused = [
        refusal("api", retell(envelope), code="message_id_reused", detail=verdict.detail)
        for envelope, verdict in zip(envelopes, recorded.verdicts, strict=True)
        if verdict.status == "conflict"
    ]
    if refused:
        await rejections.keep(
            db, workspace_id, refused, bounds=rules.rejected, suppression_key=rules.suppression_key, now=now
        )
    return recorded


async def halve(db: Session, workspace_id: UUID, row: Row) -> list[int]:
    """Put two parcels in the place of one, which is free; their ids. None for one that cannot be divided."""
    try:
        envelopes = parcels.unpack(row.parcel)
    except parcels.Unreadable:
        return []
    if len(envelopes) < 2:
        return []
    middle = len(envelopes) // 2
    halves = (envelopes[:middle], envelopes[middle:])
    return await inbox.split(db, workspace_id, row.id, [(len(half), parcels.pack(half)) for half in halves])


async def overview(db: Session, workspace_id: UUID) -> Mapping[str, Any]:
    """How much waits to be applied, for how long, and what fails."""
    depth = await inbox.depth(db, workspace_id)
    return {
        "keys": await inbox.keys_by_mode(db, workspace_id),
        "pending": depth.messages,
        "oldest_seconds": depth.oldest_seconds,
        "failing": await inbox.failing(db, workspace_id, limit=SHOWN_FAILURES),
    }
