"""Dirty marks of users and organizations: as those of accounts (see `db.marks`), with the subject beside the id."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.db.marks import Marks
from app.domain.fields import Subject

SUBJECTS: Final = (Subject.USERS, Subject.ORGANIZATIONS)
FACTS: Final[Mapping[Subject, tuple[str, str]]] = {
    Subject.USERS: ("user_facts", "user_id"),
    Subject.ORGANIZATIONS: ("organization_facts", "organization_id"),
}

# One probe per workspace that has rows, not one read per row.
_WITH_MARKS: Final = text(
    """
with recursive w (id) as (
    (select workspace_id from dirty_records order by workspace_id limit 1)
    union all
    select (select d.workspace_id from dirty_records d where d.workspace_id > w.id order by d.workspace_id limit 1)
    from w where w.id is not null
)
select id from w
where id is not null
    and exists (select from dirty_records d where d.workspace_id = w.id and d.due_at <= clock_timestamp())
"""
)

_CHECKS: Final = """
with recursive w (id, first) as (
    (select workspace_id, next_check_at from {table} where next_check_at is not null
        order by workspace_id, next_check_at limit 1)
    union all
    select n.workspace_id, n.next_check_at
    from w cross join lateral (
        select f.workspace_id, f.next_check_at from {table} f
        where f.next_check_at is not null and f.workspace_id > w.id
        order by f.workspace_id, f.next_check_at limit 1
    ) n
)
select id from w where first <= :now
"""

_TIMED: Final = """
with due as (
    select {id} as id from {table}
    where workspace_id = :workspace and next_check_at <= :now
    order by next_check_at
    limit :limit
    for update skip locked
),
cleared as (
    update {table} f set next_check_at = null
    from due where f.workspace_id = :workspace and f.{id} = due.id
)
insert into dirty_records (workspace_id, subject, record_id)
select :workspace, :subject, id from due
returning record_id
"""
_WITH_CHECKS: Final = [text(_CHECKS.format(table=table)) for table, _ in FACTS.values()]
_MARK_TIMED: Final = {subject: text(_TIMED.format(table=table, id=id_)) for subject, (table, id_) in FACTS.items()}

_MARK: Final = text(
    "insert into dirty_records (workspace_id, subject, record_id) "
    "select :workspace, :subject, id from unnest(cast(:records as uuid[])) as t (id)"
)

# The organizations these accounts belong to, and those that their facts still name.
_MARK_PARENTS: Final = text(
    """
insert into dirty_records (workspace_id, subject, record_id)
select :workspace, 'organizations', id from (
    select organization_id as id from account_parents
    where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[]))
    union
    select organization_id from account_facts
    where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[]))
) o where id is not null
"""
)

# The organizations that know users without an account in between. Those above accounts hear of it from the accounts.
_MARK_AFFILIATIONS: Final = text(
    """
insert into dirty_records (workspace_id, subject, record_id)
select distinct cast(:workspace as uuid), 'organizations', organization_id from affiliations
where workspace_id = :workspace and user_id = any(cast(:users as uuid[]))
"""
)

# These tables fill and empty all the time: no plan may rest on how full they were found when last looked at.
_BY_KEY: Final = text("select set_config('enable_seqscan', 'off', true)")

_TAKE: Final = text(
    """
delete from dirty_records where workspace_id = :workspace and id = any(array(
    select d.id from dirty_records d
    where d.workspace_id = :workspace and d.subject = :subject and d.due_at <= clock_timestamp()
        and not exists (
            select from dirty_records s
            where s.workspace_id = :workspace and s.record_id = d.record_id and s.attempts > 0
                and s.due_at > clock_timestamp())
    order by d.id
    limit :limit
    for update skip locked
))
returning id, record_id
"""
)

_TAKE_OF: Final = text(
    """
delete from dirty_records where workspace_id = :workspace and id in (
    select d.id from dirty_records d
    where d.workspace_id = :workspace and d.id = any(cast(:ids as bigint[]))
        and d.record_id = any(cast(:records as uuid[]))
    order by d.id
    for update skip locked
)
returning id, record_id
"""
)

_SET_ASIDE: Final = text(
    """
