"""Surveys: what they ask, which answers fit, and whether somebody may be asked now."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.fields import SLUG

Kind = Literal["nps", "custom"]
QuestionType = Literal["choice", "text", "date", "number"]

MOST_SURVEYS: Final = 100
MOST_QUESTIONS: Final = 50
LONGEST_FEEDBACK: Final = 5_000
LONGEST_TEXT: Final = 5_000
LARGEST_NUMBER: Final = 1e15
DEFAULT_SLUG: Final = "nps"
"""The survey that NPS responses belong to which name none; it is made with the first of them."""
TEXTS: Final[Mapping[str, str]] = {
    "question": "How likely are you to recommend us to a friend or colleague?",
    "low": "Not at all likely",
    "high": "Extremely likely",
    "follow_up_promoter": "What do you like most?",
    "follow_up_passive": "What could we do better?",
    "follow_up_detractor": "What went wrong, and how can we put it right?",
    "thanks": "Thank you for your answer.",
}
"""What is shown where a survey says nothing else."""


class UnknownSurvey(NotFound):
    """There is no such survey in this workspace."""

    code = "unknown_survey"


class UnknownResponse(NotFound):
    """There is no such response in this workspace."""

    code = "unknown_response"


class InvalidSurveyLink(NotFound):
    """This link leads to no survey, or does not any more."""

    code = "invalid_survey_link"


class SurveyExists(Conflict):
    """A survey has this slug already."""

    code = "survey_exists"


class TooManySurveys(Conflict):
    """The workspace has as many surveys as it can have."""

    code = "too_many_surveys"


class SurveyArchived(Conflict):
    """The survey is archived."""

    code = "survey_archived"


class ResponseTaken(Conflict):
    """This external id is that of another user's response, or of another survey's."""

    code = "response_taken"


class WrongKind(Conflict):
    """The survey is of the other kind."""

    code = "wrong_survey_kind"


class InvalidQuestion(Rejected):
    """A question cannot be asked like this."""

    code = "invalid_question"


class InvalidAnswer(Rejected):
    """The answer does not fit the survey."""

    code = "invalid_answer"


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `several`: more than one of the options may be chosen."""

    key: str
    label: str
    type: QuestionType
    options: tuple[str, ...] = ()
    several: bool = False
    required: bool = False


def question(stored: Mapping[str, Any]) -> Question:
    """A question as it is stored."""
    return Question(**{**stored, "options": tuple(stored.get("options", ()))})


def check_questions(questions: Sequence[Question]) -> None:
    """Raises `InvalidQuestion` for keys that are no slugs or come twice, and for choices of nothing."""
    if len(questions) > MOST_QUESTIONS:
        raise InvalidQuestion(f"A survey has at most {MOST_QUESTIONS} questions.")
    keys = [one.key for one in questions]
    for place, one in enumerate(questions):
        pointer = f"#/questions/{place}"
        if not SLUG.match(one.key) or keys.count(one.key) > 1:
            raise _refuse(InvalidQuestion, f"{pointer}/key", "A key is small letters, digits and _, and its own.")
        if (one.type == "choice") != bool(one.options) or len(set(one.options)) < len(one.options):
            raise _refuse(InvalidQuestion, f"{pointer}/options", "A choice has options, all different; nothing else.")
        if one.several and one.type != "choice":
            raise _refuse(InvalidQuestion, f"{pointer}/several", "Only of a choice several may be chosen.")


def _refuse(kind: type[Rejected], pointer: str, detail: str) -> Rejected:
    return kind(f"{pointer}: {detail}", errors=[{"pointer": pointer, "detail": detail}])


def check_answers(questions: Sequence[Question], answers: Mapping[str, Any], *, whole: bool = True) -> None:
    """Raises `InvalidAnswer` unless these answers fit the questions; `whole`: and none that is required is missing."""
    known = {one.key: one for one in questions}
    for key, value in answers.items():
        asked = known.get(key)
        if asked is None:
            raise _refuse(InvalidAnswer, f"#/answers/{key[:40]}", "The survey has no question of this key.")
        if (wrong := _misfit(asked, value)) is not None:
            raise _refuse(InvalidAnswer, f"#/answers/{key}", wrong)
    for one in questions if whole else ():
        if one.required and answers.get(one.key) in (None, "", []):
            raise _refuse(InvalidAnswer, f"#/answers/{one.key}", f"{one.label!r} wants an answer.")


def _misfit(asked: Question, value: Any) -> str | None:
    """What is wrong with an answer, in words. None is none, and is always taken."""
    if value is None:
        return None
    match asked.type:
        case "choice":
            return _unlisted(asked, value)
        case "text":
            fits = isinstance(value, str) and len(value) <= LONGEST_TEXT
            return None if fits else f"must be text of at most {LONGEST_TEXT} characters"
        case "date":
            return None if isinstance(value, str) and _is_date(value) else "must be a day such as 2026-01-31"
        case "number":
            return None if _is_number(value) else "must be a number"


