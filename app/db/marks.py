"""Dirty marks: the promise that an account will be evaluated, kept as rows until the evaluation has committed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from app.db.base import Session, rows
from app.domain.models import DirtyAccount


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks taken by one transaction; several may name the same record."""

    ids: tuple[int, ...]
    records: frozenset[UUID]


# One probe per workspace that has rows, not one read per row.
_WITH_MARKS = text(
    """
with recursive w (id) as (
    (select workspace_id from dirty_accounts order by workspace_id limit 1)
    union all
    select (select d.workspace_id from dirty_accounts d where d.workspace_id > w.id order by d.workspace_id limit 1)
    from w where w.id is not null
)
select id from w
where id is not null
    and exists (select from dirty_accounts d where d.workspace_id = w.id and d.due_at <= clock_timestamp())
"""
)

_WITH_CHECKS = text(
    """
with recursive w (id, first) as (
    (select workspace_id, next_check_at from account_facts where next_check_at is not null
        order by workspace_id, next_check_at limit 1)
    union all
    select n.workspace_id, n.next_check_at
    from w cross join lateral (
        select f.workspace_id, f.next_check_at from account_facts f
        where f.next_check_at is not null and f.workspace_id > w.id
        order by f.workspace_id, f.next_check_at limit 1
    ) n
)
select id from w where first <= :now
"""
)

# The clock is a change too: what became due by the clock turns into marks, and is then treated like any other change.
_MARK_TIMED = text(
    """
with due as (
    select account_id from account_facts
    where workspace_id = :workspace and next_check_at <= :now
    order by next_check_at
    limit :limit
    for update skip locked
),
cleared as (
    update account_facts f set next_check_at = null
    from due where f.workspace_id = :workspace and f.account_id = due.account_id
)
insert into dirty_accounts (workspace_id, account_id)
select :workspace, account_id from due
returning account_id
"""
)

# This table fills and empties all the time, so no plan may rest on how full it was found when it was last looked at.
_BY_KEY = text("select set_config('enable_seqscan', 'off', true)")

# An account that was set aside keeps its newer marks waiting too, so that it cannot hold up each slice anew.
_TAKE = text(
    """
delete from dirty_accounts where workspace_id = :workspace and id = any(array(
    select d.id from dirty_accounts d
    where d.workspace_id = :workspace and d.due_at <= clock_timestamp()
        and not exists (
            select from dirty_accounts s
            where s.workspace_id = :workspace and s.account_id = d.account_id and s.attempts > 0
                and s.due_at > clock_timestamp())
    order by d.id
    limit :limit
    for update skip locked
))
returning id, account_id
"""
)

_TAKE_OF = text(
    """
delete from dirty_accounts where workspace_id = :workspace and id in (
    select d.id from dirty_accounts d
    where d.workspace_id = :workspace and d.id = any(cast(:ids as bigint[]))
        and d.account_id = any(cast(:accounts as uuid[]))
    order by d.id
    for update skip locked
)
returning id, account_id
"""
)

_SET_ASIDE = text(
    """
with gone as (
    delete from dirty_accounts where workspace_id = :workspace and account_id = :account and id in (
        select d.id from dirty_accounts d
        where d.workspace_id = :workspace and d.account_id = :account
            and (d.id = any(cast(:ids as bigint[])) or d.attempts > 0)
        order by d.id
        for update skip locked
    )
    returning attempts
)
insert into dirty_accounts (workspace_id, account_id, attempts, last_error, due_at)
select :workspace, :account, n.attempts, :error,
    clock_timestamp() + least(interval '10 minutes', interval '2 seconds' * power(4, least(n.attempts, 10) - 1))
from (select max(attempts) + 1 as attempts from gone) n
where n.attempts is not null
"""
)

_OVERVIEW = text(
    """
select count(distinct account_id) as pending,
    coalesce(extract(epoch from clock_timestamp() - min(due_at) filter (where due_at <= clock_timestamp())), 0)::float8
        as oldest_seconds
from dirty_accounts where workspace_id = :workspace
"""
)

_FAILING = text(
    """
select d.account_id, a.external_id, d.attempts, d.last_error, d.due_at
from dirty_accounts d join accounts a on a.workspace_id = :workspace and a.id = d.account_id
where d.workspace_id = :workspace and d.attempts > 0
order by d.attempts desc, d.id
limit :limit
"""
)


async def mark(db: Session, workspace_id: UUID, accounts: Sequence[UUID]) -> None:
    """Promise to evaluate these accounts."""
    if accounts:
        await db.execute(insert(DirtyAccount), [{"workspace_id": workspace_id, "account_id": one} for one in accounts])


async def mark_timed(db: Session, workspace_id: UUID, *, now: datetime, limit: int) -> int:
    """Turn the instants that have come into marks; how many."""
    found = await db.execute(_MARK_TIMED, {"workspace": workspace_id, "now": now, "limit": limit})
    return len(found.all())


async def workspaces_with_work(db: Session, *, now: datetime) -> list[UUID]:
    """Workspaces that have marks or instants due. For a pump transaction: it looks across workspaces."""
    marked = set((await db.execute(_WITH_MARKS)).scalars())
    return sorted(marked | set((await db.execute(_WITH_CHECKS, {"now": now})).scalars()))


async def take(db: Session, workspace_id: UUID, *, limit: int) -> Marks:
    """Remove the oldest due marks no other evaluator holds; they are back if this transaction does not commit."""
    await db.execute(_BY_KEY)
    return _marks(rows(await db.execute(_TAKE, {"workspace": workspace_id, "limit": limit})))


async def take_of(db: Session, workspace_id: UUID, marks: Marks) -> Marks:
    """Remove those of these marks that are still there and free."""
    asked = {"workspace": workspace_id, "ids": list(marks.ids), "accounts": sorted(marks.records)}
    return _marks(rows(await db.execute(_TAKE_OF, asked)))


def _marks(found: Sequence[Mapping[str, Any]]) -> Marks:
    return Marks(tuple(row["id"] for row in found), frozenset(row["account_id"] for row in found))


async def set_aside(db: Session, workspace_id: UUID, account_id: UUID, marks: Marks, error: str) -> None:
    """Make one mark of an account's marks, due again after a wait that grows with each failure."""
    asked = {"workspace": workspace_id, "account": account_id, "ids": list(marks.ids), "error": error[:500]}
    await db.execute(_SET_ASIDE, asked)


async def overview(db: Session, workspace_id: UUID) -> Mapping[str, Any]:
    """How many accounts wait to be evaluated, and how long the one that waits longest has been due."""
    return rows(await db.execute(_OVERVIEW, {"workspace": workspace_id}))[0]


async def failing(db: Session, workspace_id: UUID, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """Accounts whose evaluation failed, with the error and the time of the next attempt."""
    return rows(await db.execute(_FAILING, {"workspace": workspace_id, "limit": limit}))
