"""Scores of accounts, organizations, users and any set of them, from each user's latest answer, in whole sets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from app.db import facts, reports
from app.db.base import Session, rows
from app.db.responses import SPANS, users_of_account, users_of_organization
from app.domain.fields import Subject
from app.domain.models import AccountParent, Affiliation, Membership, SurveyResponse
from app.domain.nps import PASSIVE_FROM, PROMOTER_FROM, Group, Move
from app.domain.reports import Report

_RESPONSES: Final = cast("Table", SurveyResponse.__table__)

_ANY: Final = text("select exists(select from survey_responses where workspace_id = :workspace and score is not null)")
_FIGURES: Final = "(f.nps, f.nps_responses, f.nps_promoters, f.nps_passives, f.nps_detractors, f.nps_last_at)"

# One probe of an index per user; a user who belongs to something twice is there once.
_REFRESH: Final = """
update {table} f set
    nps = d.nps, nps_responses = d.responses, nps_promoters = d.promoters, nps_passives = d.passives,
    nps_detractors = d.detractors, nps_last_at = d.last_at
from (
    select t.id, count(a.score) as responses,
        count(*) filter (where a.score >= {promoter}) as promoters,
        count(*) filter (where a.score >= {passive} and a.score < {promoter}) as passives,
        count(*) filter (where a.score < {passive}) as detractors,
        max(a.responded_at) as last_at,
        trim_scale(round(
            100.0 * (count(*) filter (where a.score >= {promoter}) - count(*) filter (where a.score < {passive}))
            / nullif(count(a.score), 0), 2)) as nps
    from unnest(cast(:records as uuid[])) as t (id)
    left join lateral (
        select n.score, n.responded_at
        from ({people}) p
        cross join lateral (
            select r.score, r.responded_at from survey_responses r
            where r.workspace_id = :workspace and r.user_id = p.user_id and r.score is not null
            order by r.responded_at desc, r.id desc
            limit 1
        ) n
    ) a on true
    group by t.id
) d
where f.workspace_id = :workspace and f.{id} = d.id
    and {figures} is distinct from (d.nps, d.responses, d.promoters, d.passives, d.detractors, d.last_at)
"""
_CLEAR: Final = """
update {table} f set
    nps = null, nps_responses = 0, nps_promoters = 0, nps_passives = 0, nps_detractors = 0, nps_last_at = null
where f.workspace_id = :workspace and f.{id} = any(cast(:records as uuid[]))
    and {figures} is distinct from (null::numeric, 0::bigint, 0::bigint, 0::bigint, 0::bigint, null::timestamptz)
"""
_OF_ACCOUNT: Final = """
            select m.user_id from memberships m
            where m.workspace_id = :workspace and m.account_id = t.id and m.linked"""
_OF_ORGANIZATION: Final = """
            select m.user_id from account_parents c
            join memberships m on m.workspace_id = :workspace and m.account_id = c.account_id and m.linked
            where c.workspace_id = :workspace and c.organization_id = t.id
            union
            select b.user_id from affiliations b where b.workspace_id = :workspace and b.organization_id = t.id"""
_TABLES: Final[Mapping[Subject, tuple[str, str, str]]] = {
    Subject.ACCOUNTS: ("account_facts", "account_id", _OF_ACCOUNT),
    Subject.ORGANIZATIONS: ("organization_facts", "organization_id", _OF_ORGANIZATION),
}


def _statement(template: str, subject: Subject) -> Any:
    table, id_, people = _TABLES[subject]
    named = {"table": table, "id": id_, "people": people, "figures": _FIGURES}
    return text(template.format(**named, promoter=PROMOTER_FROM, passive=PASSIVE_FROM))


_REFRESHES: Final = {subject: _statement(_REFRESH, subject) for subject in _TABLES}
_CLEARS: Final = {subject: _statement(_CLEAR, subject) for subject in _TABLES}

_REFRESH_USERS: Final = text(
    f"""
update user_facts f set nps_score = d.score, nps_group = d.nps_group, nps_responded_at = d.responded_at
from (
    select t.id, a.score, a.responded_at,
        case when a.score >= {PROMOTER_FROM} then '{Group.PROMOTER}'
            when a.score >= {PASSIVE_FROM} then '{Group.PASSIVE}'
            when a.score is not null then '{Group.DETRACTOR}' end as nps_group
    from unnest(cast(:records as uuid[])) as t (id)
    left join lateral (
        select r.score, r.responded_at from survey_responses r
        where r.workspace_id = :workspace and r.user_id = t.id and r.score is not null
        order by r.responded_at desc, r.id desc
        limit 1
    ) a on true
) d
where f.workspace_id = :workspace and f.user_id = d.id
    and (f.nps_score, f.nps_responded_at) is distinct from (d.score::numeric, d.responded_at)
