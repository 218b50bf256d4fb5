"""Surveys: what they ask, and which answers fit."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
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
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
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


def fitting(questions: Sequence[Question], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of these answers that still fit: questions change after they were answered."""
    known = {one.key: one for one in questions}
    return {key: said for key, said in answers.items() if key in known and _misfit(known[key], said) is None}


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
        return _DAY.match(value) is not None and date.fromisoformat(value) is not None
    except ValueError:
        return False


def _is_number(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value) and abs(value) <= LARGEST_NUMBER
