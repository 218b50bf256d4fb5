"""Everything the lifecycle rule looks at, fetched for many records at once; what it decides, written at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.lifecycle import STATUSES, Choice, Status
from app.domain.models import LifecycleRules, StatusChange, StatusChoice
from app.domain.traits import TraitMap


@dataclass(frozen=True, slots=True)
class Standing:
    """A record as the rule finds it: what is stored, what its traits say, its organization, and the choice by hand.

    `ended_at` is since when it is churned or deactivated, `end_said` what the churn-date trait says of that.
    """

    id: UUID
    external_id: str
    name: str | None
    created_at: datetime
    evaluated: bool
    status: Status
    source: str
    since: datetime | None
    unconverted: bool
    ended_at: datetime | None
    mrr: Decimal | None
    last_mrr: Decimal | None
    handed_down: Status | None
    trial_ends_at: datetime | None
    said: Status | None
    revenue: Decimal | None
    end_said: datetime | None
    organization: Status | None
    choice: Choice | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What is stored of a record from now on."""

    status: Status
    source: str
    since: datetime | None
    unconverted: bool
    ended_at: datetime | None
    mrr: Decimal | None
    handed_down: Status | None


@dataclass(frozen=True, slots=True)
class Change:
    """One line of status history about to be written."""

    record_id: UUID
    before: Status | None
    after: Status
    unconverted: bool
    source: str
    reason: str
    by: str | None = None


_FIRST: Final = (
    "(select {read} from unnest(cast(:{keys} as text[])) with ordinality as t (key, n) "
    "where {read} is not null order by n limit 1)"
)
_SAID: Final = (
    "(select lower(r.traits ->> key) from unnest(cast(:status_keys as text[])) with ordinality as t (key, n) "
    "where lower(r.traits ->> key) = any(cast(:statuses as text[])) order by n limit 1)"
)
_REVENUE: Final = _FIRST.format(read="steward_number(r.traits -> key)", keys="mrr_keys")
_END: Final = _FIRST.format(read="steward_instant(r.traits -> key)", keys="churn_keys")

_ACCOUNTS: Final = f"""
    f.status, f.status_source as source, f.status_since as since, f.unconverted, f.churned_at as ended_at, f.mrr,
    f.last_mrr, f.organization_status as handed_down, f.trial_ends_at, {_SAID} as said, {_REVENUE} as revenue,
    {_END} as end_said, o.status as organization
from accounts r
join account_facts f on f.workspace_id = :workspace and f.account_id = r.id
left join organization_facts o on o.workspace_id = :workspace and o.organization_id = f.organization_id
"""
_ORGANIZATIONS: Final = f"""
    coalesce(f.status, 'subscribed') as status, coalesce(f.status_source, 'default') as source,
    f.status_since as since, coalesce(f.unconverted, false) as unconverted, f.churned_at as ended_at, f.mrr,
    null::numeric as last_mrr, null as handed_down, f.trial_ends_at, {_SAID} as said, {_REVENUE} as revenue,
    {_END} as end_said, null as organization
from organizations r
left join organization_facts f on f.workspace_id = :workspace and f.organization_id = r.id
"""
_USERS: Final = """
    coalesce(f.status, 'active') as status, coalesce(f.status_source, 'default') as source, f.status_since as since,
    false as unconverted, f.deactivated_at as ended_at, null::numeric as mrr, null::numeric as last_mrr,
    null as handed_down, null::timestamptz as trial_ends_at, null as said, null::numeric as revenue,
    null::timestamptz as end_said, null as organization
from users r
left join user_facts f on f.workspace_id = :workspace and f.user_id = r.id
"""
_STANDINGS: Final = {
    subject: (
        "select r.id, r.external_id, r.name, r.created_at, f.evaluated_at is not null as evaluated, "
        "c.status as chosen, c.outcome, c.paid, "
        f"c.revenue as chosen_revenue, c.chosen_at, c.chosen_by, {found} "
        "left join status_choices c on c.workspace_id = :workspace and c.record_id = r.id "
        "where r.workspace_id = :workspace and r.id = any(cast(:records as uuid[])) order by r.id"
    )
    for subject, found in (
        (Subject.ACCOUNTS, _ACCOUNTS),
        (Subject.ORGANIZATIONS, _ORGANIZATIONS),
        (Subject.USERS, _USERS),
    )
}
_PLAIN: Final = (
    "id",
    "external_id",
    "name",
    "created_at",
    "evaluated",
    "source",
    "since",
    "unconverted",
    "ended_at",
    "mrr",
    "last_mrr",
    "trial_ends_at",
    "revenue",
    "end_said",
)
_COLUMNS: Final = (
    *_PLAIN,
    "status",
    "handed_down",
    "said",
    "organization",
    *("chosen", "outcome", "paid", "chosen_revenue", "chosen_at", "chosen_by"),
)
_EVERY: Final = {subject: text(query) for subject, query in _STANDINGS.items()}

