"""What is counted of events, and the counts: added up as events come, and put right from stored ones."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Final, cast
from uuid import UUID

import orjson
from sqlalchemy import Table, func, insert, select, text, update

from app.db.base import Session, raw
from app.db.columns import pack, table
from app.domain.counting import Counts, Measure
from app.domain.elements import Definition
from app.domain.matching import MOST_NAMES, Filter, Instance, Matcher, Matchers, digest, grouped
from app.domain.models import Element, Workspace
from app.domain.models import Measure as Row

NOBODY: Final = UUID(int=0)
"""The user of what nobody in particular did."""
_NOBODY: Final = str(NOBODY)
_MEASURES: Final = cast("Table", Row.__table__)
_ELEMENTS: Final = cast("Table", Element.__table__)

Ids = Mapping[str, str]
"""The ids of ours, by what the counts call things."""

_DAYS: Final = {"record": "uuid", "measure": "bigint", "day": "date", "usr": "uuid", "n": "bigint"}
_TOTALS: Final = {
    "record": "uuid",
    "measure": "bigint",
    "n": "bigint",
    "first_at": "timestamptz",
    "last_at": "timestamptz",
}
_INSTANCES: Final = {
    "record": "uuid",
    "element": "uuid",
    "instance": "text",
    "enabled_at": "timestamptz",
    "disabled_at": "timestamptz",
    "first_at": "timestamptz",
    "last_at": "timestamptz",
}

# In the order of keys, so that two flushes that count the same wait for each other.
ADD_DAYS: Final = """
insert into measure_days as x (workspace_id, record_id, measure_id, day, user_id, count)
select $1, t.record, t.measure, t.day, t.usr, t.n from {rows} as t
order by t.record, t.measure, t.day, t.usr
on conflict (workspace_id, record_id, measure_id, day, user_id) do update set count = x.count + excluded.count
"""
ADD_TOTALS: Final = """
insert into measure_totals as x (workspace_id, record_id, measure_id, count, first_at, last_at)
select $1, t.record, t.measure, t.n, t.first_at, t.last_at from {rows} as t
order by t.record, t.measure
on conflict (workspace_id, record_id, measure_id) do update set
    count = x.count + excluded.count,
    first_at = least(x.first_at, excluded.first_at),
    last_at = greatest(x.last_at, excluded.last_at)
"""
# What is stored may have been counted when it came, or only in part. Both numbers are of distinct events: neither is
# too high, and the higher one is right.
_PUT_DAYS: Final = (
    ADD_DAYS.format(rows=table("$2", **_DAYS)).replace("x.count + excluded.count", "excluded.count")
    + "where x.count < excluded.count"
)
_PUT_TOTALS: Final = f"""
insert into measure_totals as x (workspace_id, record_id, measure_id, count, first_at, last_at)
select $1, t.record, t.measure, d.count, t.first_at, t.last_at from {table("$2", **_TOTALS)} as t
cross join lateral (
    select sum(m.count) as count from measure_days m
    where m.workspace_id = $1 and m.record_id = t.record and m.measure_id = t.measure
) d
order by t.record, t.measure
on conflict (workspace_id, record_id, measure_id) do update set
    count = excluded.count,
    first_at = least(x.first_at, excluded.first_at),
    last_at = greatest(x.last_at, excluded.last_at)
"""  # noqa: S608 - the only text put together here is written by us
_PUT_INSTANCES: Final = f"""
insert into element_instances as x
    (workspace_id, record_id, element_id, instance, enabled_at, disabled_at, first_at, last_at)
select $1, t.record, t.element, ($3::text[])[t.instance::int], t.enabled_at, t.disabled_at, t.first_at, t.last_at
from {table("$2", **_INSTANCES)} as t
order by t.record, t.element, ($3::text[])[t.instance::int]
on conflict (workspace_id, record_id, element_id, instance) do update set
    enabled_at = greatest(x.enabled_at, excluded.enabled_at),
    disabled_at = greatest(x.disabled_at, excluded.disabled_at),
    first_at = least(x.first_at, excluded.first_at),
    last_at = greatest(x.last_at, excluded.last_at)
where (x.enabled_at, x.disabled_at, x.first_at, x.last_at) is distinct from (
    greatest(x.enabled_at, excluded.enabled_at), greatest(x.disabled_at, excluded.disabled_at),
    least(x.first_at, excluded.first_at), greatest(x.last_at, excluded.last_at))
