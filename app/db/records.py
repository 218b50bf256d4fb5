"""Derived facts of users and organizations: made, locked, summed up over accounts, and noted as evaluated."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, func, select, text, update

from app.db.base import Session
from app.db.record_marks import FACTS, mark_affiliations
from app.domain.fields import Subject
from app.domain.models import Account, Organization, User, Workspace
from app.domain.traits import TraitMap

_PEOPLE: Final[Mapping[Subject, Table]] = {
    Subject.ACCOUNTS: cast("Table", Account.__table__),
    Subject.USERS: cast("Table", User.__table__),
    Subject.ORGANIZATIONS: cast("Table", Organization.__table__),
}

# A record that is being deleted is waited for, and then is none: its facts would have no parent.
_ENSURE: Final = {
    subject: text(
        f"insert into {table} (workspace_id, {id_}, status_since) "  # noqa: S608 - constants
        f"select :workspace, r.id, r.created_at from {subject} r "
        "where r.workspace_id = :workspace and r.id = any(cast(:records as uuid[])) and not exists "
        f"(select from {table} f where f.workspace_id = :workspace and f.{id_} = r.id) "
        "order by r.id for key share of r on conflict do nothing"
    )
    for subject, (table, id_) in FACTS.items()
}
# In the order of ids, so that two evaluators of the same records wait for each other instead of deadlocking.
_LOCK: Final = {
    subject: text(
        f"select {id_} from {table} where workspace_id = :workspace "  # noqa: S608 - constants
        f"and {id_} = any(cast(:records as uuid[])) order by {id_} for update"
    )
    for subject, (table, id_) in FACTS.items()
}
_NOTE: Final = {
    subject: text(
        f"update {table} f set evaluated_at = :now, next_check_at = t.next_check_at "  # noqa: S608 - constants
        "from unnest(cast(:records as uuid[]), cast(:checks as timestamptz[])) as t (id, next_check_at) "
        f"where f.workspace_id = :workspace and f.{id_} = t.id"
    )
    for subject, (table, id_) in FACTS.items()
}

_DATE: Final = (
    "(select steward_instant(o.traits -> key) from unnest(cast(:{keys} as text[])) with ordinality as t (key, n) "
    "where steward_instant(o.traits -> key) is not null order by n limit 1)"
)
_MRR: Final = (
    "(select steward_number(o.traits -> key) from unnest(cast(:mrr_keys as text[])) with ordinality as t (key, n) "
    "where steward_number(o.traits -> key) is not null order by n limit 1)"
)
# What accounts say is read from their facts: an organization is evaluated whenever one of them was. MRR that a churned
# account merely keeps is no part of the sum, on which the organization's status, and so the account's, may hang.
_ROLL_UP: Final = text(
    f"""
with stale as materialized (
    select o.id, steward_organization_name(o.workspace_id, o.traits) as name from organizations o
    where o.workspace_id = :workspace and o.id = any(cast(:records as uuid[]))
        and o.name is distinct from steward_organization_name(o.workspace_id, o.traits)
    order by o.id for no key update
),
named as (
    update organizations o set name = s.name from stale s where o.workspace_id = :workspace and o.id = s.id
)
update organization_facts f set
    accounts = d.accounts, users = d.users, mrr = d.mrr, first_seen_at = d.first_seen_at,
    last_seen_at = d.last_seen_at, trial_ends_at = d.trial_ends_at, renews_at = d.renews_at, joined_at = d.joined_at
from (
    select o.id, a.accounts, u.users, coalesce({_MRR}, a.mrr) as mrr,
        least(o.first_seen_at, a.first_seen_at) as first_seen_at,
        greatest(o.last_seen_at, a.last_seen_at) as last_seen_at,
        {_DATE.format(keys="trial_keys")} as trial_ends_at, {_DATE.format(keys="renewal_keys")} as renews_at,
        coalesce({_DATE.format(keys="joined_keys")}, least(o.first_seen_at, a.first_seen_at)) as joined_at
    from organizations o
    cross join lateral (
        select count(*) as accounts,
            sum(case when x.status = 'churned' then x.revenue else x.mrr end) as mrr,
            min(x.first_seen_at) as first_seen_at, max(x.last_seen_at) as last_seen_at
        from account_parents p
        left join account_facts x on x.workspace_id = :workspace and x.account_id = p.account_id
        where p.workspace_id = :workspace and p.organization_id = o.id
    ) a
    cross join lateral (
        select count(*) as users from (
            select m.user_id from account_parents p
            join memberships m on m.workspace_id = :workspace and m.account_id = p.account_id and m.linked
            where p.workspace_id = :workspace and p.organization_id = o.id
            union
            select b.user_id from affiliations b where b.workspace_id = :workspace and b.organization_id = o.id
        ) people
    ) u
    where o.workspace_id = :workspace and o.id = any(cast(:records as uuid[]))
) d
where f.workspace_id = :workspace and f.organization_id = d.id
    and (f.accounts, f.users, f.mrr, f.first_seen_at, f.last_seen_at, f.trial_ends_at, f.renews_at, f.joined_at)
    is distinct from
        (d.accounts, d.users, d.mrr, d.first_seen_at, d.last_seen_at, d.trial_ends_at, d.renews_at, d.joined_at)
