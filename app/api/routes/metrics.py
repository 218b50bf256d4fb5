"""Metrics: numbers worked out of events, users and facts for accounts and organizations."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, Query

from app.api.deps import Now, Paged, Reader, Ref, RuleMaker, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.metrics import (
    MetricDayOut,
    MetricHistoryOut,
    MetricIn,
    MetricOut,
    MetricPage,
    MetricPatch,
    MetricPreviewIn,
    MetricPreviewOut,
    RecordMetricOut,
    RecordMetricsOut,
    SubjectName,
    TriedRecord,
)
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.fields import Subject
from app.domain.metrics import InvalidExpression, MetricArchived, MetricExists, TooManyMetrics, UnknownMetric
from app.domain.metrics.words import said
from app.services import metering, metric_reads, metrics
from app.services.accounts import UnknownAccount
from app.services.measuring import TooManyMeasures
from app.services.metric_reads import PREFIXES, InvalidDays
from app.services.metrics import PATHS, Definition
from app.services.organizations import UnknownOrganization

router = Router("metrics")

LINKS = {
    name: {"operationId": name, "parameters": {"metric": "$response.body#/id"}}
    for name in ("getMetric", "updateMetric", "archiveMetric")
}
UNUSABLE = (InvalidExpression, MetricExists, TooManyMetrics, TooManyMeasures)
FirstDay = Annotated[
    date | None,
    Query(alias="from", ge=date(2000, 1, 1), le=date(2999, 12, 31), description="The first day, such as 2026-03-01."),
]
LastDay = Annotated[
    date | None,
    Query(alias="to", ge=date(2000, 1, 1), le=date(2999, 12, 31), description="The last day; left out: today."),
]


async def _days(first: FirstDay = None, last: LastDay = None) -> tuple[date | None, date | None]:
    return first, last


Days = Annotated[tuple[date | None, date | None], Depends(_days)]


def _equation(body: MetricIn | MetricPreviewIn) -> dict[str, Any]:
    return {"numerator": body.numerator, "denominator": body.denominator, "percent": body.percent}


def _shown(row: Mapping[str, Any]) -> MetricOut:
    known = metering.understood(row["equation"], Subject(row["subjects"][0]))
    more = {
        "formula": None if known is None else said(known),
        "facts": [path + row["slug"] for path in PATHS],
        "history_ready": row["told_version"] == row["version"],
    }
    return MetricOut.model_validate({**row, **row["equation"], **more}, extra="ignore")


@router.post(
    "/metrics",
    status_code=201,
    operation_id="createMetric",
    responses={**problems(*UNUSABLE), 201: {"description": "The metric.", "links": LINKS}},
)
async def create_metric(body: MetricIn, caller: RuleMaker, tx: Tx, now: Now) -> MetricOut:
    """Define a metric. It is worked out for every record in the background, for days before where that can be, and from
    then on whenever it may have changed."""
    subjects = [Subject(one) for one in body.subjects]
    new = Definition(body.name, subjects, _equation(body), body.slug, body.description, body.history_days)
    return _shown(await metrics.create(tx, caller.workspace_id, new, now=now))


@router.get("/metrics", operation_id="listMetrics", responses=problems(InvalidCursor))
async def list_metrics(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    subject: Annotated[SubjectName | None, Query(description="Only those of this subject.")] = None,
    archived: Annotated[bool, Query(description="Also list archived ones.")] = False,  # noqa: FBT002 - a query parameter
) -> MetricPage:
    """Metrics in the order they were made."""
    scope = f"metrics:{subject}:{archived}"
    after = paging.after(scope)
    wanted = None if subject is None else Subject(subject)
    start = after[0] if after else None
    found = await metrics.page(
        tx, caller.workspace_id, subject=wanted, after=start, limit=paging.fetch, archived=archived
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([_shown(row) for row in rows], cursor, MetricPage)


@router.post(
    "/metrics/preview",
    operation_id="previewMetric",
    responses=problems(InvalidExpression, UnknownAccount, UnknownOrganization),
)
async def preview_metric(body: MetricPreviewIn, caller: Reader, tx: Tx, now: Now) -> MetricPreviewOut:
    """What a metric would be for a few records. Nothing is stored."""
    subject = Subject(body.subject)
    found, complete = await metric_reads.preview(
        tx, caller.workspace_id, subject, _equation(body), body.records, now=now
    )
    data = [
        TriedRecord(
            id=ids.show(PREFIXES[subject], one.record_id),
            external_id=one.external_id,
            name=one.name,
            value=one.value,
            change=one.change,
        )
        for one in found
    ]
    return MetricPreviewOut(data=data, complete=complete)


@router.get("/metrics/{metric}", operation_id="getMetric", responses=problems(UnknownMetric))
async def get_metric(metric: Ref, caller: Reader, tx: Tx) -> MetricOut:
    """One metric by its slug; by its id, archived or not."""
    return _shown(await metrics.show(tx, caller.workspace_id, metric))


@router.patch(
    "/metrics/{metric}", operation_id="updateMetric", responses=problems(UnknownMetric, MetricArchived, *UNUSABLE)
)
async def update_metric(metric: Ref, body: MetricPatch, caller: RuleMaker, tx: Tx, now: Now) -> MetricOut:
    """Change a metric. What was seen of it stays as it was seen; what had been worked out later is worked out anew."""
    wanted = {name: getattr(body, name) for name in body.model_fields_set}
    return _shown(await metrics.change(tx, caller.workspace_id, metric, wanted, now=now))


@router.delete("/metrics/{metric}", status_code=204, operation_id="archiveMetric", responses=problems(UnknownMetric))
async def archive_metric(metric: Ref, caller: RuleMaker, tx: Tx, now: Now) -> None:
    """Retire a metric: records lose it, its history stays. Repeating it is harmless, by its id."""
    await metrics.archive(tx, caller.workspace_id, metric, now=now)


async def _of_record(tx: Tx, caller: Reader, subject: Subject, ref: str) -> RecordMetricsOut:
    found = await metric_reads.of_record(tx, caller.workspace_id, subject, ref)
    data = [
        RecordMetricOut.model_validate(
            {**row, "metric": row["id"], "percent": bool(row["equation"].get("percent"))}, extra="ignore", strict=False
        )
        for row in found
    ]
    return RecordMetricsOut(data=data)


async def _history(  # noqa: PLR0917 - what both routes are asked
    tx: Tx, caller: Reader, subject: Subject, ref: str, metric: str, days: Days, now: Now
) -> MetricHistoryOut:
    row, found = await metric_reads.history(tx, caller.workspace_id, subject, ref, metric, days=days, now=now)
    data = [
        MetricDayOut(
            day=one.day,
            value=one.value,
            version=one.version,
            source=None if one.version is None else "workedOut" if one.is_told else "seen",
        )
        for one in found
    ]
    return MetricHistoryOut(metric=row["id"], slug=row["slug"], name=row["name"], data=data)


@router.get("/accounts/{account}/metrics", operation_id="listAccountMetrics", responses=problems(UnknownAccount))
async def list_account_metrics(account: Ref, caller: Reader, tx: Tx) -> RecordMetricsOut:
    """Every metric of the account, with its change against the same number of days before."""
    return await _of_record(tx, caller, Subject.ACCOUNTS, account)


@router.get(
    "/organizations/{organization}/metrics",
    operation_id="listOrganizationMetrics",
    responses=problems(UnknownOrganization),
)
async def list_organization_metrics(organization: Ref, caller: Reader, tx: Tx) -> RecordMetricsOut:
    """Every metric of the organization: of its own events and those of its accounts, a user counted once."""
    return await _of_record(tx, caller, Subject.ORGANIZATIONS, organization)


@router.get(
    "/accounts/{account}/metrics/{metric}/history",
    operation_id="getAccountMetricHistory",
    responses=problems(UnknownAccount, UnknownMetric, InvalidDays),
)
async def get_account_metric_history(
    account: Ref, metric: Ref, caller: Reader, tx: Tx, days: Days, now: Now
) -> MetricHistoryOut:
    """What a metric of the account was, day by day: a value holds until the next one. By default the last 30 days."""
    return await _history(tx, caller, Subject.ACCOUNTS, account, metric, days, now)


@router.get(
    "/organizations/{organization}/metrics/{metric}/history",
    operation_id="getOrganizationMetricHistory",
    responses=problems(UnknownOrganization, UnknownMetric, InvalidDays),
)
async def get_organization_metric_history(
    organization: Ref, metric: Ref, caller: Reader, tx: Tx, days: Days, now: Now
) -> MetricHistoryOut:
    """What a metric of the organization was, day by day. By default the last 30 days."""
    return await _history(tx, caller, Subject.ORGANIZATIONS, organization, metric, days, now)
