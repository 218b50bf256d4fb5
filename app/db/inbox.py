"""Parcels of messages that wait to be applied: put by requests, deleted by the transaction that applies them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, raw, rows


@dataclass(frozen=True, slots=True)
class Row:
    """A parcel, as one transaction took it."""

    id: int
    messages: int
    parcel: bytes


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one transaction takes at most; a single parcel larger than that is taken alone."""

    messages: int
    size: int  # bytes
    parcels: int


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits. What was set aside because it fails is counted, but its age is not."""

    messages: int
    oldest_seconds: float
    failing: int


_PUT = "insert into inbox (workspace_id, messages, parcel) values ($1, $2, $3)"

# One probe per workspace that has rows, not one read per row.
_WITH_WORK = text(
    """
with recursive w (id) as (
    (select workspace_id from inbox order by workspace_id limit 1)
    union all
    select (select i.workspace_id from inbox i where i.workspace_id > w.id order by i.workspace_id limit 1)
    from w where w.id is not null
)
select id from w
where id is not null and exists (select from inbox i where i.workspace_id = w.id and i.due_at <= clock_timestamp())
"""
)

# The first parcels tell how many fill a group, about: few more are locked than are taken; the rest is left to others.
_TAKE = """
with offered as materialized (
    select i.id, i.messages, octet_length(i.parcel) as size from inbox i
    where i.workspace_id = $1 and i.due_at <= clock_timestamp()
    order by i.id
    limit (
        select least($4::int, ceil($2::int / greatest(avg(f.messages), 1))) from (
            select messages from inbox where workspace_id = $1 and due_at <= clock_timestamp() order by id limit 20
        ) f
    )
    for update skip locked
),
chosen as (
    select id from (
        select id, row_number() over w as place, sum(messages) over w as messages, sum(size) over w as size
        from offered window w as (order by id)
    ) counted
    where place = 1 or (messages <= $2::int and size <= $3::bigint)
)
delete from inbox where workspace_id = $1 and id in (select id from chosen)
returning id, messages, parcel
"""

_TAKE_OF = """
delete from inbox where workspace_id = $1 and id in (
    select id from inbox where workspace_id = $1 and id = any($2::bigint[]) order by id for update skip locked
)
returning id, messages, parcel
"""

_SPLIT = """
with old as (delete from inbox where workspace_id = $1 and id = $2 returning received_at)
insert into inbox (workspace_id, received_at, messages, parcel)
select $1, old.received_at, t.messages, t.parcel
from old, unnest($3::int[], $4::bytea[]) with ordinality as t (messages, parcel, place)
order by t.place
returning id
"""

_SET_ASIDE = text(
    """
update inbox set attempts = attempts + 1, last_error = :error,
    due_at = clock_timestamp() + least(interval '10 minutes', interval '2 seconds' * power(4, least(attempts, 9)))
where workspace_id = :workspace and id = :id
"""
)

_DEPTH = """
select coalesce(sum(messages), 0)::bigint as messages,
    coalesce(extract(epoch from clock_timestamp() - min(received_at) filter (where attempts = 0)), 0)::float8
        as oldest_seconds,
    count(*) filter (where attempts > 0) as failing
from inbox
"""
_DEPTH_OF_ONE = text(f"{_DEPTH} where workspace_id = :workspace")
_DEPTH_OF_ALL = text(_DEPTH)

_FAILING = text(
    """
select id, messages, attempts, last_error, received_at, due_at from inbox
where workspace_id = :workspace and attempts > 0
order by id
limit :limit
"""
)

_MODES = text(
    """
select count(*) filter (where ingest_mode = 'direct') as direct, count(*) filter (where ingest_mode = 'inbox') as inbox
from api_keys where workspace_id = :workspace and revoked_at is null
"""
)


async def put(db: Session, workspace_id: UUID, parcel: bytes, messages: int) -> None:
    """Keep a parcel of so many messages until it is applied."""
    driver = await raw(db)
    await driver.execute(_PUT, workspace_id, messages, parcel)


async def workspaces_with_work(db: Session) -> list[UUID]:
    """Workspaces that have parcels due. For a pump transaction: it looks across workspaces."""
    return sorted((await db.execute(_WITH_WORK)).scalars())


async def take(db: Session, workspace_id: UUID, bounds: Bounds) -> list[Row]:
    """Remove the oldest due parcels nobody else holds; they are back if this transaction does not commit."""
    driver = await raw(db)
    return _rows(await driver.fetch(_TAKE, workspace_id, bounds.messages, bounds.size, bounds.parcels))


async def take_of(db: Session, workspace_id: UUID, parcels: Sequence[int]) -> list[Row]:
    """Remove those of these parcels that are still there and free."""
    driver = await raw(db)
    return _rows(await driver.fetch(_TAKE_OF, workspace_id, list(parcels)))


def _rows(found: Sequence[Mapping[str, Any]]) -> list[Row]:
    return sorted((Row(row["id"], row["messages"], row["parcel"]) for row in found), key=lambda row: row.id)


async def split(db: Session, workspace_id: UUID, parcel: int, parts: Sequence[tuple[int, bytes]]) -> list[int]:
    """Put several parcels, each with its number of messages, in the place of one; their ids."""
    driver = await raw(db)
    counts, packed = [count for count, _ in parts], [part for _, part in parts]
    return sorted(row["id"] for row in await driver.fetch(_SPLIT, workspace_id, parcel, counts, packed))


async def set_aside(db: Session, workspace_id: UUID, parcel: int, error: str) -> None:
    """Make a parcel due again after a wait that grows with each failure."""
    await db.execute(_SET_ASIDE, {"workspace": workspace_id, "id": parcel, "error": error[:500]})


async def depth(db: Session, workspace_id: UUID) -> Depth:
    """How much waits in one workspace."""
    (row,) = rows(await db.execute(_DEPTH_OF_ONE, {"workspace": workspace_id}))
    return Depth(**row)


async def depth_of_all(db: Session) -> Depth:
    """How much waits in all workspaces. For a pump transaction."""
    (row,) = rows(await db.execute(_DEPTH_OF_ALL))
    return Depth(**row)


async def keys_by_mode(db: Session, workspace_id: UUID) -> Mapping[str, int]:
    """How many keys send directly, and how many to the inbox."""
    return rows(await db.execute(_MODES, {"workspace": workspace_id}))[0]


async def failing(db: Session, workspace_id: UUID, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """Parcels that could not be applied, with the error and the time of the next attempt."""
    return rows(await db.execute(_FAILING, {"workspace": workspace_id, "limit": limit}))
