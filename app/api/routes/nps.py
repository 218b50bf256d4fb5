"""NPS: responses as programs send them, and the score of everybody, of a view, of one account or organization."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query

from app.api.deps import Now, Paged, Reader, Ref, Sender, Services, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import Instant, page
from app.api.schemas.nps import (
    Months,
    NpsIn,
    NpsOut,
    NpsResponseIn,
    NpsResponseOut,
    NpsResponsePage,
    NpsResponsePatch,
    SurveyName,
    figures,
    npsresponse,
)
from app.api.surveying import memory_of
from app.db.responses import Asked
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.erasures import Suppressed
from app.domain.fields import Subject
from app.domain.filters import InvalidFilter, NeedsMember
from app.domain.keys import Caller
from app.domain.nps import Group
from app.domain.surveys import InvalidAnswer, ResponseTaken, UnknownResponse, UnknownSurvey, WrongKind
from app.domain.views import BrokenView, UnknownView
from app.services import accounts, nps, nps_scores, organizations, users, views
from app.services.accounts import UnknownAccount
from app.services.nps import New
from app.services.nps_scores import Limits
from app.services.organizations import UnknownOrganization
from app.services.users import UnknownUser

router = Router("nps")

ResponseRef = Annotated[str, Path(alias="response", min_length=1, max_length=80, description="The response's id.")]
SurveyQuery = Annotated[SurveyName | None, Query(description="Only answers to this survey: `srv_…` or a slug.")]
MonthsQuery = Annotated[Months, Query()]
LINKS = {
    name: {"operationId": name, "parameters": {"response": "$response.body#/id"}}
    for name in ("getNpsResponse", "updateNpsResponse", "deleteNpsResponse")
}
WHOSE = (UnknownSurvey, WrongKind)


def _shown(row: Mapping[str, Any]) -> NpsResponseOut:
    return NpsResponseOut.model_validate(npsresponse(row), extra="ignore")


@router.post(
    "/nps-responses",
    status_code=201,
    operation_id="recordNpsResponse",
    responses={
        **problems(UnknownUser, *WHOSE, InvalidAnswer, ResponseTaken, Suppressed),
        201: {"description": "The response.", "links": LINKS},
    },
)
async def record_nps_response(body: NpsResponseIn, caller: Sender, tx: Tx, now: Now, state: Services) -> NpsResponseOut:
    """Store what a user answered; scores follow a moment later. Of each user the answer given last counts.

    Under an `externalId` that is known the response is replaced, unless the one that is stored was given later. A user
    who was never heard of is made, as any message would.
    """
    await nps.kind_of(tx, caller.workspace_id, body.survey, "nps")
    new = New("api", body.score, body.feedback, {}, body.responded_at, body.external_id)
    found = await nps.record(tx, caller.workspace_id, body.user_id, body.survey, new, memory_of(state), now=now)
    return _shown(found)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Whose responses a list is about, as its address says."""

    user: str | None
    account: str | None
    organization: str | None
    survey: str | None
    group: Group | None
    since: datetime | None
    until: datetime | None


async def _narrowing(  # noqa: PLR0917 - one per parameter of the address
    user: Annotated[
        str | None, Query(min_length=1, max_length=800, description="Only of this user: an id of ours or your own.")
    ] = None,
    account: Annotated[
        str | None, Query(min_length=1, max_length=800, description="Only of users linked to this account.")
    ] = None,
    organization: Annotated[
        str | None, Query(min_length=1, max_length=800, description="Only of users of this organization.")
    ] = None,
    survey: SurveyQuery = None,
    group: Annotated[Group | None, Query(description="Only promoters, passives or detractors.")] = None,
    since: Annotated[Instant | None, Query(description="Only from this instant on.")] = None,
    until: Annotated[Instant | None, Query(description="Only before this instant.")] = None,
) -> Narrowing:
    return Narrowing(user, account, organization, survey, group, since, until)


@router.get(
    "/nps-responses",
    operation_id="listNpsResponses",
    responses=problems(UnknownUser, UnknownAccount, UnknownOrganization, *WHOSE, InvalidCursor),
)
async def list_nps_responses(
    caller: Reader, tx: Tx, paging: Paged, whose: Annotated[Narrowing, Depends(_narrowing)]
) -> NpsResponsePage:
    """Responses, the latest first."""
    asked = await _asked(tx, caller, whose)
    scope = f"nps-responses:{asked}"
    after = paging.after(scope)
    before = (after[0], after[1]) if after else None
    found = await nps.page(tx, caller.workspace_id, asked, before=before, limit=paging.fetch)
    rows, cursor = paging.cut(found, scope, lambda row: [row["at"], row["id"]])
    return page([_shown(row) for row in rows], cursor, NpsResponsePage)


