"""The health of accounts and organizations: every point of it, and how it moved."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from app.api.deps import Now, Paged, Reader, Ref, Tx
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.health import HealthBreakdownOut, HealthDayOut, HealthDayPage, HealthPoint, HealthTrendOut
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.fields import Subject
from app.domain.health import State, label
from app.domain.keys import Caller
from app.services import accounts, health_history, health_reasons, organizations
from app.services.accounts import UnknownAccount
from app.services.health_reasons import Breakdown, Entry, Line
from app.services.organizations import UnknownOrganization

router = Router("health scores")

Score = Annotated[str | None, Query(max_length=40, description="The slug of one score; left out: the overall health.")]
Days = Annotated[int, Query(ge=1, le=400, description="How many days, today included.")]


def _explained(found: Breakdown) -> HealthBreakdownOut:
    return HealthBreakdownOut.model_validate(
        {
            "data": [_entry(one) for one in found.entries],
            "health_score": found.health,
            "health_label": _label(found.health),
            "calculated_at": found.at,
            "evaluated": {"score": found.evaluated, "label": _label(found.evaluated)},
        }
    )


def _entry(entry: Entry) -> dict[str, Any]:
    result = entry.result
    segment_id = result.part.segment_id
    return {
        "id": result.score.id,
        "name": result.score.name,
        "slug": result.score.slug,
        "version": result.score.version,
        "score": result.value,
        "label": _label(result.value),
        "segment": None if segment_id is None else ids.show("seg", segment_id),
        "weight": result.part.weight,
        "share": entry.share,
        "effective_share": entry.effective,
        "conditions": [_line(one) for one in entry.lines],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "name": line.condition.name,
        "seen": [{"field": one.field, "label": one.label, "value": one.saw} for one in line.seen],
        "state": None if line.state is None else line.state.value,
        "points": line.points,
        "filter": None if line.state is None else line.texts[line.state],
        "filters": {one.value: line.texts.get(one) for one in State},
        "share": line.share,
        "effective_share": line.effective,
    }


def _label(score: Decimal | None) -> str | None:
    name = label(score)
    return None if name is None else name.value


async def _history(tx: Tx, caller: Caller, record_id: UUID, paging: Paging) -> HealthDayPage:
    scope = f"health_days:{record_id}"
    after = paging.after(scope)
    before = datetime.fromisoformat(after[0]).date() if after else None
    found = await health_history.page(
        tx, caller.workspace_id, record_id, before=before, limit=paging.fetch, sees_all=caller.sees_all
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["day"].isoformat()])
    return page([_day(row) for row in rows], cursor, HealthDayPage)


def _day(row: Mapping[str, Any]) -> HealthDayOut:
    scores = [{"slug": slug, **said} for slug, said in row["scores"].items()]
    shown = {"day": row["day"], "at": row["at"], "score": row["health"], "label": row["health_label"]}
    return HealthDayOut.model_validate({**shown, "scores": scores, "inputs": row["inputs"]}, strict=False)


async def _trend(tx: Tx, workspace_id: UUID, record_id: UUID, score: str | None, days: int, now: Now) -> HealthTrendOut:
    found = await health_history.trend(tx, workspace_id, record_id, score=score, days=days, now=now)
    return HealthTrendOut(data=[HealthPoint.model_validate(one, strict=False) for one in found])


@router.get("/accounts/{account}/health-scores", operation_id="getAccountHealth", responses=problems(UnknownAccount))
async def get_account_health(account: Ref, caller: Reader, tx: Tx, now: Now) -> HealthBreakdownOut:
    """The health of an account, point by point: what each condition sees, which filter holds, what it counts."""
    account_id = await accounts.find(tx, caller.workspace_id, account)
    return _explained(await health_reasons.explain(tx, caller.workspace_id, Subject.ACCOUNTS, account_id, now=now))


@router.get(
    "/accounts/{account}/health-history",
    operation_id="listAccountHealthDays",
    responses=problems(UnknownAccount, InvalidCursor),
)
async def list_account_health_days(account: Ref, caller: Reader, tx: Tx, paging: Paged) -> HealthDayPage:
    """The days on which something about an account's health changed, the newest first, with what was seen."""
    return await _history(tx, caller, await accounts.find(tx, caller.workspace_id, account), paging)


@router.get(
    "/accounts/{account}/health-trend", operation_id="getAccountHealthTrend", responses=problems(UnknownAccount)
)
async def get_account_health_trend(
    account: Ref, caller: Reader, tx: Tx, now: Now, score: Score = None, days: Days = 30
) -> HealthTrendOut:
    """The health of an account, or one score of it, at the end of each of the last days."""
    account_id = await accounts.find(tx, caller.workspace_id, account)
    return await _trend(tx, caller.workspace_id, account_id, score, days, now)


@router.get(
    "/organizations/{organization}/health-scores",
    operation_id="getOrganizationHealth",
    responses=problems(UnknownOrganization),
)
async def get_organization_health(organization: Ref, caller: Reader, tx: Tx, now: Now) -> HealthBreakdownOut:
    """The health of an organization, point by point."""
    found = await organizations.find(tx, caller.workspace_id, organization)
    return _explained(await health_reasons.explain(tx, caller.workspace_id, Subject.ORGANIZATIONS, found, now=now))


@router.get(
    "/organizations/{organization}/health-history",
    operation_id="listOrganizationHealthDays",
    responses=problems(UnknownOrganization, InvalidCursor),
)
async def list_organization_health_days(organization: Ref, caller: Reader, tx: Tx, paging: Paged) -> HealthDayPage:
    """The days on which something about an organization's health changed, the newest first."""
    found = await organizations.find(tx, caller.workspace_id, organization)
    return await _history(tx, caller, found, paging)


@router.get(
    "/organizations/{organization}/health-trend",
    operation_id="getOrganizationHealthTrend",
    responses=problems(UnknownOrganization),
)
async def get_organization_health_trend(
    organization: Ref, caller: Reader, tx: Tx, now: Now, score: Score = None, days: Days = 30
) -> HealthTrendOut:
    """The health of an organization, or one score of it, at the end of each of the last days."""
    found = await organizations.find(tx, caller.workspace_id, organization)
    return await _trend(tx, caller.workspace_id, found, score, days, now)
