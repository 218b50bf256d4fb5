"""Stores metrics as they are defined."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, func, insert, select, text, update

from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.models import Metric

METRICS: Final = cast("Table", Metric.__table__)


async def lock(db: Session, workspace_id: UUID) -> None:
    """One at a time defines metrics, so that names stay apart and their number within its limit."""
    key = f"steward:metrics:{workspace_id}"
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Add a metric."""
    await db.execute(insert(METRICS).values(workspace_id=workspace_id, **values))


async def change(db: Session, workspace_id: UUID, metric_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a metric."""
    own = METRICS.c.workspace_id == workspace_id, METRICS.c.id == metric_id
    await db.execute(update(METRICS).where(*own).values(**values))


async def one(
    db: Session, workspace_id: UUID, *, id_: UUID | None = None, slug: str | None = None
) -> Mapping[str, Any] | None:
    """A metric by its id, archived or not; or the live one by its slug."""
    wanted = (METRICS.c.id == id_,) if slug is None else (METRICS.c.slug == slug, METRICS.c.archived_at.is_(None))
    query = select(METRICS).where(METRICS.c.workspace_id == workspace_id, *wanted)
    return next(iter(rows(await db.execute(query))), None)


async def live(db: Session, workspace_id: UUID, subject: Subject | None = None) -> Sequence[Mapping[str, Any]]:
    """The metrics that are not archived, of a subject or of any, in the order they were made."""
    query = select(METRICS).where(METRICS.c.workspace_id == workspace_id, METRICS.c.archived_at.is_(None))
    if subject is not None:
        query = query.where(METRICS.c.subjects.contains([subject.value]))
    return rows(await db.execute(query.order_by(METRICS.c.id)))


async def named(db: Session, workspace_id: UUID, name: str) -> UUID | None:
    """The live metric with this name, in any case."""
    own = METRICS.c.workspace_id == workspace_id, METRICS.c.archived_at.is_(None)
    return await db.scalar(select(METRICS.c.id).where(*own, func.lower(METRICS.c.name) == func.lower(name)))


async def page(
    db: Session, workspace_id: UUID, *, subject: Subject | None, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Metrics in the order they were made; archived ones only when asked for."""
    query = select(METRICS).where(METRICS.c.workspace_id == workspace_id).order_by(METRICS.c.id).limit(limit)
    if subject is not None:
        query = query.where(METRICS.c.subjects.contains([subject.value]))
    if not archived:
        query = query.where(METRICS.c.archived_at.is_(None))
    return rows(await db.execute(query if after is None else query.where(METRICS.c.id > after)))


async def note_told(db: Session, workspace_id: UUID, metric_id: UUID, version: int) -> None:
    """The past of this version was worked out for every record."""
    own = METRICS.c.workspace_id == workspace_id, METRICS.c.id == metric_id, METRICS.c.version == version
    await db.execute(update(METRICS).where(*own).values(told_version=version))
