"""Applying a changed definition to every record of a workspace, in slices, with progress that can be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import jobs, marks, record_marks, records, reprocessing
from app.db.base import Session
from app.domain import ids
from app.domain.errors import NotFound
from app.domain.fields import Subject
from app.domain.jobs import Reprocess

SLICE = 500


class UnknownReprocessing(NotFound):
    """There is no such reprocessing in this workspace."""

    code = "unknown_reprocessing"


@dataclass(frozen=True, slots=True)
class Slice:
    """The records a step of a reprocessing is about; none: it has come to its end."""

    reprocessing_id: UUID
    subject: Subject
    records: Sequence[UUID]


async def start(
    db: Session, workspace_id: UUID, cause: str, *, now: datetime, subject: Subject = Subject.ACCOUNTS
) -> UUID:
    """Promise to evaluate every record of a subject because of `cause`.

    One under way for the same cause and subject is superseded.
    """
    await reprocessing.supersede(db, workspace_id, cause, subject, now=now)
    reprocessing_id = ids.new_id()
    total = await records.count(db, workspace_id, subject)
    await reprocessing.insert_new(db, workspace_id, reprocessing_id, cause=cause, subject=subject, total=total, now=now)
    await jobs.put(db, workspace_id, [Reprocess(reprocessing_id)])
    return reprocessing_id


async def open_slice(db: Session, workspace_id: UUID, reprocessing_id: UUID) -> Slice | None:
    """The next records to evaluate, with the reprocessing locked; None when it is over or superseded."""
    row = await reprocessing.lock_open(db, workspace_id, reprocessing_id)
    if row is None:
        return None
    subject = Subject(row["subject"])
    found = await records.slice_after(db, workspace_id, subject, row["cursor"], SLICE)
    return Slice(reprocessing_id, subject, found)


async def close_slice(db: Session, workspace_id: UUID, part: Slice, owners_changed: int, *, now: datetime) -> None:
    """Count a slice as done and promise the next one; after the last one, the reprocessing is done."""
    if len(part.records) < SLICE:
        await reprocessing.finish(db, workspace_id, part.reprocessing_id, len(part.records), owners_changed, now=now)
        return
    await reprocessing.advance(
        db, workspace_id, part.reprocessing_id, part.records[-1], len(part.records), owners_changed
    )
    await jobs.put(db, workspace_id, [Reprocess(part.reprocessing_id)])


async def leave_slice(db: Session, workspace_id: UUID, reprocessing_id: UUID, *, now: datetime) -> None:
    """Go on past a slice that fails as a whole: its records are marked, where each failure is isolated and shown."""
    part = await open_slice(db, workspace_id, reprocessing_id)
    if part is not None:
        if part.subject is Subject.ACCOUNTS:
            await marks.mark(db, workspace_id, part.records)
        else:
            await record_marks.mark(db, workspace_id, part.subject, part.records)
        await close_slice(db, workspace_id, part, 0, now=now)


async def show(db: Session, workspace_id: UUID, reprocessing_id: UUID | None) -> Mapping[str, Any]:
    """One reprocessing. Raises `UnknownReprocessing`."""
    found = None if reprocessing_id is None else await reprocessing.one(db, workspace_id, reprocessing_id)
    if found is None:
        raise UnknownReprocessing("No reprocessing has this id.")
    return found


async def page(db: Session, workspace_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Reprocessings, newest first."""
    return await reprocessing.page(db, workspace_id, before=before, limit=limit)
