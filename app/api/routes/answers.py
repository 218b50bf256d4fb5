"""The public door of surveys: whoever has a link sees the survey and answers it, in a browser or as a program."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import orjson
from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ValidationError

from app.api import problems as refusals
from app.api import survey_pages, surveying
from app.api.deps import Services, State, Stranger
from app.api.problems import problems
from app.api.refusals import InvalidRequest
from app.api.routing import Router
from app.api.schemas.answers import AnswerIn, LinkedSurvey, Thanks
from app.domain.errors import DomainError
from app.domain.fields import storable
from app.domain.surveys import InvalidAnswer, InvalidSurveyLink
from app.domain.team import TooManyAttempts
from app.intake import guard
from app.services import answering
from app.services.nps import New

router = Router("surveys", base="/surveys")

FORM: Final = "application/x-www-form-urlencoded"
HTML: Final = {"text/html": {"schema": {"type": "string"}}}
MOST_FIELDS: Final = 300
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z", re.ASCII)  # as browsers send it
REFUSALS: Final = (InvalidSurveyLink, TooManyAttempts, InvalidRequest, guard.NulCharacter)


def _whole(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a body we read ourselves, with nothing to look up: there is no place for its parts."""
    text = orjson.dumps(model.model_json_schema()).replace(b'{"$ref":"#/$defs/JsonValue"}', b"{}")
    return {key: value for key, value in orjson.loads(text).items() if key != "$defs"}


def _refusals(*kinds: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """Refusals as problems, and for browsers as pages."""
    found = problems(*kinds)
    for one in found.values():
        one["content"] = {**one["content"], **HTML}
    return found


DOCUMENTED: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _whole(AnswerIn)},
            FORM: {"schema": {"type": "object"}},
        },
    }
}
Token = Annotated[str, Path(min_length=1, max_length=300, description="What the link ends with.")]


def _in_browser(request: Request) -> bool:
    """Whether a person looks at the answer: browsers ask for HTML before anything else."""
    wanted = request.headers.get("accept", "").lower()
    return "text/html" in wanted and not wanted.startswith("application/json")


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


@router.get(
    "/{token}",
    operation_id="openSurveyLink",
    response_model=LinkedSurvey,
    responses={
        **_refusals(*REFUSALS),
        200: {"description": "The survey, for a browser as a page.", "content": HTML},
    },
    dependencies=[Stranger],
)
async def open_survey_link(
    token: Token,
    request: Request,
    state: Services,
    score: Annotated[int | None, Query(ge=0, le=10, description="What the page has chosen already.")] = None,
) -> Any:
    """The survey behind a link: as a page for browsers, else as JSON. Looking at it changes nothing."""
    browser = _in_browser(request)
    try:
        found = await surveying.read(state, request, token)
        async with surveying.transaction(state, found) as db:
            survey, verdict = await answering.look(
                db, found.workspace_id, found.link_id, found.user_id, now=state.now()
            )
    except DomainError as error:
        if browser:
            return _refused(error, request)
        raise
    if browser:
        return survey_pages.form(survey, chosen=score)
    shown = LinkedSurvey.model_validate(
        {**survey, "ask": verdict.ask, "reason": verdict.reason, "expires_at": found.expires_at}, extra="ignore"
    )
    return Response(shown.model_dump_json(by_alias=True), media_type="application/json", headers=_PRIVATE)


_PRIVATE: Final = {name: survey_pages.HEADERS[name] for name in ("cache-control", "referrer-policy", "x-robots-tag")}


@router.post(
    "/{token}",
    operation_id="answerSurveyLink",
    response_model=Thanks,
    responses={
        **_refusals(*REFUSALS, InvalidAnswer),
        200: {"description": "It is taken; for a browser a page that says so.", "content": HTML},
    },
    openapi_extra=DOCUMENTED,
    dependencies=[Stranger],
)
async def answer_survey_link(token: Token, request: Request, state: Services) -> Any:
    """Answer the survey, as JSON or as a form. Sent again it replaces the answer before."""
    browser = _is_form(request) or _in_browser(request)
    try:
        return await _answer(token, request, state, browser=browser)
    except DomainError as error:
        if browser:
            return _refused(error, request)
        raise