with gone as (
    delete from dirty_records where workspace_id = :workspace and record_id = :record and id in (
        select d.id from dirty_records d
        where d.workspace_id = :workspace and d.record_id = :record
            and (d.id = any(cast(:ids as bigint[])) or d.attempts > 0)
        order by d.id
        for update skip locked
    )
    returning attempts
)
insert into dirty_records (workspace_id, subject, record_id, attempts, last_error, due_at)
select :workspace, :subject, :record, n.attempts, :error,
    clock_timestamp() + least(interval '10 minutes', interval '2 seconds' * power(4, least(n.attempts, 10) - 1))
from (select max(attempts) + 1 as attempts from gone) n
where n.attempts is not null
"""
)


_OVERVIEW: Final = text(
    """
select count(distinct record_id) as pending,
    coalesce(extract(epoch from clock_timestamp() - min(due_at) filter (where due_at <= clock_timestamp())), 0)::float8
        as oldest_seconds
from dirty_records where workspace_id = :workspace
"""
)

_FAILING: Final = text(
    """
select subject, record_id, attempts, last_error, due_at
from dirty_records where workspace_id = :workspace and attempts > 0
order by attempts desc, id
limit :limit
"""
)


async def mark(db: Session, workspace_id: UUID, subject: Subject, record_ids: Collection[UUID]) -> None:
    """Promise to evaluate these users or organizations."""
    if record_ids:
        asked = {"workspace": workspace_id, "subject": subject.value, "records": sorted(record_ids)}
        await db.execute(_MARK, asked)


async def mark_parents(db: Session, workspace_id: UUID, accounts: Sequence[UUID]) -> None:
    """Promise to evaluate the organizations these accounts belong to, or belonged to when last evaluated."""
    await db.execute(_MARK_PARENTS, {"workspace": workspace_id, "accounts": list(accounts)})


async def mark_affiliations(db: Session, workspace_id: UUID, users: Sequence[UUID]) -> None:
    """Promise to evaluate the organizations these users are linked to directly."""
    if users:
        await db.execute(_MARK_AFFILIATIONS, {"workspace": workspace_id, "users": list(users)})


async def mark_timed(db: Session, workspace_id: UUID, subject: Subject, *, now: datetime, limit: int) -> int:
    """Turn the instants that have come into marks; how many."""
    asked = {"workspace": workspace_id, "subject": subject.value, "now": now, "limit": limit}
    return len((await db.execute(_MARK_TIMED[subject], asked)).all())


async def workspaces_with_work(db: Session, *, now: datetime) -> list[UUID]:
    """Workspaces that have marks or instants due. For a pump transaction: it looks across workspaces."""
    found = set((await db.execute(_WITH_MARKS)).scalars())
    for query in _WITH_CHECKS:
        found |= set((await db.execute(query, {"now": now})).scalars())
    return sorted(found)


async def take(db: Session, workspace_id: UUID, subject: Subject, *, limit: int) -> Marks:
    """Remove the oldest due marks no other evaluator holds; they are back if this transaction does not commit."""
    await db.execute(_BY_KEY)
    asked = {"workspace": workspace_id, "subject": subject.value, "limit": limit}
    return _marks(rows(await db.execute(_TAKE, asked)))


async def take_of(db: Session, workspace_id: UUID, marks: Marks) -> Marks:
    """Remove those of these marks that are still there and free."""
    asked = {"workspace": workspace_id, "ids": list(marks.ids), "records": sorted(marks.records)}
    return _marks(rows(await db.execute(_TAKE_OF, asked)))


def _marks(found: Sequence[Mapping[str, Any]]) -> Marks:
    return Marks(tuple(row["id"] for row in found), frozenset(row["record_id"] for row in found))


async def set_aside(
    db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, marks: Marks, error: str
) -> None:
    """Make one mark of a record's marks, due again after a wait that grows with each failure."""
    asked = {"workspace": workspace_id, "subject": subject.value, "record": record_id, "ids": list(marks.ids)}
    await db.execute(_SET_ASIDE, asked | {"error": error[:500]})


async def overview(db: Session, workspace_id: UUID) -> Mapping[str, Any]:
    """How many users and organizations wait to be evaluated, and how long the one that waits longest has been due."""
    return rows(await db.execute(_OVERVIEW, {"workspace": workspace_id}))[0]


async def failing(db: Session, workspace_id: UUID, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """Users and organizations whose evaluation failed, with the error and the time of the next attempt."""
    return rows(await db.execute(_FAILING, {"workspace": workspace_id, "limit": limit}))
