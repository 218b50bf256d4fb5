"""What PostgreSQL says to a copy: what changed since it last looked, and rows as one text per column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Select, Text, Uuid, any_, bindparam, func, literal_column, select, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from app.db.base import Session, raw
from app.db.grounds import GROUNDS, joined
from app.db.replica.columns import ID, Column, doubts_of, sent
from app.db.replica.values import SEPARATOR
from app.domain.fields import Subject, find

Which = Literal["these", "following"]
_GROUND: Final = GROUNDS[Subject.ACCOUNTS]
_DIALECT: Final = asyncpg_dialect()  # type: ignore[no-untyped-call]
_FIRST: Final = UUID(int=0)

# Seen by this snapshot and not by the last. A mark is a row of its own for every change that waits to be evaluated; its
# transaction (which may be a part of one) is written short, and stands for the latest whose number ends so.
_CHANGES: Final = text(
    """
with now (snapshot, top) as materialized (
    select pg_current_snapshot(), (pg_snapshot_xmax(pg_current_snapshot()))::text::bigint
), changed (account_id) as (
    select c.account_id from account_changes c
    where c.workspace_id = :workspace and c.xid >= :least
        and not pg_visible_in_snapshot((c.xid::text)::xid8, cast(cast(:last as text) as pg_snapshot))
    union
    select d.account_id from dirty_accounts d, now
    where d.workspace_id = :workspace
        and now.top - ((now.top - (d.xmin::text)::bigint) & 4294967295) >= :least
)
select now.snapshot::text as snapshot, clock_timestamp() as at,
    array(select account_id from changed limit :most) as accounts
from now
"""
)
_STATE: Final = text(
    """
select pg_current_snapshot()::text as snapshot, clock_timestamp() as at,
    (
        select count(*) from (select from account_facts where workspace_id = :workspace limit :enough) as found
    ) as accounts,
    exists(
        select from pg_database where datname = current_database() and datlocprovider <> 'i'
            and (datcollate in ('C', 'POSIX') or datcollate ~* '^C\\.utf-?8$')
    ) as by_bytes
"""
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a snapshot shows that the last one did not; `at` is PostgreSQL's clock."""

    snapshot: str
    at: datetime
    accounts: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class State:
    """A workspace before it is read: up to so many accounts, and whether texts are ordered byte by byte."""

    snapshot: str
    at: datetime
    accounts: int
    by_bytes: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows on their way: for each column, the id first, one text of all its values. `doubts` answers `doubts_of`."""

    columns: Sequence[Column]
    texts: Sequence[str]
    number: int
    last: UUID | None
    doubts: Sequence[bool | None]


async def state(db: Session, workspace_id: UUID, *, enough: int) -> State:
    """Where reading begins: what commits from here on is a change."""
    row = (await db.execute(_STATE, {"workspace": workspace_id, "enough": enough})).one()
    return State(row.snapshot, row.at, row.accounts, row.by_bytes)


async def changes(db: Session, workspace_id: UUID, since: str, *, most: int) -> Changes:
    """Accounts whose facts or traits were written by transactions that `since` did not see; up to `most` of them."""
    asked = {"workspace": workspace_id, "last": since, "least": int(since.split(":", 1)[0]), "most": most}
    row = (await db.execute(_CHANGES, asked)).one()
    return Changes(row.snapshot, row.at, row.accounts)


async def these(db: Session, workspace_id: UUID, accounts: Sequence[UUID], columns: Sequence[Column]) -> Rows:
    """The rows of these accounts; those that are gone have none."""
    return await _rows(db, columns, "these", workspace=workspace_id, accounts=list(accounts))


async def following(
    db: Session, workspace_id: UUID, after: UUID | None, columns: Sequence[Column], *, limit: int
) -> Rows:
    """The next rows by id."""
    return await _rows(db, columns, "following", workspace=workspace_id, after=after or _FIRST, most=limit)


async def _rows(db: Session, columns: Sequence[Column], which: Which, **asked: Any) -> Rows:
    statement, names, values = _statement(tuple(columns), which)
    row = await (await raw(db)).fetchrow(statement, *({**values, **asked}[name] for name in names))
    assert row is not None  # noqa: S101 - an aggregate always has one
    number, last, doubts, *texts = row
    return Rows(columns, texts, number, None if last is None else UUID(last), doubts)


@lru_cache(maxsize=256)
def _statement(columns: tuple[Column, ...], which: Which) -> tuple[str, Sequence[str], Mapping[str, Any]]:
    """The text of a statement, the names of its parameters in order, and the values of those that never change.

    Writing one with dozens of columns takes SQLAlchemy longer than PostgreSQL takes to answer it.
    """
    everything: list[Any] = sent(columns)
    query: Select[Any] = select(*everything).where(_GROUND.workspace == bindparam("workspace", type_=Uuid))
    if which == "these":
        query = query.where(_GROUND.id == any_(bindparam("accounts", type_=ARRAY(Uuid))))
    else:
        query = query.where(_GROUND.id > bindparam("after", type_=Uuid)).order_by(_GROUND.id)
        query = query.limit(bindparam("most", type_=Integer))
    named = [find("externalId"), *(column.fact for column in columns)]
    made = _folded(joined(query.select_from(_GROUND.start), Subject.ACCOUNTS, named), columns).compile(dialect=_DIALECT)
    return str(made), list(made.positiontup or ()), made.params


def _folded(query: Select[Any], columns: Sequence[Column]) -> Select[Any]:
    """All aggregates see the rows in the same order, so that the n-th values of all columns are one row."""
    sub = query.subquery()
    separator = literal_column(f"E'\\x{ord(SEPARATOR):02x}'", Text)
    names = [ID, *(column.name for column in columns)]
    texts = [func.coalesce(func.string_agg(sub.c[name], separator), "", type_=Text) for name in names]
    found = [f"bool_or({doubt.format(column.name)})" for column, _, doubt in doubts_of(columns)]
    doubts: Any = literal_column(f"array[{', '.join(found)}]::boolean[]")
    return select(func.count(literal_column("1")), func.max(sub.c[ID], type_=Text), doubts, *texts).select_from(sub)
