"""What the holder of a survey link may do: see the survey, answer it, close it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import surveys as rows
from app.db import workspaces
from app.db.base import Session
from app.domain.asking import Verdict
from app.domain.nps import Group, group
from app.domain.survey_links import GONE
from app.domain.surveys import (
    TEXTS,
    InvalidSurveyLink,
    fitting,
    question,
)
from app.services import nps, surveys
from app.services.nps import New
from app.services.users import UnknownUser

Row = Mapping[str, Any]
FOLLOW_UPS: Mapping[Group, str] = {
    Group.PROMOTER: "follow_up_promoter",
    Group.PASSIVE: "follow_up_passive",
    Group.DETRACTOR: "follow_up_detractor",
}


async def survey_of(db: Session, workspace_id: UUID, link_id: UUID) -> Row:
    """The survey a link leads to, with our words where it has none.

    Raises `InvalidSurveyLink` when its links were ended or it was archived.
    """
    found = await rows.by_link(db, workspace_id, link_id)
    if found is None or found["archived_at"] is not None:
        raise InvalidSurveyLink(f"The survey is closed, or its links were ended. {GONE}")
    return {**found, "texts": {**TEXTS, **found["texts"]}}


async def look(db: Session, workspace_id: UUID, link_id: UUID, user_id: UUID, *, now: datetime) -> tuple[Row, Verdict]:
    """The survey, and whether its rules would show it now. Raises `InvalidSurveyLink`."""
    survey = await survey_of(db, workspace_id, link_id)
    try:
        return survey, await surveys.judged(db, workspace_id, survey, user_id, now=now)
    except UnknownUser:
        raise InvalidSurveyLink(GONE) from None


async def answer(
    db: Session, workspace_id: UUID, link_id: UUID, user_id: UUID, new: New, *, now: datetime
) -> tuple[Row, str | None]:
    """Store an answer; the survey, and what to ask next. What is left out stays as it was said through this link.

    Raises `InvalidSurveyLink`, `InvalidAnswer`.
    """
    await workspaces.join_senders(db, workspace_id)
    survey, _ = await look(db, workspace_id, link_id, user_id, now=now)
    said = await _with_earlier(db, workspace_id, survey, new)
    await nps.answer(db, workspace_id, survey, user_id, said, now=now)
    if said.score is None or said.feedback:
        return survey, None
    return survey, survey["texts"][FOLLOW_UPS[group(said.score)]]


async def _with_earlier(db: Session, workspace_id: UUID, survey: Row, new: New) -> New:
    earlier = await nps.answered(db, workspace_id, new.external_id or "")
    if earlier is None:
        return new
    score = earlier["score"] if new.score is None else new.score
    kept = fitting([question(one) for one in survey["questions"]], earlier["answers"])
    answers = {**kept, **new.answers}
    return replace(new, score=score, feedback=new.feedback or earlier["feedback"], answers=answers)


async def note_shown(db: Session, workspace_id: UUID, link_id: UUID, user_id: UUID, *, now: datetime) -> None:
    """The user sees the survey in today's session. Raises `InvalidSurveyLink`."""
    await workspaces.join_senders(db, workspace_id)
    survey, _ = await look(db, workspace_id, link_id, user_id, now=now)
    await surveys.note_shown(db, workspace_id, survey, user_id, now=now)


async def dismiss(
    db: Session, workspace_id: UUID, link_id: UUID, user_id: UUID, external_id: str, *, now: datetime
) -> None:
    """The user would not answer; who has answered through this link has. Raises `InvalidSurveyLink`."""
    await workspaces.join_senders(db, workspace_id)
    survey, _ = await look(db, workspace_id, link_id, user_id, now=now)
    if await nps.answered(db, workspace_id, external_id) is not None:
        return
    new = New("link", external_id=external_id, dismissed=True)
    await nps.answer(db, workspace_id, survey, user_id, new, now=now)
