"""Bulk edits from outside: look at what one would change, begin it, watch it, stop it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import bulk_edits, jobs
from app.db import selections as rows
from app.db.base import Session, unveiled
from app.domain import ids
from app.domain.bulk_edits import (
    AT_WORK,
    FORGOTTEN_AFTER,
    LOOK_AGAIN_AFTER,
    MOST_OPEN,
    MOST_RECORDS,
    NEEDED,
    SAMPLE,
    Difference,
    Edit,
    TooManyBulkEdits,
    TooManyRecords,
    UnknownBulkEdit,
)
from app.domain.fields import Subject
from app.domain.filters import AllOf, Tree, bind, parse
from app.domain.jobs import ForgetBulkEdit, RunBulkEdit
from app.domain.keys import Caller
from app.services import selections
from app.services.bulk_actions import action_of
from app.services.trait_records import Editor


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for: to do `action` to the records named, or to all that the filter keeps."""

    subject: Subject
    action: Mapping[str, Any]
    names: Sequence[str] | None = None
    filter: Any = None


@dataclass(frozen=True, slots=True)
class Preview:
    """How many records it is about, and what would become of the first of them."""

    count: int
    sample: Sequence[tuple[Mapping[str, Any], Difference]]


def needs(caller: Caller, action: Mapping[str, Any]) -> None:
    """Whether the caller may do this at all. Raises `NotPermitted`, `InsufficientScope`."""
    caller.require(NEEDED[action["type"]])


async def create(db: Session, caller: Caller, wanted: Wanted, *, editor: Editor, now: datetime) -> Mapping[str, Any]:
    """Fix the records it is about, and promise to go through them; one edit of a workspace runs at a time.

    Raises what its action raises, `InvalidFilter`, `NeedsMember`, `TooManyBulkEdits`, `TooManyRecords`.
    """
    edit = await _understood(db, caller, wanted, editor, now)
    workspace_id = caller.workspace_id
    await bulk_edits.lock_queue(db, workspace_id)
    if await bulk_edits.count_open(db, workspace_id) >= MOST_OPEN:
        raise TooManyBulkEdits(f"Wait until one of the {MOST_OPEN} unfinished bulk edits is over, or cancel one.")
    edit_id = ids.new_id()
    about = {"id": edit_id, "subject": edit.subject.value, "action": dict(edit.action), "filter": wanted.filter}
    who = {"requested_by": edit.by, "requested_role": editor.role and editor.role.value}
    await bulk_edits.insert_new(db, workspace_id, {**about, **who, "state": "waiting", "created_at": now})
    total = await _fix(db, caller, edit_id, wanted, now)
    await bulk_edits.change(db, workspace_id, edit_id, {"total": total})
    await start_next(db, workspace_id, now=now)
    await jobs.put(db, workspace_id, [ForgetBulkEdit(edit_id)], run_at=now + FORGOTTEN_AFTER)
    return await show(db, caller, edit_id)


async def _understood(db: Session, caller: Caller, wanted: Wanted, editor: Editor, now: datetime) -> Edit:
    asked = Edit(wanted.subject, wanted.action, caller.actor, now)
    action = await action_of(asked).check(db, caller.workspace_id, asked, editor)
    return Edit(wanted.subject, action, caller.actor, now)


def _tree(caller: Caller, wanted: Wanted) -> Tree:
    return AllOf((bind(parse(wanted.filter, wanted.subject), caller.member_id),))


async def _fix(db: Session, caller: Caller, edit_id: UUID, wanted: Wanted, now: datetime) -> int:
    workspace_id = caller.workspace_id
    if wanted.names is not None:
        records = await selections.named(db, workspace_id, wanted.subject, wanted.names)
        await bulk_edits.put_rows(db, workspace_id, edit_id, records)
        return len(records)
    chosen = rows.matching(workspace_id, wanted.subject, _tree(caller, wanted), now, limit=MOST_RECORDS + 1)
    found = await bulk_edits.snapshot(db, workspace_id, edit_id, chosen)
    if found > MOST_RECORDS:
        raise TooManyRecords(
            f"Narrow the filter: a bulk edit is about {MOST_RECORDS:,} records at most.", allowed=MOST_RECORDS
        )
    return found


