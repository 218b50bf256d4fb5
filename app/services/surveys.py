"""Defining surveys, showing them, and whether somebody may be asked now."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.db import segment_reads, surveys
from app.db.base import Session
from app.domain import ids
from app.domain.asking import Display, Person, Reason, Verdict, may_ask
from app.domain.fields import Subject
from app.domain.slugs import slug_of
from app.domain.surveys import (
    DEFAULT_SLUG,
    MOST_SURVEYS,
    Kind,
    Question,
    SurveyArchived,
    SurveyExists,
    TooManySurveys,
    UnknownSurvey,
    check_questions,
    question,
)
from app.services import audit, users
from app.services.users import UnknownUser

DEFAULT_NAME = "NPS"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Definition:
    """A survey as someone writes it. Texts that are left out are ours."""

    kind: Kind
    name: str
    slug: str | None = None
    description: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    display: Display = field(default_factory=Display)
    questions: Sequence[Question] = ()


async def create(db: Session, workspace_id: UUID, new: Definition, *, now: datetime) -> Row:
    """Add a survey. Raises `InvalidQuestion`, `SurveyExists`, `TooManySurveys`."""
    check_questions(new.questions)
    slug = new.slug or slug_of(new.name, "survey")
    if slug == DEFAULT_SLUG and new.kind != "nps":
        raise SurveyExists(f"The slug {DEFAULT_SLUG!r} is that of the usual NPS survey; choose another one.")
    await surveys.lock_definitions(db, workspace_id)
    if await surveys.count_live(db, workspace_id) >= MOST_SURVEYS:
        raise TooManySurveys(f"There are at most {MOST_SURVEYS} surveys: archive one first.")
    return await _insert(db, workspace_id, slug, new, now=now)


async def _insert(db: Session, workspace_id: UUID, slug: str, new: Definition, *, now: datetime) -> Row:
    survey_id = ids.new_id()
    values = {
        "id": survey_id,
        "slug": slug,
        "kind": new.kind,
        "name": new.name,
        "description": new.description,
        "texts": dict(new.texts),
        "display": asdict(new.display),
        "questions": [asdict(one) for one in new.questions],
        "link_id": ids.new_id(),
        "created_at": now,
        "updated_at": now,
    }
    if not await surveys.insert_new(db, workspace_id, values):
        raise SurveyExists(f"A survey has the slug {slug!r} already; give another one with `slug`.")
    return await by_id(db, workspace_id, survey_id)


async def usual(db: Session, workspace_id: UUID, *, now: datetime) -> Row:
    """The survey that NPS responses belong to which name none; the first of them makes it."""
    found = await surveys.id_by_slug(db, workspace_id, DEFAULT_SLUG)
    if found is None:
        await surveys.lock_definitions(db, workspace_id)  # two firsts make one
        found = await surveys.id_by_slug(db, workspace_id, DEFAULT_SLUG)
    if found is None:
        return await _insert(db, workspace_id, DEFAULT_SLUG, Definition("nps", DEFAULT_NAME), now=now)
    return await by_id(db, workspace_id, found)


async def change(db: Session, workspace_id: UUID, ref: str, wanted: Mapping[str, Any], *, now: datetime) -> Row:
    """Change some of name, description, texts, display and questions. Answers given before stay as they are.

    Raises `UnknownSurvey`, `SurveyArchived`, `InvalidQuestion`.
    """
    known = await show(db, workspace_id, ref, lock=True)
    if known["archived_at"] is not None:
        raise SurveyArchived("An archived survey stays as it is; make a new one.")
    check_questions([question(one) for one in wanted.get("questions", ())])
    values = {key: value for key, value in wanted.items() if known[key] != value}
    if values:
        audit.add(db, before={key: known[key] for key in values})
        await surveys.change(db, workspace_id, known["id"], {**values, "updated_at": now})
    return await by_id(db, workspace_id, known["id"])


async def archive(db: Session, workspace_id: UUID, ref: str, *, now: datetime) -> None:
    """Retire a survey: nobody is asked any more, and its links lead nowhere. Its answers stay, and count.

    Safe to repeat. Raises `UnknownSurvey`.
    """
    known = await show(db, workspace_id, ref, lock=True)
    if known["archived_at"] is None:
        await surveys.change(db, workspace_id, known["id"], {"archived_at": now, "updated_at": now})


async def rotate(db: Session, workspace_id: UUID, ref: str, *, now: datetime) -> Row:
    """End every link of a survey that was made until now. Raises `UnknownSurvey`."""
    known = await show(db, workspace_id, ref, lock=True)
    await surveys.change(db, workspace_id, known["id"], {"link_id": ids.new_id(), "updated_at": now})
    return await by_id(db, workspace_id, known["id"])


async def by_id(db: Session, workspace_id: UUID, survey_id: UUID, *, lock: bool = False) -> Row:
    """One survey, archived or not. Raises `UnknownSurvey`."""
    found = await surveys.one(db, workspace_id, survey_id, lock=lock)
    if found is None:
        raise UnknownSurvey("No survey has this id or slug.")
    return found


async def show(db: Session, workspace_id: UUID, ref: str, *, lock: bool = False) -> Row:
    """The survey with this id or slug, archived or not. Raises `UnknownSurvey`."""
    found = ids.read("srv", ref) or await surveys.id_by_slug(db, workspace_id, ref)
    if found is None:
        raise UnknownSurvey("No survey has this id or slug.")
    return await by_id(db, workspace_id, found, lock=lock)


async def page(db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, archived: bool) -> Sequence[Row]:
    """Surveys in the order they were made."""
    return await surveys.page(db, workspace_id, after=after, limit=limit, archived=archived)


async def users_named(db: Session, workspace_id: UUID, refs: Sequence[str]) -> Mapping[str, UUID]:
    """Those of these users that exist, by what they were called: an id of ours or an external id."""
    named = {ref: ids.read("usr", ref) for ref in refs}
    return await segment_reads.resolve(db, workspace_id, Subject.USERS, named)


async def asking(db: Session, workspace_id: UUID, user_ref: str, ref: str, *, now: datetime) -> tuple[Row, Verdict]:
    """A survey, and whether this user may be asked now. Raises `UnknownUser`, `UnknownSurvey`."""
    user_id = await users.find(db, workspace_id, user_ref)
    survey = await show(db, workspace_id, ref)
    return survey, await judged(db, workspace_id, survey, user_id, now=now)


async def judged(db: Session, workspace_id: UUID, survey: Row, user_id: UUID, *, now: datetime) -> Verdict:
    """Whether a user may be asked now. Raises `UnknownUser`."""
    if survey["archived_at"] is not None:
        return Verdict(Reason.ARCHIVED)
    row = await surveys.person(db, workspace_id, survey["id"], user_id)
    if row is None:
        raise UnknownUser("No user has this id or external id.")
    known = {name: row[name] for name in ("joined_at", "sessions", "answered_at", "dismissed_at", "shown")}
    return may_ask(Display(**survey["display"]), Person(**known), now=now)


async def note_shown(db: Session, workspace_id: UUID, survey: Row, user_id: UUID, *, now: datetime) -> None:
    """The user sees the survey in today's session. Safe to repeat. Raises `SurveyArchived`."""
    if survey["archived_at"] is not None:
        raise SurveyArchived("Nobody is asked by an archived survey.")
    await surveys.note_shown(db, workspace_id, survey["id"], user_id, now.astimezone(UTC).date())