"""  # noqa: S608 - put together from constants
)

# Accounts that have not taken over what their organization hands down, or still hold what it no longer does.
_MARK_LAGGING: Final = text(
    """
insert into dirty_accounts (workspace_id, account_id)
select :workspace, p.account_id
from organization_facts o
join account_parents p on p.workspace_id = :workspace and p.organization_id = o.organization_id
join account_facts f on f.workspace_id = :workspace and f.account_id = p.account_id
where o.workspace_id = :workspace and o.organization_id = any(cast(:records as uuid[]))
    and f.organization_status is distinct from (case when o.status in ('churned', 'ignored') then o.status end)
"""
)
_MARK_ACCOUNTS: Final = text(
    "insert into dirty_accounts (workspace_id, account_id) select distinct cast(:workspace as uuid), account_id "
    "from memberships where workspace_id = :workspace and user_id = any(cast(:users as uuid[])) and linked"
)
_STATES: Final = text(
    "select user_id, array[status, status_source, status_since::text, deactivated_at::text, segments::text, "
    "nps_score::text, nps_responded_at::text] "
    "from user_facts "
    "where workspace_id = :workspace and user_id = any(cast(:users as uuid[]))"
)


async def lock_facts(db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID]) -> list[UUID]:
    """The records of these that exist, by id, with their facts locked until the transaction ends."""
    asked = {"workspace": workspace_id, "records": sorted(set(record_ids))}
    await db.execute(_ENSURE[subject], asked)
    return list((await db.execute(_LOCK[subject], asked)).scalars())


async def roll_up(db: Session, workspace_id: UUID, organizations: Sequence[UUID], trait_map: TraitMap) -> None:
    """Bring the sums over the accounts of these organizations up to date, and the name and dates their traits hold.

    MRR that an organization has of its own stands in the place of the sum.
    """
    await db.execute(
        _ROLL_UP,
        {
            "workspace": workspace_id,
            "records": list(organizations),
            "trial_keys": list(trait_map.trial_end),
            "renewal_keys": list(trait_map.renewal),
            "joined_keys": list(trait_map.joined),
            "mrr_keys": list(trait_map.mrr),
        },
    )


async def mark_lagging_accounts(db: Session, workspace_id: UUID, organizations: Sequence[UUID]) -> None:
    """Promise to evaluate the accounts that do not agree with what these organizations hand down."""
    await db.execute(_MARK_LAGGING, {"workspace": workspace_id, "records": list(organizations)})


async def states_of_users(db: Session, workspace_id: UUID, users: Sequence[UUID]) -> Mapping[UUID, list[str | None]]:
    """What rules decided about these users, to be compared."""
    if not users:
        return {}
    found = await db.execute(_STATES, {"workspace": workspace_id, "users": list(users)})
    return {row[0]: row[1] for row in found}


async def mark_homes(db: Session, workspace_id: UUID, users: Sequence[UUID]) -> None:
    """Promise to evaluate the accounts these users belong to, and the organizations they are linked to directly."""
    if users:
        await db.execute(_MARK_ACCOUNTS, {"workspace": workspace_id, "users": list(users)})
        await mark_affiliations(db, workspace_id, users)


async def note(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    checks: Mapping[UUID, datetime],
    *,
    now: datetime,
) -> None:
    """Store that these records were evaluated, and when the clock alone could next change an answer."""
    asked: dict[str, Any] = {"workspace": workspace_id, "now": now, "records": list(record_ids)}
    await db.execute(_NOTE[subject], asked | {"checks": [checks.get(record) for record in record_ids]})


async def slice_after(db: Session, workspace_id: UUID, subject: Subject, after: UUID | None, limit: int) -> list[UUID]:
    """The next records of the workspace by id."""
    table = _PEOPLE[subject]
    query = select(table.c.id).where(table.c.workspace_id == workspace_id).order_by(table.c.id).limit(limit)
    return list(await db.scalars(query if after is None else query.where(table.c.id > after)))


async def count(db: Session, workspace_id: UUID, subject: Subject) -> int:
    """How many records of this kind the workspace has."""
    table = _PEOPLE[subject]
    query = select(func.count()).select_from(table).where(table.c.workspace_id == workspace_id)
    return await db.scalar(query) or 0


async def watch_users(db: Session, workspace_id: UUID) -> bool:
    """From now on mark every user of whom something is told; whether that is new.

    Flushes under way have read that nobody watches: they end before this goes on, as they share the lock (see
    `steward_join_senders`).
    """
    watched = select(Workspace.watches_users).where(Workspace.id == workspace_id)
    if await db.scalar(watched):
        return False
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": str(workspace_id)})
    await db.execute(update(Workspace).where(Workspace.id == workspace_id).values(watches_users=True))
    return True
