"""Stores the definitions of health scores, with every version of their rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, insert, select, update

from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.models import HealthScore, HealthScoreVersion

_SCORES: Final = cast("Table", HealthScore.__table__)
_VERSIONS: Final = cast("Table", HealthScoreVersion.__table__)


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Add a score."""
    await db.execute(insert(_SCORES).values(workspace_id=workspace_id, **values))


async def change(db: Session, workspace_id: UUID, score_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a score."""
    await db.execute(
        update(_SCORES).where(_SCORES.c.workspace_id == workspace_id, _SCORES.c.id == score_id).values(**values)
    )


async def keep(
    db: Session,
    workspace_id: UUID,
    score_id: UUID,
    version: int,
    rules: Mapping[str, Any],
    *,
    by: str | None,
    now: datetime,
) -> None:
    """Keep a version of a score's rules for good."""
    values = {"score_id": score_id, "version": version, "rules": rules, "at": now, "changed_by": by}
    await db.execute(insert(_VERSIONS).values(workspace_id=workspace_id, **values))


async def one(db: Session, workspace_id: UUID, score_id: UUID, *, lock: bool = False) -> Mapping[str, Any] | None:
    """A score, archived or not; with `lock` nobody else changes it."""
    query = select(*_SCORES.c).where(_SCORES.c.workspace_id == workspace_id, _SCORES.c.id == score_id)
    if lock:
        query = query.with_for_update(key_share=True)
    return next(iter(rows(await db.execute(query))), None)


async def live(db: Session, workspace_id: UUID, subject: Subject | None = None) -> Sequence[Mapping[str, Any]]:
    """The scores that are not archived, in the order they were made."""
    query = select(*_SCORES.c).where(_SCORES.c.workspace_id == workspace_id, _SCORES.c.archived_at.is_(None))
    if subject is not None:
        query = query.where(_SCORES.c.subject == subject.value)
    return rows(await db.execute(query.order_by(_SCORES.c.id)))


async def of_subject(db: Session, workspace_id: UUID, subject: Subject) -> Sequence[Mapping[str, Any]]:
    """All scores there ever were of a subject, in the order they were made."""
    query = select(*_SCORES.c).where(_SCORES.c.workspace_id == workspace_id, _SCORES.c.subject == subject.value)
    return rows(await db.execute(query.order_by(_SCORES.c.id)))


async def page(
    db: Session, workspace_id: UUID, *, subject: Subject | None, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Scores in the order they were made; archived ones only when asked for."""
    query = select(*_SCORES.c).where(_SCORES.c.workspace_id == workspace_id).order_by(_SCORES.c.id).limit(limit)
    if subject is not None:
        query = query.where(_SCORES.c.subject == subject.value)
    if not archived:
        query = query.where(_SCORES.c.archived_at.is_(None))
    if after is not None:
        query = query.where(_SCORES.c.id > after)
    return rows(await db.execute(query))


async def versions(
    db: Session, workspace_id: UUID, score_id: UUID, *, before: int | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The versions of a score's rules, the newest first."""
    query = (
        select(*_VERSIONS.c)
        .where(_VERSIONS.c.workspace_id == workspace_id, _VERSIONS.c.score_id == score_id)
        .order_by(_VERSIONS.c.version.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(_VERSIONS.c.version < before)
    return rows(await db.execute(query))
