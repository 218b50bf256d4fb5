"""Surveys: what they ask, whether to ask somebody now, links that need no key, and what was answered."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request

from app.api.deps import Now, Paged, Reader, Ref, RuleMaker, Sender, Services, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.surveys import (
    AskOut,
    LinkOut,
    LinksIn,
    LinksOut,
    ResponseIn,
    ShownOut,
    SurveyIn,
    SurveyOut,
    SurveyPage,
    SurveyPatch,
    SurveyResponseOut,
    SurveyResponsePage,
    response,
)
from app.api.surveying import Links, memory_of
from app.db.responses import Asked
from app.domain import ids
from app.domain.asking import Verdict
from app.domain.cursors import InvalidCursor
from app.domain.erasures import Suppressed
from app.domain.surveys import (
    TEXTS,
    InvalidAnswer,
    InvalidQuestion,
    ResponseTaken,
    SurveyArchived,
    SurveyExists,
    TooManySurveys,
    UnknownResponse,
    UnknownSurvey,
)
from app.services import nps, surveys, users
from app.services.nps import New
from app.services.surveys import Definition
from app.services.users import UnknownUser

router = Router("surveys")

LINKS = {
    name: {"operationId": name, "parameters": {"survey": "$response.body#/id"}}
    for name in ("getSurvey", "updateSurvey", "archiveSurvey", "listSurveyResponses")
}
SurveyRef = Annotated[
    str, Path(alias="survey", min_length=1, max_length=80, description="`srv_…` or the survey's slug.")
]
ResponseRef = Annotated[str, Path(alias="response", min_length=1, max_length=80, description="The response's id.")]


def shown(row: Mapping[str, Any]) -> SurveyOut:
    """A survey as the wire shows it, with our words where it has none."""
    return SurveyOut.model_validate({**row, "texts": {**TEXTS, **row["texts"]}}, extra="ignore")


def _asked(row: Mapping[str, Any], verdict: Verdict) -> AskOut:
    return AskOut(ask=verdict.ask, reason=verdict.reason, since=verdict.since, survey=shown(row))


def _response(row: Mapping[str, Any]) -> SurveyResponseOut:
    return SurveyResponseOut.model_validate(response(row), extra="ignore")


@router.post(
    "/surveys",
    status_code=201,
    operation_id="createSurvey",
    responses={
        **problems(InvalidQuestion, SurveyExists, TooManySurveys),
        201: {"description": "The survey.", "links": LINKS},
    },
)
async def create_survey(body: SurveyIn, caller: RuleMaker, tx: Tx, now: Now) -> SurveyOut:
    """Make a survey: an NPS survey asks for a score from 0 to 10, and both kinds may ask more."""
    new = Definition(
        body.kind,
        body.name,
        body.slug,
        body.description,
        body.texts.said(),
        body.display.to_domain(),
        [one.to_domain() for one in body.questions],
    )
    return shown(await surveys.create(tx, caller.workspace_id, new, now=now))


@router.get("/surveys", operation_id="listSurveys", responses=problems(InvalidCursor))
async def list_surveys(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    archived: Annotated[bool, Query(description="Also list archived ones.")] = False,  # noqa: FBT002 - a query parameter
) -> SurveyPage:
    """Surveys in the order they were made. The first NPS response makes the survey `nps`, if nobody did before."""
    scope = f"surveys:{archived}"
    after = paging.after(scope)
    start = after[0] if after else None
    found = await surveys.page(tx, caller.workspace_id, after=start, limit=paging.fetch, archived=archived)
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([shown(row) for row in rows], cursor, SurveyPage)


@router.get("/surveys/{survey}", operation_id="getSurvey", responses=problems(UnknownSurvey))
async def get_survey(survey: SurveyRef, caller: Reader, tx: Tx) -> SurveyOut:
    """One survey, archived or not."""
    return shown(await surveys.show(tx, caller.workspace_id, survey))


@router.patch(
    "/surveys/{survey}",
    operation_id="updateSurvey",
    responses=problems(UnknownSurvey, SurveyArchived, InvalidQuestion),
)
async def update_survey(survey: SurveyRef, body: SurveyPatch, caller: RuleMaker, tx: Tx, now: Now) -> SurveyOut:
    """Change a survey. What was answered before stays as it was answered."""
    return shown(await surveys.change(tx, caller.workspace_id, survey, body.changes(), now=now))


@router.delete("/surveys/{survey}", status_code=204, operation_id="archiveSurvey", responses=problems(UnknownSurvey))
async def archive_survey(survey: SurveyRef, caller: RuleMaker, tx: Tx, now: Now) -> None:
    """Retire a survey: nobody is asked any more, its links lead nowhere. Its answers stay, and count."""
    await surveys.archive(tx, caller.workspace_id, survey, now=now)


@router.post(
    "/surveys/{survey}/links",
    operation_id="createSurveyLinks",
    responses=problems(UnknownSurvey, SurveyArchived),
)
async def create_survey_links(
    survey: SurveyRef, body: LinksIn, caller: Sender, tx: Tx, state: Services, request: Request
) -> LinksOut:
    """Links for up to 1,000 users, to be sent to each of them: they need no key, and end when you say.

    A link is the user's own: whoever has it answers for them. Rotating the survey's links ends all of them.
    """
    row = await surveys.show(tx, caller.workspace_id, survey)
    nps.refuse_archived(row)
    known = await surveys.users_named(tx, caller.workspace_id, body.users)
    expires_at = state.now() + timedelta(days=body.days)
    links = Links(state, request, caller.workspace_id, row["link_id"], expires_at)
    return LinksOut(data=[_link(ref, known.get(ref), links) for ref in body.users])


def _link(ref: str, user_id: UUID | None, links: Links) -> LinkOut:
    if user_id is None:
        return LinkOut(user=ref, user_id=None, url=None, expires_at=None)
    return LinkOut(user=ref, user_id=user_id, url=links.url(user_id), expires_at=links.expires_at)


@router.post("/surveys/{survey}/links/rotate", operation_id="rotateSurveyLinks", responses=problems(UnknownSurvey))
async def rotate_survey_links(survey: SurveyRef, caller: RuleMaker, tx: Tx, now: Now) -> SurveyOut:
    """End every link to the survey that was made until now."""
    return shown(await surveys.rotate(tx, caller.workspace_id, survey, now=now))


@router.post(
    "/surveys/{survey}/responses",
    status_code=201,
    operation_id="recordSurveyResponse",
    responses=problems(UnknownSurvey, UnknownUser, InvalidAnswer, ResponseTaken, Suppressed),
)
async def record_survey_response(
    survey: SurveyRef, body: ResponseIn, caller: Sender, tx: Tx, now: Now, state: Services
) -> SurveyResponseOut:
    """Store what a user answered. Under an `externalId` that is known, it is replaced unless it is the newer one."""
    new = New("api", body.score, body.feedback, body.answers, body.responded_at, body.external_id)
    return _response(await nps.record(tx, caller.workspace_id, body.user_id, survey, new, memory_of(state), now=now))


@router.get(
    "/surveys/{survey}/responses",
    operation_id="listSurveyResponses",
    responses=problems(UnknownSurvey, InvalidCursor),
)
async def list_survey_responses(
    survey: SurveyRef,
    caller: Reader,
    tx: Tx,
    paging: Paged,
    dismissed: Annotated[bool, Query(description="Also list dismissals.")] = False,  # noqa: FBT002 - a query parameter
) -> SurveyResponsePage:
    """What was answered to the survey, the latest first."""
    row = await surveys.show(tx, caller.workspace_id, survey)
    scope = f"surveys/{row['id']}/responses:{dismissed}"
    after = paging.after(scope)
    found = await nps.page(
        tx,
        caller.workspace_id,
        Asked(survey=row["id"], dismissed=dismissed),
        before=(after[0], after[1]) if after else None,
        limit=paging.fetch,
    )
    rows, cursor = paging.cut(found, scope, lambda one: [one["at"], one["id"]])
    return page([_response(one) for one in rows], cursor, SurveyResponsePage)


@router.get(
    "/surveys/{survey}/responses/{response}",
    operation_id="getSurveyResponse",
    responses=problems(UnknownSurvey, UnknownResponse),
)
async def get_survey_response(survey: SurveyRef, response: ResponseRef, caller: Reader, tx: Tx) -> SurveyResponseOut:
    """One response to the survey."""
    row = await surveys.show(tx, caller.workspace_id, survey)
    return _response(await nps.of_survey(tx, caller.workspace_id, row["id"], ids.read("rsp", response)))


@router.delete(
    "/surveys/{survey}/responses/{response}",
    status_code=204,
    operation_id="deleteSurveyResponse",
    responses=problems(UnknownSurvey, UnknownResponse),
)
async def delete_survey_response(survey: SurveyRef, response: ResponseRef, caller: Sender, tx: Tx) -> None:
    """Delete a response for good."""
    row = await surveys.show(tx, caller.workspace_id, survey)
    found = await nps.of_survey(tx, caller.workspace_id, row["id"], ids.read("rsp", response))
    await nps.remove(tx, caller.workspace_id, found)


@router.get("/users/{user}/surveys/{survey}", operation_id="askUser", responses=problems(UnknownUser, UnknownSurvey))
async def ask_user(user: Ref, survey: SurveyRef, caller: Reader, tx: Tx, now: Now) -> AskOut:
    """Whether the user may be asked now by the survey's rules, why, and with which words: for your front end.

    Asking changes nothing: say with `shown` that they see it, and with `dismissal` that they closed it.
    """
    return _asked(*await surveys.asking(tx, caller.workspace_id, user, survey, now=now))


@router.post(
    "/users/{user}/surveys/{survey}/shown",
    operation_id="noteSurveyShown",
    responses=problems(UnknownUser, UnknownSurvey, SurveyArchived),
)
async def note_survey_shown(user: Ref, survey: SurveyRef, caller: Sender, tx: Tx, now: Now) -> ShownOut:
    """The user sees the survey in today's session. Repeating it on the same UTC day counts once."""
    user_id = await users.find(tx, caller.workspace_id, user)
    row = await surveys.show(tx, caller.workspace_id, survey)
    await surveys.note_shown(tx, caller.workspace_id, row, user_id, now=now)
    return ShownOut(ask=(await surveys.judged(tx, caller.workspace_id, row, user_id, now=now)).ask)


@router.post(
    "/users/{user}/surveys/{survey}/dismissal",
    status_code=201,
    operation_id="dismissSurvey",
    responses=problems(UnknownUser, UnknownSurvey),
)
async def dismiss_survey(
    user: Ref, survey: SurveyRef, caller: Sender, tx: Tx, now: Now, state: Services
) -> SurveyResponseOut:
    """The user closed the survey without an answer: they are asked again after the months the survey says."""
    user_id = await users.find(tx, caller.workspace_id, user)
    new = New("api", dismissed=True)
    found = await nps.record(tx, caller.workspace_id, ids.show("usr", user_id), survey, new, memory_of(state), now=now)
    return _response(found)
