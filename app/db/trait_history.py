"""What was said of traits over time: reading it, and making it shorter where that loses nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.domain.fields import Subject
from app.domain.messages import tick

THIN_AFTER: Final = timedelta(days=1)
THIN_WITHIN: Final = timedelta(days=3)
"""When a line is looked at to be thinned: a day after it came in, for two days, so that a sweep may be missed."""

_RECORD: Final = {
    subject: text(
        f"select id, external_id, traits, trait_stamps from {subject.value} "  # noqa: S608 - a constant
        "where workspace_id = :workspace and id = :record"
    )
    for subject in Subject
}
_THEN: Final = {
    subject: text(
        f"""
select r.id, r.external_id, coalesce((
    select jsonb_object_agg(k.key, v.value)
    from jsonb_object_keys(r.trait_stamps) as k (key)
    cross join lateral (
        select steward_trait_before(r.workspace_id, r.id, r.traits, r.trait_stamps, k.key, :before) as value
    ) v
    where v.value is not null
), '{{}}') as traits
from {subject.value} r
where r.workspace_id = :workspace and r.id = :record
"""  # noqa: S608 - a constant
    )
    for subject in Subject
}
_LINES: Final = text(
    """
select stamp, nullif(patch -> :key, 'null') as value, source
from trait_history
where workspace_id = :workspace and record_id = :record and patch ? :key
    and (cast(:below as numeric) is null or stamp < :below)
order by stamp desc
limit :limit
"""
)
_SINCE: Final = text(
    """
select min(h.stamp) from trait_history h
where h.workspace_id = :workspace and h.record_id = :record and h.patch ? :key and h.stamp > coalesce((
    select max(o.stamp) from trait_history o
    where o.workspace_id = :workspace and o.record_id = :record and o.patch ? :key
        and o.patch -> :key is distinct from cast(:value as jsonb)), 0)
"""
)
_SOURCE: Final = text(
    """
select source from trait_history
where workspace_id = :workspace and record_id = :record and patch ? :key order by stamp desc limit 1
"""
)
_READINGS: Final = """
select k.key, nullif(a.traits -> k.key, 'null') as value, a.trait_stamps ->> k.key as stamp, case cast(:kind as text)
    when 'number' then steward_number(a.traits -> k.key) is not null
    when 'date' then steward_instant(a.traits -> k.key) is not null
    else jsonb_typeof(a.traits -> k.key) in ('string', 'number') and btrim(a.traits ->> k.key) <> ''
    end is true as usable
from {records} a
cross join unnest(cast(:keys as text[])) with ordinality as k (key, n)
where a.workspace_id = :workspace and a.id = :record
order by k.n
"""

# A trait of a line is dropped when what comes before and after says the same, or when all of it is too old to be asked
# for and something newer, which is too old as well, says what it was when the time that can be asked for begins.
_SWEEP: Final = text(
    """
