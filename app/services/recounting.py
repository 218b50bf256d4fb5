"""Counting stored events: those from before anybody asked for them, and those that an earlier release stored.

A part of them at a time, under the lock that flushes share: an event is either stored and read here, or counted when it
comes. What was counted already is not counted twice, because of two counts of the same days the higher one holds.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.db import jobs, marks, measures, record_marks, recounts, workspaces
from app.db.base import Session
from app.domain.counting import Counts
from app.domain.fields import Subject
from app.domain.jobs import CountStored
from app.domain.matching import Matchers, grouped
from app.domain.messages import CONVERSATION
from app.services import measuring

EVENTS_A_STEP: Final = 5_000
LOOKED_THROUGH_A_STEP: Final = 20_000
"""Where only events of a few names are read."""
OVERLAP: Final = timedelta(hours=1)
"""How long after the first recount processes of the release before may still store events uncounted."""


async def step(db: Session, workspace_id: UUID, recount_id: UUID) -> bool:
    """Count the next part of a recount and note it; whether there is more to do. Safe to repeat.

    No row is locked before the lock that flushes share: who deletes the workspace takes that one first, too.
    """
    row = await recounts.find_open(db, workspace_id, recount_id)
    if row is None:
        return False
    past = row["is_past_accounts"]
    first = (row["reached"] or recounts.FIRST[0], row["reached_at"] or recounts.FIRST[1])
    size = EVENTS_A_STEP if row["is_whole"] else LOOKED_THROUGH_A_STEP
    part = await recounts.cut(db, workspace_id, first, past=past, limit=size)
    await workspaces.hold_senders(db, workspace_id)
    if await recounts.find_open(db, workspace_id, recount_id) != row:
        return True  # another worker counted this part
    matchers = await _wanted(db, workspace_id, row)
    seen = await _count(db, workspace_id, part, matchers, past=past, is_whole=row["is_whole"])
    values: dict[str, Any] = {"events": row["events"] + seen}
    if part.end is not None:
        values |= {"reached": part.end[0], "reached_at": part.end[1]}
    elif not past:
        values |= {"is_past_accounts": True, "reached": None, "reached_at": None}
    else:
        await _finish(db, workspace_id, row, values)
        return False
    await recounts.save(db, workspace_id, recount_id, values)
    return True


async def _wanted(db: Session, workspace_id: UUID, row: Mapping[str, Any]) -> Matchers:
    """What is looked for: everything, or what is new."""
    version = await recounts.version(db, workspace_id)
    found = await measures.matchers(db, workspace_id, version)
    if row["is_whole"]:
        return found
    plain = await measures.plain_matchers(db, workspace_id, row["measures"])
    wanted = {*row["measures"], *row["elements"]}
    every = [*plain, *(one for those in found.by_name.values() for one in those)]
    return grouped(
        version, [one for one in every if (one.act if isinstance(one.act, int) else one.act.element) in wanted]
    )


async def _count(
    db: Session, workspace_id: UUID, part: recounts.Part, matchers: Matchers, *, past: bool, is_whole: bool
) -> int:
    names = None if is_whole else matchers.by_name.keys()
    counts, active, seen = Counts(), dict[tuple[str, str], date](), 0
    events = recounts.events(db, workspace_id, part, past=past, names=names, looked_at=matchers.by_name.keys())
    async for one in events:
        seen += 1
        record, user, name, at = one["record"], one["usr"], one["name"], one["occurred_at"]
        if is_whole:
            counts.take(record, user, name, at)
            if user is not None and name not in CONVERSATION:
                active[record, user] = max(at.date(), active.get((record, user), at.date()))
        if one["properties"] is not None:
            counts.match(record, user, name, at, one["properties"].encode(), matchers)
    await _put(db, workspace_id, counts, {} if past else active, past=past)
    return seen


async def _put(
    db: Session, workspace_id: UUID, counts: Counts, active: Mapping[tuple[str, str], date], *, past: bool
) -> None:
    if not counts:
        return
    ids = await measures.intern(db, workspace_id, counts.names) if counts.names else {}
    records = {record: record for record, _ in counts.totals} | {record: record for record, *_ in counts.instances}
    users = {user: user for *_, user in counts.days if user is not None}
    await measures.put(db, workspace_id, counts, records, users, ids)
    await measures.note_active(db, workspace_id, active)
    touched = sorted(map(UUID, records))
    if past:
        await record_marks.mark(db, workspace_id, Subject.ORGANIZATIONS, touched)
    else:
        await marks.mark(db, workspace_id, touched)


async def _finish(db: Session, workspace_id: UUID, row: Mapping[str, Any], values: dict[str, Any]) -> None:
    state = await recounts.wholes(db, workspace_id)
    await recounts.save(db, workspace_id, row["id"], values | {"finished_at": state["now"]})
    if row["is_whole"] and row["requested_at"] >= state["first_at"] + OVERLAP:
        await recounts.note_counted(db, workspace_id)


async def go_on(db: Session, workspace_id: UUID, recount_id: UUID, *, run_at: datetime | None) -> None:
    """Promise the rest of a recount, at once or at an instant."""
    await jobs.put(db, workspace_id, [CountStored(recount_id)], run_at=run_at)


async def catch_up(db: Session, workspace_id: UUID) -> None:
    """Have all that a workspace stored counted, if a process may have stored events uncounted.

    Once as soon as possible, and once more when no process of the release before can be left.
    """
    state = await recounts.wholes(db, workspace_id)
    first, last = state["first_at"], state["last_at"]
    if not state["is_counted"] and (first is None or last < first + OVERLAP <= state["now"]):
        await measuring.start(db, workspace_id, is_whole=True)
