"""What is counted of events beside each name: measures with a filter, made when a definition first asks for them.

What a new measure missed is counted from stored events, by a job.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final
from uuid import UUID

from app.db import jobs, measures, recounts, workspaces
from app.db.base import Session
from app.domain import ids
from app.domain.errors import Conflict
from app.domain.jobs import CountStored
from app.domain.matching import MOST_NAMES, Filter, digest, key

MOST_FILTERED: Final = 2_000
"""Measures with a filter, per workspace."""


class TooManyMeasures(Conflict):
    """Too many filters on events are counted."""

    code = "too_many_measures"


async def ensure(
    db: Session, workspace_id: UUID, wanted: Iterable[tuple[str, Filter | None]]
) -> dict[tuple[str, str], int]:
    """The measure of each event name with a filter that `matching.parse` has read, or without; made where it is new.

    By name and `matching.key`. A new one counts from now on, and a job counts what is stored; `waiting` tells whether
    that is done. Call it before any row is locked that a flush may need: accounts, users, organizations. Raises
    `TooManyMeasures`.
    """
    asked = {digest(name, filter_): (name, filter_) for name, filter_ in wanted}
    found = await measures.find(db, workspace_id, asked.keys())
    if asked.keys() - found.keys():
        found = await _make(db, workspace_id, asked)
    return {(name, key(filter_)): found[one] for one, (name, filter_) in asked.items()}


async def _make(db: Session, workspace_id: UUID, asked: Mapping[UUID, tuple[str, Filter | None]]) -> dict[UUID, int]:
    """Make what is missing. No name gets its number before the lock is held: flushes that hold it wait for that."""
    await workspaces.hold_senders(db, workspace_id)
    found = await measures.find(db, workspace_id, asked.keys())
    plain, filtered = await measures.sizes(db, workspace_id)
    missing = asked.keys() - found.keys()
    unseen = {asked[one][0]: one for one in missing if asked[one][1] is None and plain < MOST_NAMES}
    if unseen:
        interned = await measures.intern(db, workspace_id, unseen)
        found |= {one: int(interned[name]) for name, one in unseen.items() if interned[name]}
    if rest := asked.keys() - found.keys():
        if filtered + len(rest) > MOST_FILTERED:
            raise TooManyMeasures(f"At most {MOST_FILTERED:,} filters on events are counted.")
        made = await measures.insert_new(db, workspace_id, {one: asked[one] for one in rest})
        found |= made
        await look_anew(db, workspace_id, measure_ids=made.values())
    return found


async def look_anew(
    db: Session, workspace_id: UUID, *, measure_ids: Collection[int] = (), elements: Collection[UUID] = ()
) -> None:
    """Have flushes look for what was just defined, and promise to look for it in stored events.

    Elements whose instances nobody looks for any more may be given none: then nothing is looked for in stored events.
    """
    await workspaces.hold_senders(db, workspace_id)
    await measures.move_version(db, workspace_id)
    if measure_ids or elements:
        await start(db, workspace_id, measure_ids=measure_ids, elements=elements)


async def start(
    db: Session,
    workspace_id: UUID,
    *,
    measure_ids: Collection[int] = (),
    elements: Collection[UUID] = (),
    is_whole: bool = False,
) -> UUID:
    """Promise to count what is stored, for these or for everything there is."""
    recount_id = ids.new_id()
    await recounts.insert_new(
        db, workspace_id, recount_id, is_whole=is_whole, measures=sorted(measure_ids), elements=sorted(elements)
    )
    await jobs.put(db, workspace_id, [CountStored(recount_id)])
    return recount_id


async def names_counted(db: Session, workspace_id: UUID) -> int:
    """How many event names are counted."""
    return (await measures.sizes(db, workspace_id))[0]


async def waiting(db: Session, workspace_id: UUID) -> tuple[set[int], set[UUID]]:
    """The measures and elements whose stored events are still being counted."""
    return await recounts.waiting(db, workspace_id)
