"""Stores the definitions of segments."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, Text, and_, case, exists, func, insert, or_, select, text, update
from sqlalchemy import cast as typed

from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.models import Segment, SegmentLink

_SEGMENTS: Final = cast("Table", Segment.__table__)
_COLUMNS: Final = tuple(_SEGMENTS.c)


async def lock_definitions(db: Session, workspace_id: UUID) -> None:
    """One at a time adds and renames segments, so that names stay apart and their number within its limit."""
    key = f"steward:segments:{workspace_id}"
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Add a segment."""
    await db.execute(insert(_SEGMENTS).values(workspace_id=workspace_id, **values))


async def change(db: Session, workspace_id: UUID, segment_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a segment; its version goes up by one."""
    await db.execute(
        update(_SEGMENTS)
        .where(_SEGMENTS.c.workspace_id == workspace_id, _SEGMENTS.c.id == segment_id)
        .values(version=_SEGMENTS.c.version + 1, **values)
    )


async def one(db: Session, workspace_id: UUID, segment_id: UUID, *, lock: bool = False) -> Mapping[str, Any] | None:
    """A segment, archived or not; with `lock` nobody else changes it, though records may enter and leave meanwhile."""
    query = select(*_COLUMNS).where(Segment.workspace_id == workspace_id, Segment.id == segment_id)
    if lock:
        query = query.with_for_update(key_share=True)
    return next(iter(rows(await db.execute(query))), None)


async def live_names(db: Session, workspace_id: UUID, subject: Subject) -> Mapping[UUID, str]:
    """The segments of a subject that are not archived, each with its name as names are compared."""
    query = select(Segment.id, func.lower(Segment.name)).where(
        Segment.workspace_id == workspace_id, Segment.subject == subject.value, Segment.archived_at.is_(None)
    )
    return {row[0]: row[1] for row in await db.execute(query)}


async def folded(db: Session, workspace_id: UUID, name: str) -> str:
    """A name as names are compared: in PostgreSQL's lower case, by which they are unique."""
    del workspace_id  # no row is read
    return str(await db.scalar(select(func.lower(name))))


async def to_judge(
    db: Session, workspace_id: UUID, subject: Subject, *, late: bool = False
) -> Sequence[Mapping[str, Any]]:
    """The live segments of a subject, and archived ones that still have members to let go; or of the live ones
    (`late`) those whose filter may ask about health."""
    links = exists().where(SegmentLink.workspace_id == Segment.workspace_id, SegmentLink.segment_id == Segment.id)
    live = Segment.archived_at.is_(None)
    query = select(
        Segment.id, case((live, Segment.filter)).label("filter"), Segment.archived_at.is_not(None).label("archived")
    ).where(
        Segment.workspace_id == workspace_id,
        Segment.subject == subject.value,
        and_(live, typed(Segment.filter, Text).like("%health%"))
        if late
        else or_(live, and_(Segment.archived_at.is_not(None), links)),
    )
    return rows(await db.execute(query.order_by(Segment.id)))


async def page(
    db: Session, workspace_id: UUID, *, subject: Subject | None, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Segments in the order they were made; archived ones only when asked for."""
    query = select(*_COLUMNS).where(Segment.workspace_id == workspace_id).order_by(Segment.id).limit(limit)
    if subject is not None:
        query = query.where(Segment.subject == subject.value)
    if not archived:
        query = query.where(Segment.archived_at.is_(None))
    if after is not None:
        query = query.where(Segment.id > after)
    return rows(await db.execute(query))


async def some(db: Session, workspace_id: UUID, segments: Sequence[UUID]) -> Sequence[Mapping[str, Any]]:
    """Those of these segments that exist, in the order they were made."""
    query = select(*_COLUMNS).where(Segment.workspace_id == workspace_id, Segment.id.in_(segments))
    return rows(await db.execute(query.order_by(Segment.id)))
