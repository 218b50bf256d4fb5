"""The list of what was refused: kept within bounds, shown, counted, prepared for replay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.db import rejected, rejections, suppressions
from app.db.base import Session
from app.db.rejections import FILLED_TO, Settled
from app.domain.rejections import (
    AlreadyReplayed,
    Bounds,
    NoFilter,
    NotReplayable,
    Refusal,
    UnknownRejected,
    Wanted,
)
from app.domain.suppression import disguise

REPLAYED_AT_ONCE: Final = 500
REPLAYED_BYTES: Final = 4 * 1024 * 1024
DELETED_AT_ONCE: Final = 5_000
NAMES_AT_ONCE: Final = 50_000
"""Ids looked up for one transaction: each is hashed twice, while other requests wait."""


@dataclass(frozen=True, slots=True)
class Some:
    """Items to be replayed, and where to go on; None: these were the last."""

    rows: Sequence[Mapping[str, Any]]
    next: UUID | None


async def keep(
    db: Session,
    workspace_id: UUID,
    refusals: Sequence[Refusal],
    *,
    bounds: Bounds,
    suppression_key: bytes,
    now: datetime,
) -> None:
    """Put refused items aside and drop the oldest where that is too much. The same item is kept once, and counted.

    Of items that name somebody who was deleted, only the number is kept; as of those with more than can be looked up.
    """
    erasures = await rejections.hold(db, workspace_id)
    gone = await _naming_the_deleted(db, workspace_id, refusals, suppression_key) if erasures else set()
    kept = [one for one in refusals if id(one) not in gone]
    dismissed = [one for one in refusals if id(one) in gone]
    total = await rejections.keep(db, workspace_id, kept, dismissed, now=now)
    if total.exceeds(bounds):
        room = replace(bounds, rows=int(bounds.rows * FILLED_TO), bytes=int(bounds.bytes * FILLED_TO))
        await _trim(db, workspace_id, room, now=now)


async def _naming_the_deleted(db: Session, workspace_id: UUID, refusals: Sequence[Refusal], key: bytes) -> set[int]:
    gone: set[int] = set()
    named: list[tuple[int, set[str]]] = []
    known: dict[str, set[bytes]] = {}
    for one in refusals:
        names = one.names
        if names is None or len(known) + len(new := names - known.keys()) > NAMES_AT_ONCE:
            gone.add(id(one))
            continue
        named.append((id(one), names))
        for name in new:
            known[name] = {disguise(key, workspace_id, "user", name), disguise(key, workspace_id, "account", name)}
    deleted = await suppressions.find(db, workspace_id, set().union(*known.values()))
    bad = {name for name, disguises in known.items() if disguises & deleted}
    return gone | {one for one, names in named if names & bad}


async def _trim(db: Session, workspace_id: UUID, bounds: Bounds, *, now: datetime) -> int:
    too_much = await rejections.excess(db, workspace_id, bounds, before=now - bounds.age)
    return await rejections.remove(db, workspace_id, too_much, dropped_on=now.date())


async def purge(db: Session, workspace_id: UUID, *, bounds: Bounds, now: datetime) -> int:
    """Delete what is too old or too much; returns how many. Safe to repeat."""
    await rejections.hold(db, workspace_id)
    gone = await _trim(db, workspace_id, bounds, now=now)
    await rejections.tidy(db, workspace_id, now=now)
    return gone


async def workspaces(db: Session) -> list[UUID]:
    """Every workspace that may have something to purge; in a transaction of the pump."""
    return await rejections.workspaces(db)


async def page(
    db: Session, workspace_id: UUID, wanted: Wanted, *, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Rejected messages without their items, the newest first."""
    return await rejected.page(db, workspace_id, wanted, before=before, limit=limit)


async def show(db: Session, workspace_id: UUID, rejected_id: UUID | None) -> Mapping[str, Any]:
    """One rejected message with its item. Raises `UnknownRejected`."""
    found = await rejected.load(db, workspace_id, [rejected_id]) if rejected_id is not None else []
    if not found:
        raise UnknownRejected("No rejected message has this id.")
    return found[0]


async def counts(db: Session, workspace_id: UUID, *, days: int, now: datetime) -> Sequence[Mapping[str, Any]]:
    """How many were refused and dropped in the last `days` days, today included."""
    return await rejected.counts(db, workspace_id, since=(now - timedelta(days=days - 1)).date())


async def to_replay(db: Session, workspace_id: UUID, rejected_id: UUID | None, *, mended: bool) -> Mapping[str, Any]:
    """One rejected message to be replayed; one that was replayed already is shown as it is.

    Raises `UnknownRejected`; for a mended item `AlreadyReplayed`, without one `NotReplayable`.
    """
    found = await show(db, workspace_id, rejected_id)
    if mended and found["replayed_at"] is not None:
        raise AlreadyReplayed("It was replayed before; send other content as a new message.")
    if not mended and not found["whole"]:
        raise NotReplayable("Only the beginning of it was kept. Send the whole item along, or send it anew.")
    return found


async def some_to_replay(db: Session, workspace_id: UUID, wanted: Wanted, *, after: UUID | None) -> Some:
    """The oldest open messages a filter asks for, up to a bound in number and size."""
    chosen = replace(wanted, state="open", replayable=True)
    found = await rejected.sizes(db, workspace_id, chosen, after=after, limit=REPLAYED_AT_ONCE + 1)
    taken: list[UUID] = []
    size = 0
    for row in found[:REPLAYED_AT_ONCE]:
        size += row["size"]
        if taken and size > REPLAYED_BYTES:
            break
        taken.append(row["id"])
    more = len(taken) < len(found)
    return Some(await rejected.load(db, workspace_id, taken), taken[-1] if more else None)


async def settle(db: Session, workspace_id: UUID, settled: Sequence[Settled], *, now: datetime) -> None:
    """Note what replays came to. What names somebody who was deleted goes. Safe to repeat."""
    await rejections.hold(db, workspace_id)
    await rejections.settle(db, workspace_id, settled, now=now)
    await rejections.remove(db, workspace_id, [one.id for one in settled if one.outcome == "suppressed"])


async def delete(db: Session, workspace_id: UUID, rejected_id: UUID | None) -> None:
    """Delete one rejected message. Raises `UnknownRejected`."""
    await rejections.hold(db, workspace_id)
    if rejected_id is None or not await rejections.remove(db, workspace_id, [rejected_id]):
        raise UnknownRejected("No rejected message has this id.")


async def delete_matching(db: Session, workspace_id: UUID, wanted: Wanted) -> tuple[int, bool]:
    """Delete the oldest a filter asks for; how many, and whether there are more. Raises `NoFilter`."""
    if not wanted.narrows:
        raise NoFilter("Say which: by source, code, since, until or replayable.")
    await rejections.hold(db, workspace_id)
    found = await rejected.sizes(db, workspace_id, wanted, after=None, limit=DELETED_AT_ONCE + 1)
    chosen = [row["id"] for row in found[:DELETED_AT_ONCE]]
    return await rejections.remove(db, workspace_id, chosen), len(found) > len(chosen)
