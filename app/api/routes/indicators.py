"""Indicators: conditions you want to hear about."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Query

from app.api.deps import Now, Paged, Reader, Ref, RuleMaker, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.indicators import (
    Assignee,
    IndicatorIn,
    IndicatorOut,
    IndicatorPage,
    IndicatorPatch,
    MemberAssignee,
    PreviewIn,
    PreviewOut,
    SampledAccount,
)
from app.domain import ids
from app.domain import indicators as rules
from app.domain.cursors import InvalidCursor
from app.domain.filters import InvalidFilter, NeedsMember
from app.domain.indicators import EmptyFilter, IndicatorArchived, Role, TooManyIndicators, UnknownIndicator
from app.domain.roles import MemberDeactivated
from app.services import indicators
from app.services.indicators import Definition
from app.services.members import UnknownMember

router = Router("indicators")

ROLES: Final[Mapping[str, Role]] = {"csm": "csm", "accountExecutive": "account_executive"}
NAMES: Final = {stored: name for name, stored in ROLES.items()}
LINKS = {
    name: {"operationId": name, "parameters": {"indicator": "$response.body#/id"}}
    for name in ("getIndicator", "updateIndicator", "archiveIndicator")
}


def _assignee(given: Assignee | None) -> tuple[rules.Assignee, str | None]:
    if given is None:
        return rules.NOBODY, None
    if isinstance(given, MemberAssignee):
        return rules.Assignee("member"), ids.show("mem", given.member)
    return rules.Assignee(ROLES[given.role]), None


def _shown(row: Mapping[str, Any]) -> IndicatorOut:
    assignee: dict[str, Any] | None = None
    if row["assignee"] in NAMES:
        assignee = {"role": NAMES[row["assignee"]]}
    elif row["assignee_member_id"] is not None:
        assignee = {"member": row["assignee_member_id"]}
    return IndicatorOut.model_validate({**row, "assignee": assignee}, extra="ignore")


@router.post(
    "/indicators",
    status_code=201,
    operation_id="createIndicator",
    responses={
        **problems(InvalidFilter, NeedsMember, EmptyFilter, UnknownMember, MemberDeactivated, TooManyIndicators),
        201: {"description": "The indicator.", "links": LINKS},
    },
)
async def create_indicator(body: IndicatorIn, caller: RuleMaker, tx: Tx, now: Now) -> IndicatorOut:
    """Define an indicator. Every account is looked at in the background, and from then on whenever it may change."""
    assignee, member = _assignee(body.assignee)
    new = Definition(body.name, body.kind, body.filter, assignee, member, body.enabled)
    return _shown(await indicators.create(tx, caller.workspace_id, new, now=now))


@router.get("/indicators", operation_id="listIndicators", responses=problems(InvalidCursor))
async def list_indicators(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    archived: Annotated[bool, Query(description="Also list archived ones.")] = False,  # noqa: FBT002 - a query parameter
) -> IndicatorPage:
    """Indicators in the order they were made."""
    scope = f"indicators:{archived}"
    after = paging.after(scope)
    found = await indicators.page(
        tx, caller.workspace_id, after=after[0] if after else None, limit=paging.fetch, archived=archived
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([_shown(row) for row in rows], cursor, IndicatorPage)


@router.post(
    "/indicators/preview",
    operation_id="previewIndicator",
    responses=problems(InvalidFilter, NeedsMember, EmptyFilter),
)
async def preview_indicator(body: PreviewIn, caller: Reader, tx: Tx, now: Now) -> PreviewOut:
    """How many accounts a filter matches now, and ten of them. Nothing is stored."""
    found = await indicators.preview(tx, caller.workspace_id, body.filter, now=now)
    sample = [SampledAccount.model_validate(row) for row in found.sample]
    return PreviewOut(count=found.count.number, count_capped=found.count.capped, sample=sample)


@router.get("/indicators/{indicator}", operation_id="getIndicator", responses=problems(UnknownIndicator))
async def get_indicator(indicator: Ref, caller: Reader, tx: Tx) -> IndicatorOut:
    """One indicator, archived or not."""
    return _shown(await indicators.show(tx, caller.workspace_id, ids.read("ind", indicator)))


@router.patch(
    "/indicators/{indicator}",
    operation_id="updateIndicator",
    responses=problems(
        UnknownIndicator, InvalidFilter, NeedsMember, EmptyFilter, UnknownMember, MemberDeactivated, IndicatorArchived
    ),
)
async def update_indicator(indicator: Ref, body: IndicatorPatch, caller: RuleMaker, tx: Tx, now: Now) -> IndicatorOut:
    """Change an indicator. A new condition is applied to every account; alerts that still hold stay open."""
    wanted = {
        name: value for name in ("name", "kind", "filter", "enabled") if (value := getattr(body, name)) is not None
    }
    if "assignee" in body.model_fields_set:
        wanted["assignee"], wanted["member"] = _assignee(body.assignee)
    return _shown(await indicators.change(tx, caller.workspace_id, ids.read("ind", indicator), wanted, now=now))


@router.delete(
    "/indicators/{indicator}", status_code=204, operation_id="archiveIndicator", responses=problems(UnknownIndicator)
)
async def archive_indicator(indicator: Ref, caller: RuleMaker, tx: Tx, now: Now) -> None:
    """Retire an indicator: its open alerts are resolved, its history stays. Repeating it is harmless."""
    await indicators.archive(tx, caller.workspace_id, ids.read("ind", indicator), now=now)