with lines as materialized (
    select h.workspace_id, h.record_id, h.stamp, h.patch, h.received_at from trait_history h
    where h.ctid >= cast(cast(:first as text) as tid) and h.ctid < cast(cast(:beyond as text) as tid)
        and (h.received_at between :since and :until or h.stamp < :oldest)
),
spare as (
    select l.workspace_id, l.record_id, l.stamp, array_agg(t.key) as keys
    from lines l
    cross join lateral jsonb_each(l.patch) as t (key, value)
    cross join lateral (
        select n.stamp, n.patch -> t.key as value from trait_history n
        where n.workspace_id = l.workspace_id and n.record_id = l.record_id and n.stamp > l.stamp and n.patch ? t.key
        order by n.stamp limit 1
    ) later
    left join lateral (
        select p.patch -> t.key as value from trait_history p
        where p.workspace_id = l.workspace_id and p.record_id = l.record_id and p.stamp < l.stamp and p.patch ? t.key
        order by p.stamp desc limit 1
    ) earlier on true
    where later.stamp < :oldest
        or (later.value = t.value and earlier.value = t.value and l.received_at between :since and :until)
    group by l.workspace_id, l.record_id, l.stamp
),
gone as (
    delete from trait_history h using spare s
    where h.workspace_id = s.workspace_id and h.record_id = s.record_id and h.stamp = s.stamp
        and h.patch - s.keys = '{}'
    returning 1
),
shorter as (
    update trait_history h set patch = h.patch - s.keys from spare s
    where h.workspace_id = s.workspace_id and h.record_id = s.record_id and h.stamp = s.stamp
        and h.patch - s.keys <> '{}'
    returning 1
)
select (select count(*) from gone) + (select count(*) from shorter)
"""
)
_FORGET: Final = text(
    "delete from trait_history "
    "where ctid >= cast(cast(:first as text) as tid) and ctid < cast(cast(:beyond as text) as tid)"
)
_PAGES: Final = text("select pg_relation_size('trait_history') / current_setting('block_size')::int")


def before(at: datetime) -> Decimal:
    """The first stamp that is later than an instant."""
    return Decimal(tick(at) + (1 << 32))


async def record(db: Session, workspace_id: UUID, subject: Subject, record_id: UUID) -> Mapping[str, Any] | None:
    """A record's names, traits and their stamps."""
    found = await db.execute(_RECORD[subject], {"workspace": workspace_id, "record": record_id})
    return next(iter(rows(found)), None)


async def then(
    db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, at: datetime
) -> Mapping[str, Any] | None:
    """A record's names, and its traits as they were at an instant."""
    asked = {"workspace": workspace_id, "record": record_id, "before": before(at)}
    return next(iter(rows(await db.execute(_THEN[subject], asked))), None)


async def lines(
    db: Session, workspace_id: UUID, record_id: UUID, key: str, *, below: Decimal | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """What was said of one trait, the latest first."""
    asked = {"workspace": workspace_id, "record": record_id, "key": key, "below": below, "limit": limit}
    return rows(await db.execute(_LINES, asked))


async def since(db: Session, workspace_id: UUID, record_id: UUID, key: str, value: str) -> Decimal | None:
    """The stamp from which on a trait has had this value (as JSON) without a break, as far as history goes back."""
    asked = {"workspace": workspace_id, "record": record_id, "key": key, "value": value}
    found: Decimal | None = await db.scalar(_SINCE, asked)
    return found


async def source(db: Session, workspace_id: UUID, record_id: UUID, key: str) -> str | None:
    """Where the newest line about a trait came from."""
    asked = {"workspace": workspace_id, "record": record_id, "key": key}
    found: str | None = await db.scalar(_SOURCE, asked)
    return found


async def readings(
    db: Session,
    workspace_id: UUID,
    record_id: UUID,
    keys: Sequence[str],
    kind: str,
    *,
    subject: Subject = Subject.ACCOUNTS,
) -> Sequence[Mapping[str, Any]]:
    """These traits of a record, and whether each can be read as a `number`, a `date` or a `name`."""
    asked = {"workspace": workspace_id, "record": record_id, "keys": list(keys), "kind": kind}
    return rows(await db.execute(text(_READINGS.format(records=subject.value)), asked))


async def pages(db: Session) -> int:
    """How many pages the history fills."""
    return int(await db.scalar(_PAGES) or 0)


async def thin(db: Session, *, first: int, beyond: int, oldest: datetime | None, now: datetime) -> int:
    """Shorten the lines on these pages; how many. Without `oldest`, all history goes. For a pump transaction."""
    asked: dict[str, Any] = {"first": f"({first},0)", "beyond": f"({beyond},0)"}
    if oldest is None:
        return int((await db.execute(_FORGET, asked)).rowcount)  # type: ignore[attr-defined]
    asked |= {"since": now - THIN_WITHIN, "until": now - THIN_AFTER, "oldest": Decimal(tick(oldest))}
    return int(await db.scalar(_SWEEP, asked) or 0)
