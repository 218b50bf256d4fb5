"""Reprocessings as rows: their progress is written in the transaction of the slice it counts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update

from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.models import Reprocessing

_OPEN = ("waiting", "running")
_TABLE = Reprocessing.__table__


def _one(workspace_id: UUID, reprocessing_id: UUID) -> Any:
    return (_TABLE.c.workspace_id == workspace_id) & (_TABLE.c.id == reprocessing_id)


async def supersede(db: Session, workspace_id: UUID, cause: str, subject: Subject, *, now: datetime) -> None:
    """End those under way for this cause: the one about to start does their work too."""
    same = (_TABLE.c.cause == cause) & (_TABLE.c.subject == subject.value)
    await db.execute(
        update(Reprocessing)
        .where(_TABLE.c.workspace_id == workspace_id, same, _TABLE.c.state.in_(_OPEN))
        .values(state="superseded", finished_at=now)
    )


async def insert_new(
    db: Session,
    workspace_id: UUID,
    reprocessing_id: UUID,
    *,
    cause: str,
    subject: Subject,
    total: int,
    now: datetime,
) -> None:
    """Store a reprocessing that waits for its first slice."""
    values = {"id": reprocessing_id, "cause": cause, "subject": subject.value, "total": total, "created_at": now}
    await db.execute(insert(Reprocessing).values(workspace_id=workspace_id, **values))


async def lock_open(db: Session, workspace_id: UUID, reprocessing_id: UUID) -> Mapping[str, Any] | None:
    """The row, locked, unless it is over."""
    query = (
        select(*_TABLE.columns).where(_one(workspace_id, reprocessing_id), _TABLE.c.state.in_(_OPEN)).with_for_update()
    )
    found = rows(await db.execute(query))
    return found[0] if found else None


async def advance(
    db: Session, workspace_id: UUID, reprocessing_id: UUID, cursor: UUID, done: int, owners_changed: int
) -> None:
    """Count a slice and remember where the next one starts. Accounts made meanwhile stretch the total."""
    await db.execute(
        update(Reprocessing)
        .where(_one(workspace_id, reprocessing_id))
        .values(state="running", cursor=cursor, **_counted(done, owners_changed))
    )


async def finish(
    db: Session, workspace_id: UUID, reprocessing_id: UUID, done: int, owners_changed: int, *, now: datetime
) -> None:
    """Count the last slice and close the row. What was deleted meanwhile shrinks the total."""
    values = _counted(done, owners_changed) | {"total": _TABLE.c.done + done}
    await db.execute(
        update(Reprocessing).where(_one(workspace_id, reprocessing_id)).values(state="done", finished_at=now, **values)
    )


def _counted(done: int, owners_changed: int) -> dict[str, Any]:
    return {
        "done": _TABLE.c.done + done,
        "total": func.greatest(_TABLE.c.total, _TABLE.c.done + done),
        "owners_changed": _TABLE.c.owners_changed + owners_changed,
    }


async def one(db: Session, workspace_id: UUID, reprocessing_id: UUID) -> Mapping[str, Any] | None:
    """One reprocessing."""
    found = rows(await db.execute(select(*_TABLE.columns).where(_one(workspace_id, reprocessing_id))))
    return found[0] if found else None


async def page(db: Session, workspace_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Reprocessings, newest first."""
    query = select(*_TABLE.columns).where(_TABLE.c.workspace_id == workspace_id)
    if before is not None:
        query = query.where(_TABLE.c.id < before)
    return rows(await db.execute(query.order_by(_TABLE.c.id.desc()).limit(limit)))