"""  # noqa: S608 - put together from constants
)


async def refresh(db: Session, workspace_id: UUID, subject: Subject, records: Sequence[UUID]) -> None:
    """Bring the scores of these accounts or organizations up to date, or what these users answered last."""
    asked = {"workspace": workspace_id, "records": list(records)}
    if subject is Subject.USERS:
        await db.execute(_REFRESH_USERS, asked)
        return
    answered = await db.scalar(_ANY, {"workspace": workspace_id})
    await db.execute((_REFRESHES if answered else _CLEARS)[subject], asked)


def people(workspace_id: UUID, report: Report, now: datetime) -> Any:
    """The users a report is about: its own, or those of its accounts or organizations, each once."""
    kept = reports.matching(workspace_id, report, now, (), facts.GROUNDS[report.subject].id.label("id")).subquery(
        "kept"
    )
    if report.subject is Subject.USERS:
        return select(kept.c.id)
    linked = select(Membership.user_id).where(Membership.workspace_id == workspace_id, Membership.linked)
    if report.subject is Subject.ACCOUNTS:
        return linked.where(Membership.account_id.in_(select(kept.c.id)))
    children = select(AccountParent.account_id).where(
        AccountParent.workspace_id == workspace_id, AccountParent.organization_id.in_(select(kept.c.id))
    )
    directly = select(Affiliation.user_id).where(
        Affiliation.workspace_id == workspace_id, Affiliation.organization_id.in_(select(kept.c.id))
    )
    return linked.where(Membership.account_id.in_(children)).union(directly)


def people_of(workspace_id: UUID, subject: Subject, record_id: UUID) -> Any:
    """The users of one account or organization."""
    of = users_of_account if subject is Subject.ACCOUNTS else users_of_organization
    return of(workspace_id, record_id)


def _answers(workspace_id: UUID, whose: Any, survey: UUID | None, *columns: Any) -> Select[Any]:
    query = select(*columns).where(_RESPONSES.c.workspace_id == workspace_id, _RESPONSES.c.score.is_not(None))
    if survey is not None:
        query = query.where(_RESPONSES.c.survey_id == survey)
    return query if whose is None else query.where(_RESPONSES.c.user_id.in_(whose))


def _count(column: ColumnElement[Any], group: Group) -> ColumnElement[int]:
    return func.count().filter(column.between(*SPANS[group]))


async def tally(
    db: Session,
    workspace_id: UUID,
    whose: Any,
    *,
    survey: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Mapping[str, Any]:
    """How many promoters, passives and detractors there are among some users (None: all), and when the last answered.

    Of each user the latest answer counts: of all, or of those from `since` and before `until`.
    """
    column = _RESPONSES.c
    query = _answers(workspace_id, whose, survey, column.score, column.responded_at)
    if since is not None:
        query = query.where(column.responded_at >= since)
    if until is not None:
        query = query.where(column.responded_at < until)
    latest = (
        query.ext(distinct_on(column.user_id))
        .order_by(column.user_id.desc(), column.responded_at.desc(), column.id.desc())
        .subquery("latest")
    )
    counts = [_count(latest.c.score, group).label(f"{group}s") for group in Group]
    found = rows(await db.execute(select(*counts, func.max(latest.c.responded_at).label("last_at"))))
    return found[0]


async def months(db: Session, workspace_id: UUID, whose: Any, *, survey: UUID | None = None) -> Sequence[Move]:
    """By UTC month in which anybody answered, the oldest first: promoters, passives and detractors by each user's last
    answer in it; and how many of each group were what these users had been before."""
    column = _RESPONSES.c
    month = func.date_trunc("month", func.timezone("UTC", column.responded_at)).label("month")
    last = (
        _answers(workspace_id, whose, survey, column.user_id, column.score, month)
        .ext(distinct_on(column.user_id, month))
        .order_by(column.user_id.desc(), month.desc(), column.responded_at.desc(), column.id.desc())
        .subquery("last")
    )
    before = func.lag(last.c.score).over(partition_by=last.c.user_id, order_by=last.c.month).label("before")
    moved = select(last.c.month, last.c.score, before).subquery("moved")
    order = (Group.PROMOTER, Group.PASSIVE, Group.DETRACTOR)
    now = [_count(moved.c.score, group) for group in order]
    then = [_count(moved.c.before, group) for group in order]
    query = select(func.date(moved.c.month), *now, *then).group_by(moved.c.month).order_by(moved.c.month)
    return [(row[0], tuple(row[1:4]), tuple(row[4:7])) for row in await db.execute(query)]


async def latest(db: Session, workspace_id: UUID, whose: Any, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """The latest answers of some users, one of each, the newest first."""
    column = _RESPONSES.c
    each = (
        _answers(workspace_id, whose, None, column.user_id, column.score, column.responded_at, column.id)
        .ext(distinct_on(column.user_id))
        .order_by(column.user_id.desc(), column.responded_at.desc(), column.id.desc())
        .subquery("each")
    )
    return rows(await db.execute(select(each).order_by(each.c.responded_at.desc(), each.c.id.desc()).limit(limit)))
