"""Carrying a bulk edit out: a slice is changed and counted in one transaction, so nothing is done twice or missed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import bulk_edits, jobs, keys, members, workspaces
from app.db.base import Session
from app.domain import ids
from app.domain.bulk_edits import AT_WORK, GONE, NEEDED, NOT_STORED, AuthorGone, Edit, Outcomes
from app.domain.errors import DomainError
from app.domain.fields import Subject
from app.domain.jobs import RunBulkEdit
from app.domain.memory import Memory
from app.domain.team import MemberRole, check_role
from app.services.bulk_actions import action_of
from app.services.bulk_edits import finish, start_next
from app.services.trait_records import Editor


@dataclass(frozen=True, slots=True)
class Done:
    """How many records a slice was about, and whether the edit is over."""

    records: int
    over: bool


async def work(
    db: Session, workspace_id: UUID, edit_id: UUID, *, most: int, memory: Memory, give_up: bool = False, now: datetime
) -> Done:
    """Change the next records and note what became of each. `give_up`: note instead that they cannot be stored.

    The edit is locked before anything is written, so that of two workers on one only one is where the slice begins.
    """
    await workspaces.join_senders(db, workspace_id)
    row = await bulk_edits.one(db, workspace_id, edit_id, lock=True)
    if row is None or row["state"] != "running":
        await _look_again(db, workspace_id, row, now)
        return Done(0, over=True)
    records = await bulk_edits.part(db, workspace_id, edit_id, after=row["done"], limit=most)
    if records:
        outcomes = dict.fromkeys(records, NOT_STORED) if give_up else await _apply(db, row, records, memory, now)
        row = await _count(db, row, records, outcomes)
    if row["done"] >= row["total"]:
        await bulk_edits.lock_queue(db, workspace_id)
        await finish(db, workspace_id, edit_id, {"state": "done"}, now=now)
        return Done(len(records), over=True)
    return Done(len(records), over=False)


async def _look_again(db: Session, workspace_id: UUID, row: Mapping[str, Any] | None, now: datetime) -> None:
    """One that waits has its job because it was passed over while somebody held it."""
    if row is not None and row["state"] == "waiting":
        await bulk_edits.lock_queue(db, workspace_id)
        await start_next(db, workspace_id, now=now)


async def _apply(
    db: Session, row: Mapping[str, Any], records: Sequence[UUID], memory: Memory, now: datetime
) -> Outcomes:
    editor = Editor(row["requested_by"], await _role_now(db, row), memory)
    edit = Edit(Subject(row["subject"]), row["action"], row["requested_by"], now)
    found = await action_of(edit).apply(db, row["workspace_id"], edit, records, editor)
    return {record: found.get(record, GONE) for record in records}


async def _role_now(db: Session, row: Mapping[str, Any]) -> MemberRole | None:
    """What the author is by now, since an edit may wait for long and outlast them; None: a key.

    Raises `AuthorGone` once they left or the key was revoked, and `NotPermitted` once they may not do it any more.
    """
    workspace_id, author = row["workspace_id"], row["requested_by"]
    if row["requested_role"] is None:
        key_id = ids.read("key", author)
        key = None if key_id is None else await keys.find(db, workspace_id, key_id)
        if key is None or key.revoked_at is not None:
            raise AuthorGone("The API key that asked for it was revoked.")
        return None
    member = await members.one(db, workspace_id, member_id=ids.read("mem", author), email="")
    if member is None or member["deactivated_at"] is not None:
        raise AuthorGone("The member who asked for it left the team.")
    role = MemberRole(member["role"])
    check_role(role, NEEDED[row["action"]["type"]])
    return role


async def _count(db: Session, row: Mapping[str, Any], records: Sequence[UUID], outcomes: Outcomes) -> Mapping[str, Any]:
    workspace_id, edit_id = row["workspace_id"], row["id"]
    await bulk_edits.settle(db, workspace_id, edit_id, after=row["done"], records=records, outcomes=outcomes)
    told = Counter(outcomes[record].result for record in records)
    counts: dict[str, Any] = {name: row[name] + count for name, count in told.items()}
    return await bulk_edits.change(db, workspace_id, edit_id, {**counts, "done": row["done"] + len(records)})


async def go_on(db: Session, workspace_id: UUID, edit_id: UUID) -> None:
    """Promise the next stretch."""
    await jobs.put(db, workspace_id, [RunBulkEdit(edit_id)])


async def fail(db: Session, workspace_id: UUID, edit_id: UUID, error: DomainError, *, now: datetime) -> None:
    """End an edit that cannot go on, with the reason; what it has changed stays so."""
    row = await bulk_edits.one(db, workspace_id, edit_id, lock=True)
    await bulk_edits.lock_queue(db, workspace_id)
    if row is not None and row["state"] in AT_WORK:
        told = {"state": "failed", "error_code": error.code, "error_detail": error.detail}
        await finish(db, workspace_id, edit_id, told, now=now)


async def forget(db: Session, workspace_id: UUID, edit_id: UUID) -> None:
    """Delete an old edit with what became of each record."""
    await bulk_edits.remove(db, workspace_id, edit_id)