"""  # noqa: S608 - the only text put together here is written by us
_ADD: Final = (
    f"with counted as ({ADD_DAYS.format(rows=table('$2', **_DAYS))}) {ADD_TOTALS.format(rows=table('$3', **_TOTALS))}"
)

_KNOWN: Final = "select name, id::text from measures where workspace_id = $1 and digest = any($2::uuid[])"
_INTERN: Final = """
insert into measures as x (workspace_id, name, digest)
select $1, t.name, t.digest from unnest($2::text[], $3::uuid[]) as t (name, digest)
order by t.digest
limit greatest(0, $4 - (select count(*) from measures where workspace_id = $1 and filter is null))
on conflict (workspace_id, digest) do update set name = excluded.name
returning name, id::text
"""


async def intern(db: Session, workspace_id: UUID, names: Iterable[str]) -> dict[str, str]:
    """The measure of each of these event names, made on first sight; empty for those beyond the most there may be."""
    driver = await raw(db)
    asked = {name: digest(name) for name in names}
    found = {row["name"]: row["id"] for row in await driver.fetch(_KNOWN, workspace_id, list(asked.values()))}
    new = sorted(asked.keys() - found.keys())
    if new:
        made = await driver.fetch(_INTERN, workspace_id, new, [asked[name] for name in new], MOST_NAMES)
        found |= dict.fromkeys(new, "") | {row["name"]: row["id"] for row in made}
    return found


def days_of(counts: Counts, records: Ids, users: Ids, measures: Ids) -> list[str]:
    """The days of these counts, as `ADD_DAYS` takes them; what no measure counts is left out."""
    return pack(
        (records[record], measure, day.isoformat(), _NOBODY if user is None else users[user], str(n))
        for (record, kind, day, user), n in counts.days.items()
        if (measure := _measure(kind, measures))
    )


def totals_of(counts: Counts, records: Ids, measures: Ids) -> list[str]:
    """The totals of these counts, as `ADD_TOTALS` takes them."""
    return pack(
        (records[record], measure, str(total.count), as_text(total.first_at), as_text(total.last_at))
        for (record, kind), total in counts.totals.items()
        if (measure := _measure(kind, measures))
    )


def _measure(kind: Measure, measures: Ids) -> str:
    return measures[kind] if isinstance(kind, str) else str(kind)


def as_text(moment: datetime | None) -> str:
    """An instant as a column takes it; a fifth of what isoformat() takes."""
    return "" if moment is None else orjson.dumps(moment)[1:-1].decode()


def days_table(parameter: str) -> str:
    """SQL for the rows that `days_of` packs."""
    return table(parameter, **_DAYS)


def totals_table(parameter: str) -> str:
    """SQL for the rows that `totals_of` packs."""
    return table(parameter, **_TOTALS)


async def add(db: Session, workspace_id: UUID, counts: Counts, records: Ids, users: Ids, measures: Ids) -> None:
    """Add new events to what is counted of these records."""
    driver = await raw(db)
    days, totals = days_of(counts, records, users, measures), totals_of(counts, records, measures)
    if totals:
        await driver.execute(_ADD, workspace_id, days, totals)
    await put_instances(db, workspace_id, counts, records)


async def put(db: Session, workspace_id: UUID, counts: Counts, records: Ids, users: Ids, measures: Ids) -> None:
    """See to it that whole days of stored events are counted, whether they were or not. Safe to repeat."""
    driver = await raw(db)
    days, totals = days_of(counts, records, users, measures), totals_of(counts, records, measures)
    if totals:
        await driver.execute(_PUT_DAYS, workspace_id, days)
        await driver.execute(_PUT_TOTALS, workspace_id, totals)
    await put_instances(db, workspace_id, counts, records)


async def put_instances(db: Session, workspace_id: UUID, counts: Counts, records: Ids) -> None:
    """Write what events told of instances of elements; nothing is a sum here, so that it is safe to repeat."""
    if not counts.instances:
        return
    driver = await raw(db)
    names = {name: n for n, name in enumerate({key[2] for key in counts.instances}, start=1)}
    packed = pack(
        (
            records[record],
            element,
            str(names[instance]),
            *map(as_text, (seen.enabled_at, seen.disabled_at, seen.first_at, seen.last_at)),
        )
        for (record, element, instance), seen in counts.instances.items()
    )
    await driver.execute(_PUT_INSTANCES, workspace_id, packed, list(names))


async def matchers(db: Session, workspace_id: UUID, version: int) -> Matchers:
    """Whatever is looked for in events beside their names."""
    filtered = select(_MEASURES.c.id, _MEASURES.c.name, _MEASURES.c.filter).where(
        _MEASURES.c.workspace_id == workspace_id, _MEASURES.c.filter.is_not(None)
    )
    found = [Matcher(row.name, row.filter, row.id) for row in await db.execute(filtered)]
    live = select(_ELEMENTS.c.counted_as, _ELEMENTS.c.definition).where(
        _ELEMENTS.c.workspace_id == workspace_id, _ELEMENTS.c.archived_at.is_(None)
    )
    for row in await db.execute(live):
        found += _of_element(row.counted_as, Definition.stored(row.definition))
    return grouped(version, found)


async def plain_matchers(db: Session, workspace_id: UUID, measure_ids: Collection[int]) -> list[Matcher]:
    """Those of these measures that count all events of a name, as if they had to be looked for."""
    query = select(_MEASURES.c.id, _MEASURES.c.name).where(
        _MEASURES.c.workspace_id == workspace_id, _MEASURES.c.id.in_(measure_ids), _MEASURES.c.filter.is_(None)
    )
    return [Matcher(row.name, None, row.id) for row in await db.execute(query)]


def _of_element(element: UUID, definition: Definition) -> list[Matcher]:
    if definition.instance is None:
        return []
    return [
        Matcher(step.event, step.where, Instance(element, role, definition.instance))
        for role, step in definition.steps.items()
    ]


async def find(db: Session, workspace_id: UUID, digests: Collection[UUID]) -> dict[UUID, int]:
    """The measures that exist of these, by digest."""
    query = select(_MEASURES.c.digest, _MEASURES.c.id).where(
        _MEASURES.c.workspace_id == workspace_id, _MEASURES.c.digest.in_(digests)
    )
    return {row.digest: row.id for row in await db.execute(query)}


async def sizes(db: Session, workspace_id: UUID) -> tuple[int, int]:
    """How many event names are counted, and how many measures with a filter there are."""
    plain = func.count().filter(_MEASURES.c.filter.is_(None))
    query = select(plain, func.count() - plain).where(_MEASURES.c.workspace_id == workspace_id)
    row = (await db.execute(query)).one()
    return row[0], row[1]


async def insert_new(
    db: Session, workspace_id: UUID, wanted: Mapping[UUID, tuple[str, Filter | None]]
) -> dict[UUID, int]:
    """Make measures, by digest. The caller holds the lock that flushes share."""
    lines = [
        {"workspace_id": workspace_id, "name": name, "filter": filter_, "digest": one}
        for one, (name, filter_) in sorted(wanted.items())
    ]
    made = await db.execute(insert(_MEASURES).returning(_MEASURES.c.digest, _MEASURES.c.id), lines)
    return {row.digest: row.id for row in made}


async def move_version(db: Session, workspace_id: UUID) -> None:
    """Have every process read anew what is looked for. The caller holds the lock that flushes share."""
    await db.execute(update(Workspace).where(Workspace.id == workspace_id).values(matchers=Workspace.matchers + 1))


_ACTIVE: Final = text(
    """
