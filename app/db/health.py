"""What health scores came to: read and written for many records at once, and kept day by day."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text

from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.models import HealthDay

FACTS: Final = {
    Subject.ACCOUNTS: ("account_facts", "account_id"),
    Subject.ORGANIZATIONS: ("organization_facts", "organization_id"),
}

# By key for each record, whatever the planner believes of how many days there are.
_STANDINGS: Final = {
    subject: text(
        f"""
select f.{key} as id, f.segments, f.health, f.health_label, f.health_scores, f.health_labels, d.digest
from {table} f
left join lateral (
    select h.digest from health_days h
    where h.workspace_id = :workspace and h.record_id = f.{key} order by h.day desc limit 1
) d on true
where f.workspace_id = :workspace and f.{key} = any(cast(:records as uuid[]))
"""  # noqa: S608 - constants
    )
    for subject, (table, key) in FACTS.items()
}
_WRITE: Final = {
    subject: text(
        f"""
update {table} f set
    health = t.health, health_label = t.label, health_scores = t.scores::jsonb, health_labels = t.labels::jsonb
from unnest(
    cast(:records as uuid[]), cast(:healths as numeric[]), cast(:labels as text[]),
    cast(:scores as text[]), cast(:score_labels as text[])
) as t (id, health, label, scores, labels)
where f.workspace_id = :workspace and f.{key} = t.id
"""  # noqa: S608 - constants
    )
    for subject, (table, key) in FACTS.items()
}
# Who waited for a lock past midnight comes with the time of before: theirs is the latest word nevertheless.
_KEEP: Final = text(
    """
insert into health_days (
    workspace_id, record_id, day, subject, at, health, health_label, scores, inputs, digest
)
select :workspace, t.id,
    greatest(cast(:day as date), (
        select h.day from health_days h
        where h.workspace_id = :workspace and h.record_id = t.id order by h.day desc limit 1
    )),
    :subject, :at, t.health, t.label, t.scores::jsonb, t.inputs::jsonb, t.digest
from unnest(
    cast(:records as uuid[]), cast(:healths as numeric[]), cast(:labels as text[]),
    cast(:scores as text[]), cast(:inputs as text[]), cast(:digests as text[])
) as t (id, health, label, scores, inputs, digest)
order by t.id
on conflict (workspace_id, record_id, day) do update set
    at = excluded.at, health = excluded.health, health_label = excluded.health_label,
    scores = excluded.scores, inputs = excluded.inputs, digest = excluded.digest
"""
)
# The day before the first of the series says what the first one begins with.
_SERIES: Final = text(
    """
select days.day::date as day, h.health, h.health_label, h.scores
from generate_series(cast(:first as date), cast(:last as date), interval '1 day') as days (day)
left join lateral (
    select k.health, k.health_label, k.scores from health_days k
    where k.workspace_id = :workspace and k.record_id = :record and k.day <= days.day::date
    order by k.day desc limit 1
) h on true
order by 1
"""
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The segments a record is in, and its health as it is stored; `digest` is that of the last day kept."""

    id: UUID
    segments: frozenset[UUID]
    health: Decimal | None
    label: str | None
    scores: Mapping[str, float]
    labels: Mapping[str, str]
    digest: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """The health of a record as it is to be stored: overall, and by the slugs of scores."""

    health: Decimal | None
    label: str | None
    scores: Mapping[str, float]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Day:
    """A line of history: what is kept of the last change of a day."""

    record_id: UUID
    health: Decimal | None
    label: str | None
    scores: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    digest: str


async def standings(db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID]) -> list[Standing]:
    """What is stored of the health of these records, and what it depends on beside facts."""
    asked = {"workspace": workspace_id, "records": list(record_ids)}
    return [
        Standing(
            id=row["id"],
            segments=frozenset(row["segments"]),
            health=row["health"],
            label=row["health_label"],
            scores=row["health_scores"],
            labels=row["health_labels"],
            digest=row["digest"],
        )
        for row in rows(await db.execute(_STANDINGS[subject], asked))
    ]


async def write(db: Session, workspace_id: UUID, subject: Subject, found: Mapping[UUID, Written]) -> None:
    """Store the health of these records, whose facts the caller holds locked."""
    if not found:
        return
    ordered = list(found.values())
    await db.execute(
        _WRITE[subject],
        {
            "workspace": workspace_id,
            "records": list(found),
            "healths": [one.health for one in ordered],
            "labels": [one.label for one in ordered],
            "scores": [_json(one.scores) for one in ordered],
            "score_labels": [_json(one.labels) for one in ordered],
        },
    )


async def keep(db: Session, workspace_id: UUID, subject: Subject, days: Sequence[Day], *, now: datetime) -> None:
    """Write the history of today, over what was kept of it before."""
    if not days:
        return
    await db.execute(
        _KEEP,
        {
            "workspace": workspace_id,
            "subject": subject.value,
            "day": now.astimezone(UTC).date(),
            "at": now,
            "records": [one.record_id for one in days],
            "healths": [one.health for one in days],
            "labels": [one.label for one in days],
            "scores": [_json(one.scores) for one in days],
            "inputs": [_json(one.inputs) for one in days],
            "digests": [one.digest for one in days],
        },
    )


async def history(
    db: Session, workspace_id: UUID, record_id: UUID, *, before: date | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The days on which something about a record's health changed, the newest first."""
    table = HealthDay.__table__
    query = select(*table.c).where(table.c.workspace_id == workspace_id, table.c.record_id == record_id)
    if before is not None:
        query = query.where(table.c.day < before)
    return rows(await db.execute(query.order_by(table.c.day.desc()).limit(limit)))


async def series(
    db: Session, workspace_id: UUID, record_id: UUID, *, first: date, last: date
) -> Sequence[Mapping[str, Any]]:
    """The health of a record at the end of each of these days; nothing before its history begins."""
    asked = {"workspace": workspace_id, "record": record_id, "first": first, "last": last}
    return rows(await db.execute(_SERIES, asked))


def _json(value: Any) -> str:
    """As PostgreSQL reads it; numbers keep all their digits."""
    return json.dumps(value, default=_number)


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