async def _asked(tx: Tx, caller: Caller, whose: Narrowing) -> Asked:
    workspace_id = caller.workspace_id
    records: dict[str, Any] = {
        name: await find(tx, workspace_id, ref)
        for name, find, ref in (
            ("user", users.find, whose.user),
            ("account", accounts.find, whose.account),
            ("organization", organizations.find, whose.organization),
        )
        if ref is not None
    }
    survey = await nps.kind_of(tx, workspace_id, whose.survey, "nps")
    return Asked(survey=survey, kind="nps", group=whose.group, since=whose.since, until=whose.until, **records)


@router.get("/nps-responses/{response}", operation_id="getNpsResponse", responses=problems(UnknownResponse))
async def get_nps_response(response: ResponseRef, caller: Reader, tx: Tx) -> NpsResponseOut:
    """One response."""
    return _shown(await nps.show(tx, caller.workspace_id, ids.read("rsp", response), kind="nps"))


@router.patch(
    "/nps-responses/{response}",
    operation_id="updateNpsResponse",
    responses=problems(UnknownResponse, InvalidAnswer),
)
async def update_nps_response(
    response: ResponseRef, body: NpsResponsePatch, caller: Sender, tx: Tx, now: Now
) -> NpsResponseOut:
    """Put a response right."""
    return _shown(await nps.change(tx, caller.workspace_id, ids.read("rsp", response), body.changes(), now=now))


@router.delete(
    "/nps-responses/{response}",
    status_code=204,
    operation_id="deleteNpsResponse",
    responses=problems(UnknownResponse),
)
async def delete_nps_response(response: ResponseRef, caller: Sender, tx: Tx) -> None:
    """Delete a response for good; of its user the one before it counts again, if there is one."""
    found = await nps.show(tx, caller.workspace_id, ids.read("rsp", response), kind="nps")
    await nps.remove(tx, caller.workspace_id, found)


@router.get("/nps", operation_id="getNps", responses=problems(*WHOSE))
async def get_nps(caller: Reader, tx: Tx, now: Now, survey: SurveyQuery = None, months: MonthsQuery = 12) -> NpsOut:
    """The score of everybody you see, from each user's latest answer; and by month."""
    limits = Limits(await nps.kind_of(tx, caller.workspace_id, survey, "nps"), months=months)
    return figures(await nps_scores.of_everybody(tx, caller.workspace_id, limits, now=now))


@router.post(
    "/nps",
    operation_id="scoreNps",
    responses=problems(*WHOSE, UnknownView, BrokenView, InvalidFilter, NeedsMember),
)
async def score_nps(body: NpsIn, caller: Reader, tx: Tx, now: Now) -> NpsOut:
    """The score of the users a filter or a view is about, or of those of its accounts or organizations, each once."""
    asked = await views.merged(tx, caller, body.about(), body.view, body.asked(), body.given())
    survey = await nps.kind_of(tx, caller.workspace_id, body.survey, "nps")
    limits = Limits(survey, body.since, body.until, body.months)
    return figures(await nps_scores.of_report(tx, caller, body.about(), asked, limits, now=now))


@router.get("/accounts/{account}/nps", operation_id="getAccountNps", responses=problems(UnknownAccount, *WHOSE))
async def get_account_nps(
    account: Ref, caller: Reader, tx: Tx, now: Now, survey: SurveyQuery = None, months: MonthsQuery = 12
) -> NpsOut:
    """The score of the users linked to an account, of the answers as they are now; and by month."""
    limits = Limits(await nps.kind_of(tx, caller.workspace_id, survey, "nps"), months=months)
    found = await nps_scores.of_record(tx, caller.workspace_id, Subject.ACCOUNTS, account, limits, now=now)
    return figures(found)


@router.get(
    "/organizations/{organization}/nps",
    operation_id="getOrganizationNps",
    responses=problems(UnknownOrganization, *WHOSE),
)
async def get_organization_nps(
    organization: Ref, caller: Reader, tx: Tx, now: Now, survey: SurveyQuery = None, months: MonthsQuery = 12
) -> NpsOut:
    """The same of an organization: the users of its accounts and those linked to it directly, each once."""
    limits = Limits(await nps.kind_of(tx, caller.workspace_id, survey, "nps"), months=months)
    found = await nps_scores.of_record(tx, caller.workspace_id, Subject.ORGANIZATIONS, organization, limits, now=now)
    return figures(found)
