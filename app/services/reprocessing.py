"""Applying a changed definition to every account of a workspace, in slices, with progress that can be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import evaluation, jobs, marks, reprocessing
from app.db.base import Session
from app.domain import ids
from app.domain.errors import NotFound
from app.domain.jobs import Reprocess

SLICE = 500


class UnknownReprocessing(NotFound):
    """There is no such reprocessing in this workspace."""

    code = "unknown_reprocessing"


@dataclass(frozen=True, slots=True)
class Slice:
    """The accounts a step of a reprocessing is about; none: it has come to its end."""

    reprocessing_id: UUID
    accounts: Sequence[UUID]


async def start(db: Session, workspace_id: UUID, cause: str, *, now: datetime) -> UUID:
    """Promise to evaluate every account because of `cause`; one under way for the same cause is superseded."""
    await reprocessing.supersede(db, workspace_id, cause, now=now)
    reprocessing_id = ids.new_id()
    total = await evaluation.count_accounts(db, workspace_id)
    await reprocessing.insert_new(db, workspace_id, reprocessing_id, cause=cause, total=total, now=now)
    await jobs.put(db, workspace_id, [Reprocess(reprocessing_id)])
    return reprocessing_id


async def open_slice(db: Session, workspace_id: UUID, reprocessing_id: UUID) -> Slice | None:
    """The next accounts to evaluate, with the reprocessing locked; None when it is over or superseded."""
    row = await reprocessing.lock_open(db, workspace_id, reprocessing_id)
    if row is None:
        return None
    return Slice(reprocessing_id, await evaluation.slice_after(db, workspace_id, row["cursor"], SLICE))


async def close_slice(db: Session, workspace_id: UUID, part: Slice, owners_changed: int, *, now: datetime) -> None:
    """Count a slice as done and promise the next one; after the last one, the reprocessing is done."""
    if len(part.accounts) < SLICE:
        await reprocessing.finish(db, workspace_id, part.reprocessing_id, len(part.accounts), owners_changed, now=now)
        return
    await reprocessing.advance(
        db, workspace_id, part.reprocessing_id, part.accounts[-1], len(part.accounts), owners_changed
    )
    await jobs.put(db, workspace_id, [Reprocess(part.reprocessing_id)])


async def leave_slice(db: Session, workspace_id: UUID, reprocessing_id: UUID, *, now: datetime) -> None:
    """Go on past a slice that fails as a whole: its accounts are marked, where each failure is isolated and shown."""
    part = await open_slice(db, workspace_id, reprocessing_id)
    if part is not None:
        await marks.mark(db, workspace_id, part.accounts)
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