def _unlisted(asked: Question, value: Any) -> str | None:
    chosen = value if asked.several and isinstance(value, list) else [value]
    good = all(isinstance(one, str) and one in asked.options for one in chosen)
    if good and len(set(chosen)) == len(chosen):
        return None
    return f"must be {'some' if asked.several else 'one'} of: {', '.join(asked.options)}"[:500]


def _is_date(value: str) -> bool:
    try:
        return len(value) == 10 and date.fromisoformat(value) is not None
    except ValueError:
        return False


def _is_number(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value) and abs(value) <= LARGEST_NUMBER


@dataclass(frozen=True, slots=True)
class Display:
    """When a survey shows itself. `again_months`: how long after an answer, a dismissal or the last of
    `most_sessions` in which it was shown; None: never again. `gated`: only those whom a playbook lets in are asked.
    """

    minimum_age_days: int = 0
    minimum_sessions: int = 0
    most_sessions: int | None = None
    again_months: int | None = 3
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of somebody who might be asked. `shown` are the UTC days on which they saw the survey."""

    joined_at: datetime | None
    sessions: int
    answered_at: datetime | None = None
    dismissed_at: datetime | None = None
    shown: Sequence[date] = ()
    enrolled: bool = False


class Reason(StrEnum):
    """Why somebody is asked, or not."""

    DUE = "due"
    ARCHIVED = "archived"
    NOT_ENROLLED = "not_enrolled"
    TOO_YOUNG = "too_young"
    TOO_FEW_SESSIONS = "too_few_sessions"
    ANSWERED = "answered"
    DISMISSED = "dismissed"
    SHOWN_ENOUGH = "shown_enough"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether somebody is asked, why, and from when on the clock alone would let them be."""

    reason: Reason
    since: datetime | None = None

    @property
    def ask(self) -> bool:
        """Whether they are asked now."""
        return self.reason is Reason.DUE


DUE: Final = Verdict(Reason.DUE)


def may_ask(display: Display, person: Person, *, now: datetime) -> Verdict:
    """Whether somebody may be asked now: the rules in the order in which they are told."""
    if display.gated and not person.enrolled:
        return Verdict(Reason.NOT_ENROLLED)
    if display.minimum_age_days:
        grown = person.joined_at and person.joined_at + timedelta(days=display.minimum_age_days)
        if grown is None or now < grown:
            return Verdict(Reason.TOO_YOUNG, grown)
    if person.sessions < display.minimum_sessions:
        return Verdict(Reason.TOO_FEW_SESSIONS)
    for reason, at in _rests(display, person, now):
        again = None if display.again_months is None else months_after(at, display.again_months)
        if again is None or now < again:
            return Verdict(reason, again)
    return DUE


def _rests(display: Display, person: Person, now: datetime) -> list[tuple[Reason, datetime]]:
    """After what a survey rests, and since when; of two the later, which rests longer."""
    found: list[tuple[Reason, datetime]] = []
    if person.answered_at is not None:
        found.append((Reason.ANSWERED, person.answered_at))
    if person.dismissed_at is not None:
        found.append((Reason.DISMISSED, person.dismissed_at))
    if (enough := _shown_enough(display, person, now)) is not None:
        found.append((Reason.SHOWN_ENOUGH, enough))
    return [max(found, key=lambda one: one[1])] if found else []


def _shown_enough(display: Display, person: Person, now: datetime) -> datetime | None:
    """The last of as many sessions in a row as it may be shown in, at its end; days of an earlier round do not count.

    A round begins anew after an answer, a dismissal, or the rest that follows the last session of a round. The session
    under way is not over: the survey stays for the rest of it.
    """
    if display.most_sessions is None:
        return None
    settled = max((at for at in (person.answered_at, person.dismissed_at) if at is not None), default=None)
    since = settled and settled.date()
    count, ended = 0, None
    for day in sorted(set(person.shown)):
        if day >= now.date() or (since is not None and day <= since):
            continue
        if ended is not None and display.again_months is not None and _rested(ended, display.again_months, day):
            count, ended = 0, None
        count += 1
        if count >= display.most_sessions:
            ended = _end_of(day, now)
    return ended


def _rested(ended: datetime, months: int, day: date) -> bool:
    return day >= months_after(ended, months).date()


def _end_of(day: date, now: datetime) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=now.tzinfo) + timedelta(days=1)


def months_after(at: datetime, months: int) -> datetime:
    """The same day and hour some months later; where that month is shorter, its last day."""
    place = at.year * 12 + at.month - 1 + months
    year, month = divmod(place, 12)
    if year > 9999:
        return datetime.max.replace(tzinfo=at.tzinfo)
    return at.replace(year=year, month=month + 1, day=min(at.day, _days_in(year, month + 1)))


def _days_in(year: int, month: int) -> int:
    if month == 12:
        return 31
    return (date(year, month + 1, 1) - date(year, month, 1)).days


_NOT_A_WORD: Final = re.compile(r"[^a-z0-9]+")


def slug_of(name: str) -> str:
    """A slug made of a name; `survey` where nothing of it can stand in one."""
    plain = _NOT_A_WORD.sub("_", name.casefold()).strip("_").lstrip("0123456789_")[:40].rstrip("_")
    return plain or "survey"