# Records of which nothing is said, and that are stored as `domain/lifecycle` decides then: nobody has to look at them.
_DEFAULT: Final = (
    "s.chosen is null and s.said is null and s.status = '{status}' and s.source = {source} and s.since is not null "
    "and s.ended_at is null and not s.unconverted and s.handed_down is null "
    "and (s.organization is null or s.organization not in ('churned', 'ignored'))"
)
_PAYING: Final = "case when s.revenue is null then 'default' else 'rule' end"
_SUBSCRIBED: Final = _DEFAULT.format(status="subscribed", source=_PAYING)
_DEFAULTS: Final = {
    Subject.ACCOUNTS: f"{_SUBSCRIBED} and s.mrr is not distinct from s.revenue",
    Subject.ORGANIZATIONS: _SUBSCRIBED,
    Subject.USERS: _DEFAULT.format(status="active", source="'default'"),
}
_OTHERS: Final = {
    subject: text(
        f"select {', '.join(f's.{name}' for name in _COLUMNS)} from ({query}) s "  # noqa: S608 - constants
        f"where ({_DEFAULTS[subject]}) is not true order by s.id"
    )
    for subject, query in _STANDINGS.items()
}

_GIVEN: Final = """
from unnest(
    cast(:records as uuid[]), cast(:statuses as text[]), cast(:sources as text[]), cast(:sinces as timestamptz[]),
    cast(:unconverted as boolean[]), cast(:ends as timestamptz[]), cast(:mrrs as numeric[]),
    cast(:handed_down as text[])
) as t (id, status, source, since, unconverted, ended_at, mrr, handed_down)
where f.workspace_id = :workspace and f.{id} = t.id
"""
_DECIDED: Final = "status = t.status, status_source = t.source, status_since = t.since"
_SETTLE: Final = {
    subject: text(f"update {table} f set {columns}{_GIVEN.format(id=key)}")  # noqa: S608 - constants
    for subject, table, key, columns in (
        (
            Subject.ACCOUNTS,
            "account_facts",
            "account_id",
            (
                f"{_DECIDED}, unconverted = t.unconverted, churned_at = t.ended_at, mrr = t.mrr, "
                "organization_status = t.handed_down"
            ),
        ),
        (
            Subject.ORGANIZATIONS,
            "organization_facts",
            "organization_id",
            f"{_DECIDED}, unconverted = t.unconverted, churned_at = t.ended_at",
        ),
        (
            Subject.USERS,
            "user_facts",
            "user_id",
            f"{_DECIDED}, deactivated_at = t.ended_at",
        ),
    )
}


_TAKE_OVER: Final = text(
    """
update account_facts f set organization_status = d.handed_down
from (
    select x.account_id, case when o.status in ('churned', 'ignored') then o.status end as handed_down
    from account_facts x
    left join organization_facts o on o.workspace_id = :workspace and o.organization_id = x.organization_id
    where x.workspace_id = :workspace and x.account_id = any(cast(:records as uuid[]))
) d
where f.workspace_id = :workspace and f.account_id = d.account_id
    and f.organization_status is distinct from d.handed_down
"""
)


async def rules(db: Session, workspace_id: UUID, subject: Subject) -> Mapping[str, Any] | None:
    """The rules of a subject as they were written, with version and time; None while there are none."""
    query = select(
        LifecycleRules.rules, LifecycleRules.version, LifecycleRules.updated_at, LifecycleRules.updated_by
    ).where(LifecycleRules.workspace_id == workspace_id, LifecycleRules.subject == subject)
    found = (await db.execute(query)).mappings().one_or_none()
    return None if found is None else dict(found)


async def write_rules(
    db: Session, workspace_id: UUID, subject: Subject, written: Mapping[str, Any], *, by: str | None, now: datetime
) -> None:
    """Replace the rules of a subject; their version goes up by one."""
    values = {"rules": written, "updated_at": now, "updated_by": by}
    statement = upsert(LifecycleRules).values(workspace_id=workspace_id, subject=subject.value, **values)
    changed = {**values, "version": LifecycleRules.version + 1}
    await db.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "subject"], set_=changed))