async def _answer(token: str, request: Request, state: State, *, browser: bool) -> Response:
    found = await surveying.read(state, request, token)
    body = await request.body()
    async with surveying.transaction(state, found) as db:
        survey = await answering.survey_of(db, found.workspace_id, found.link_id)
        try:
            said = _from_form(body, survey) if _is_form(request) else _from_json(body)
            new = New("link", said.score, said.feedback, said.answers, external_id=surveying.external_id(token))
            _, follow_up = await answering.answer(
                db, found.workspace_id, found.link_id, found.user_id, new, now=state.now()
            )
        except (InvalidAnswer, InvalidRequest) as error:
            if not browser:
                raise
            return survey_pages.form(survey, wrong=error.detail, status=422)
    if browser:
        return survey_pages.thanks(survey, follow_up, said.score)
    shown = Thanks(thanks=survey["texts"]["thanks"], follow_up=follow_up)
    return Response(shown.model_dump_json(by_alias=True), media_type="application/json", headers=_PRIVATE)


@router.post(
    "/{token}/shown",
    status_code=204,
    operation_id="noteSurveyLinkShown",
    responses=problems(*REFUSALS),
    dependencies=[Stranger],
)
async def note_survey_link_shown(token: Token, request: Request, state: Services) -> None:
    """The user sees the survey in today's session. Repeating it on the same UTC day counts once."""
    found = await surveying.read(state, request, token)
    async with surveying.transaction(state, found) as db:
        await answering.note_shown(db, found.workspace_id, found.link_id, found.user_id, now=state.now())


@router.post(
    "/{token}/dismissal",
    status_code=204,
    operation_id="dismissSurveyLink",
    responses=problems(*REFUSALS),
    dependencies=[Stranger],
)
async def dismiss_survey_link(token: Token, request: Request, state: Services) -> None:
    """The user closed the survey without an answer. Who has answered through this link has not."""
    found = await surveying.read(state, request, token)
    async with surveying.transaction(state, found) as db:
        await answering.dismiss(
            db,
            found.workspace_id,
            found.link_id,
            found.user_id,
            surveying.external_id(token),
            now=state.now(),
        )


def _from_json(body: bytes) -> AnswerIn:
    try:
        return AnswerIn.model_validate(guard.parse(body))
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise refusals.from_validation(found) from error


def _from_form(body: bytes, survey: Mapping[str, Any]) -> AnswerIn:
    """What a browser's form said: empty fields say nothing."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise InvalidAnswer("The form cannot be read.") from None
    if not all(storable(text) for texts in fields.values() for text in texts):
        raise InvalidAnswer("The form has characters that cannot be stored.")
    types = {one["key"]: one for one in survey["questions"]}
    answers = {key: _typed(one, fields[f"q.{key}"]) for key, one in types.items() if any(fields.get(f"q.{key}", ()))}
    score, feedback = fields.get("score", [""])[-1], fields.get("feedback", [""])[-1]
    given: dict[str, Any] = {"answers": answers, "feedback": feedback or None}
    if score:
        given["score"] = int(score) if score.isascii() and score.isdecimal() and len(score) <= 2 else -1
    try:
        return AnswerIn.model_validate(given)
    except ValidationError as error:
        raise InvalidAnswer("Choose a score from 0 to 10, and keep what you write within 5,000 characters.") from error


def _typed(one: Mapping[str, Any], texts: list[str]) -> Any:
    if one["type"] == "choice" and one["several"]:
        return texts
    if one["type"] != "number":
        return texts[-1]
    number = float(texts[-1]) if _NUMBER.match(texts[-1]) else math.inf
    return number if math.isfinite(number) else texts[-1]


def _refused(error: DomainError, request: Request) -> Response:
    status = refusals.status_of(type(error))
    answer = survey_pages.refused(error.title(), error.detail or error.title(), status)
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        answer.headers["retry-after"] = str(retry_after)
    request.scope["steward.refused"] = error.code
    return answer