update memberships m set last_active_on = t.day
from unnest(cast(:accounts as uuid[]), cast(:users as uuid[]), cast(:days as date[])) as t (account, usr, day)
where m.workspace_id = :workspace and m.account_id = t.account and m.user_id = t.usr
    and (m.last_active_on is null or m.last_active_on < t.day)
"""
)


async def note_active(db: Session, workspace_id: UUID, active: Mapping[tuple[str, str], date]) -> None:
    """Move the last day on which members did anything at an account."""
    if active:
        pairs = sorted(active)
        asked = {
            "accounts": [UUID(account) for account, _ in pairs],
            "users": [UUID(user) for _, user in pairs],
            "days": [active[pair] for pair in pairs],
        }
        await db.execute(_ACTIVE, {"workspace": workspace_id, **asked})


_NAMES: Final = text(
    """
select distinct m.name
from (select id from accounts where workspace_id = :workspace order by id desc limit :recent) a
join measure_totals t on t.workspace_id = :workspace and t.record_id = a.id
join measures m on m.workspace_id = :workspace and m.id = t.measure_id and m.filter is null
order by m.name
limit :most
"""
)


async def names(db: Session, workspace_id: UUID, *, recent: int, limit: int) -> list[str]:
    """Names of events that happened at the latest accounts, by name."""
    asked = {"workspace": workspace_id, "recent": recent, "most": limit}
    return list(await db.scalars(_NAMES, asked))