async def standings(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    trait_map: TraitMap,
    *,
    but_plain: bool = False,
) -> list[Standing]:
    """What the rule needs to know of each record, by id.

    `but_plain`: without those that have the default status, as they would without any conditions.
    """
    asked: dict[str, Any] = {"workspace": workspace_id, "records": list(record_ids)}
    if subject is not Subject.USERS:
        asked |= {
            "status_keys": list(trait_map.status),
            "statuses": [status.value for status in STATUSES[subject]],
            "mrr_keys": list(trait_map.mrr),
            "churn_keys": list(trait_map.churn),
        }
    query = _OTHERS if but_plain else _EVERY
    return [_standing(row) for row in rows(await db.execute(query[subject], asked))]


def _standing(row: Mapping[str, Any]) -> Standing:
    return Standing(
        **{name: row[name] for name in _PLAIN},
        status=Status(row["status"]),
        handed_down=_status(row["handed_down"]),
        said=_status(row["said"]),
        organization=_status(row["organization"]),
        choice=_choice(row),
    )


def _status(value: str | None) -> Status | None:
    return None if value is None else Status(value)


def _choice(row: Mapping[str, Any]) -> Choice | None:
    if row["chosen"] is None:
        return None
    return Choice(
        status=Status(row["chosen"]),
        outcome=Status(row["outcome"]),
        at=row["chosen_at"],
        paid=row["paid"],
        revenue=row["chosen_revenue"],
        by=row["chosen_by"],
    )


async def settle(db: Session, workspace_id: UUID, subject: Subject, settled: Mapping[UUID, Settled]) -> None:
    """Write what the rule decided of these records, whose facts the caller holds locked."""
    if not settled:
        return
    ordered = list(settled.values())
    await db.execute(
        _SETTLE[subject],
        {
            "workspace": workspace_id,
            "records": list(settled),
            "statuses": [one.status.value for one in ordered],
            "sources": [one.source for one in ordered],
            "sinces": [one.since for one in ordered],
            "unconverted": [one.unconverted for one in ordered],
            "ends": [one.ended_at for one in ordered],
            "mrrs": [one.mrr for one in ordered],
            "handed_down": [one.handed_down for one in ordered],
        },
    )


async def take_over(db: Session, workspace_id: UUID, accounts: Sequence[UUID]) -> None:
    """Note what the organizations of these accounts hand down, though nothing follows of it.

    An account that did not would look as if it had not heard yet, and be evaluated again for ever.
    """
    await db.execute(_TAKE_OVER, {"workspace": workspace_id, "records": list(accounts)})


async def record(
    db: Session, workspace_id: UUID, subject: Subject, changes: Sequence[Change], *, now: datetime
) -> None:
    """Write lines of status history."""
    lines = [
        {
            "workspace_id": workspace_id,
            "subject": subject.value,
            "record_id": change.record_id,
            "changed_at": now,
            "from_status": change.before,
            "to_status": change.after,
            "unconverted": change.unconverted,
            "source": change.source,
            "reason": change.reason,
            "changed_by": change.by,
        }
        for change in changes
    ]
    if lines:
        await db.execute(insert(StatusChange), lines)


async def history(
    db: Session, workspace_id: UUID, record_id: UUID, *, before: int | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Changes of a record's status, the newest first."""
    query = (
        select(*StatusChange.__table__.columns)
        .where(StatusChange.workspace_id == workspace_id, StatusChange.record_id == record_id)
        .order_by(StatusChange.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(StatusChange.id < before)
    return rows(await db.execute(query))


async def choose(db: Session, workspace_id: UUID, subject: Subject, choices: Mapping[UUID, Choice]) -> None:
    """Store a choice for each of these records; it replaces the one before."""
    lines = [
        {
            "workspace_id": workspace_id,
            "subject": subject.value,
            "record_id": record_id,
            "status": choices[record_id].status.value,
            "outcome": choices[record_id].outcome.value,
            "paid": choices[record_id].paid,
            "revenue": choices[record_id].revenue,
            "chosen_at": choices[record_id].at,
            "chosen_by": choices[record_id].by,
        }
        for record_id in sorted(choices)
    ]
    if lines:
        statement = upsert(StatusChoice).values(lines)
        new = {name: statement.excluded[name] for name in lines[0] if name not in ("workspace_id", "record_id")}
        await db.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "record_id"], set_=new))


async def drop_choices(db: Session, workspace_id: UUID, record_ids: Collection[UUID]) -> None:
    """Forget the choices made for these records."""
    if record_ids:
        await db.execute(
            delete(StatusChoice).where(
                StatusChoice.workspace_id == workspace_id, StatusChoice.record_id.in_(sorted(record_ids))
            )
        )