async def preview(db: Session, caller: Caller, wanted: Wanted, *, editor: Editor, now: datetime) -> Preview:
    """What it would be about and change, storing nothing. Raises what `create` raises."""
    edit = await _understood(db, caller, wanted, editor, now)
    workspace_id, subject = caller.workspace_id, wanted.subject
    if wanted.names is not None:
        records = sorted(await selections.named(db, workspace_id, subject, wanted.names))
    else:
        tree = _tree(caller, wanted)
        records = await selections.matching(db, workspace_id, subject, tree, now=now, limit=MOST_RECORDS + 1)
    shown = records[:SAMPLE]
    differences = await action_of(edit).compare(db, workspace_id, edit, shown)
    named = await selections.briefly(db, workspace_id, subject, shown)
    sample = [(named[one], differences[one]) for one in shown if one in named and one in differences]
    return Preview(len(records), sample)


async def start_next(db: Session, workspace_id: UUID, *, now: datetime) -> None:
    """Let the edit that has waited longest run, unless one runs. The caller holds the queue.

    Where all that wait are just being stopped, the job looks again: who stops one may fail, and would start nothing.
    """
    if await bulk_edits.running(db, workspace_id) is not None:
        return
    edit_id = await bulk_edits.next_waiting(db, workspace_id)
    if edit_id is not None:
        await bulk_edits.change(db, workspace_id, edit_id, {"state": "running", "started_at": now})
        await jobs.put(db, workspace_id, [RunBulkEdit(edit_id)])
    elif (passed_over := await bulk_edits.waits(db, workspace_id)) is not None:
        await jobs.put(db, workspace_id, [RunBulkEdit(passed_over)], run_at=now + LOOK_AGAIN_AFTER)


async def finish(db: Session, workspace_id: UUID, edit_id: UUID, values: Mapping[str, Any], *, now: datetime) -> None:
    """End an edit in the state that `values` name, and let the next one run. The caller holds the queue."""
    row = await bulk_edits.change(db, workspace_id, edit_id, {**values, "finished_at": now})
    async with unveiled(db):  # what is hidden from somebody is not gone
        await bulk_edits.scrub_late(db, workspace_id, edit_id, Subject(row["subject"]))
    await start_next(db, workspace_id, now=now)


async def cancel(db: Session, caller: Caller, edit_id: UUID | None, *, now: datetime) -> Mapping[str, Any]:
    """Stop an edit; what it has changed stays so. Harmless when it is over.

    Whoever may do what it does may stop it. Raises `UnknownBulkEdit`, `NotPermitted`.
    """
    workspace_id = caller.workspace_id
    found = await show(db, caller, edit_id)
    needs(caller, found["action"])
    if found["state"] not in AT_WORK:
        return found
    found = await show(db, caller, edit_id, lock=True)
    await bulk_edits.lock_queue(db, workspace_id)
    if found["state"] in AT_WORK:
        await finish(db, workspace_id, found["id"], {"state": "cancelled"}, now=now)
    return await show(db, caller, found["id"])


async def show(db: Session, caller: Caller, edit_id: UUID | None, *, lock: bool = False) -> Mapping[str, Any]:
    """One bulk edit; of others only to those who see all accounts, since it is about any. Raises `UnknownBulkEdit`."""
    found = None if edit_id is None else await bulk_edits.one(db, caller.workspace_id, edit_id, lock=lock)
    if found is None or (not caller.sees_all and found["requested_by"] != caller.actor):
        raise UnknownBulkEdit("No bulk edit has this id.")
    return found


async def page(db: Session, caller: Caller, *, before: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Bulk edits that the caller may see, newest first."""
    by = None if caller.sees_all else caller.actor
    return await bulk_edits.page(db, caller.workspace_id, by=by, before=before, limit=limit)


async def results(
    db: Session, workspace_id: UUID, edit: Mapping[str, Any], *, outcome: str | None, after: int, limit: int
) -> Sequence[Mapping[str, Any]]:
    """What became of each record so far, with its names as far as it still exists."""
    found = await bulk_edits.results(db, workspace_id, edit["id"], outcome=outcome, after=after, limit=limit)
    records = [row["record_id"] for row in found]
    named = await selections.briefly(db, workspace_id, Subject(edit["subject"]), records)
    nobody = {"external_id": None, "name": None}
    return [{**row, **{part: named.get(row["record_id"], nobody)[part] for part in nobody}} for row in found]
