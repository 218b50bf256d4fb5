"""Stores the definitions of surveys, the days on which they were shown, and what decides whether to ask somebody."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session, rows
from app.domain.models import Survey, SurveyShowing

_SURVEYS: Final = cast("Table", Survey.__table__)
_COLUMNS: Final = tuple(_SURVEYS.c)
SHOWN_DAYS: Final = 1_000  # of the latest that are looked at; a round has far fewer

_PERSON: Final = text(
    """
select u.id,
    least(  -- later ones are none of Python's
        coalesce(steward_instant(u.traits -> 'createdAt'), v.first_seen_at, u.created_at), '9999-12-31Z'
    ) as joined_at,
    coalesce(v.sessions, 0) as sessions,
    (select max(r.responded_at) from survey_responses r
        where r.workspace_id = :workspace and r.survey_id = :survey and r.user_id = u.id) as answered_at,
    (select max(r.dismissed_at) from survey_responses r
        where r.workspace_id = :workspace and r.survey_id = :survey and r.user_id = u.id) as dismissed_at,
    array(select s.day from survey_showings s
        where s.workspace_id = :workspace and s.survey_id = :survey and s.user_id = u.id
        order by s.day desc limit :most) as shown
from users u
left join user_activity v on v.workspace_id = :workspace and v.user_id = u.id
where u.workspace_id = :workspace and u.id = :user
"""
)


async def lock_definitions(db: Session, workspace_id: UUID) -> None:
    """One at a time adds surveys, so that their number stays within its limit."""
    key = f"steward:surveys:{workspace_id}"
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> bool:
    """Add a survey; False where a live one has its slug."""
    statement = insert(_SURVEYS).values(workspace_id=workspace_id, **values)
    made = await db.scalar(
        statement.on_conflict_do_nothing(
            index_elements=["workspace_id", "slug"], index_where=text("archived_at is null")
        ).returning(_SURVEYS.c.id)
    )
    return made is not None


async def change(db: Session, workspace_id: UUID, survey_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a survey; its version goes up by one."""
    await db.execute(
        update(_SURVEYS)
        .where(_SURVEYS.c.workspace_id == workspace_id, _SURVEYS.c.id == survey_id)
        .values(version=_SURVEYS.c.version + 1, **values)
    )


async def one(db: Session, workspace_id: UUID, survey_id: UUID, *, lock: bool = False) -> Mapping[str, Any] | None:
    """A survey, archived or not; with `lock` nobody else changes it."""
    query = select(*_COLUMNS).where(Survey.workspace_id == workspace_id, Survey.id == survey_id)
    if lock:
        query = query.with_for_update(key_share=True)
    return next(iter(rows(await db.execute(query))), None)


async def id_by_slug(db: Session, workspace_id: UUID, slug: str) -> UUID | None:
    """The survey that has this slug, or the last one that had it."""
    query = select(Survey.id).where(Survey.workspace_id == workspace_id, Survey.slug == slug)
    return await db.scalar(query.order_by(Survey.archived_at.desc().nulls_first(), Survey.id.desc()).limit(1))


async def by_link(db: Session, workspace_id: UUID, link_id: UUID) -> Mapping[str, Any] | None:
    """The survey whose links name this id now."""
    query = select(*_COLUMNS).where(Survey.workspace_id == workspace_id, Survey.link_id == link_id)
    return next(iter(rows(await db.execute(query))), None)


async def count_live(db: Session, workspace_id: UUID) -> int:
    """How many surveys there are that are not archived."""
    query = select(func.count()).where(Survey.workspace_id == workspace_id, Survey.archived_at.is_(None))
    return await db.scalar(query) or 0


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Surveys in the order they were made; archived ones only when asked for."""
    query = select(*_COLUMNS).where(Survey.workspace_id == workspace_id).order_by(Survey.id).limit(limit)
    if not archived:
        query = query.where(Survey.archived_at.is_(None))
    if after is not None:
        query = query.where(Survey.id > after)
    return rows(await db.execute(query))


async def person(db: Session, workspace_id: UUID, survey_id: UUID, user_id: UUID) -> Mapping[str, Any] | None:
    """What decides whether this user may be asked; None where there is none."""
    asked = {"workspace": workspace_id, "survey": survey_id, "user": user_id, "most": SHOWN_DAYS}
    return next(iter(rows(await db.execute(_PERSON, asked))), None)


async def note_shown(db: Session, workspace_id: UUID, survey_id: UUID, user_id: UUID, day: date) -> None:
    """The user saw the survey on this UTC day. Safe to repeat."""
    values = {"workspace_id": workspace_id, "survey_id": survey_id, "user_id": user_id, "day": day}
    await db.execute(insert(SurveyShowing).values(values).on_conflict_do_nothing())
