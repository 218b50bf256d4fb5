"""Set-based statements that bring the derived facts of many accounts up to date; rows that agree are not written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text

from app.db.base import Session
from app.domain.models import Account
from app.domain.traits import TraitMap

_ENSURE = text(
    """
insert into account_facts (workspace_id, account_id, status_since)
select :workspace, a.id, a.created_at from accounts a
where a.workspace_id = :workspace and a.id = any(cast(:accounts as uuid[]))
    and not exists (select from account_facts f where f.workspace_id = :workspace and f.account_id = a.id)
order by a.id
on conflict do nothing
"""
)

# In the order of ids, so that two evaluators of the same accounts wait for each other instead of deadlocking.
_LOCK = text(
    """
select account_id from account_facts
where workspace_id = :workspace and account_id = any(cast(:accounts as uuid[]))
order by account_id
for update
"""
)

DATES: Final = ("renewal", "trial_end", "joined")
"""Fields of the traits map of which the first trait that is a time counts."""

_FIRST_INSTANT = """(
            select steward_instant(a.traits -> key)
            from unnest(cast(:{field}_keys as text[])) with ordinality as t (key, n)
            where steward_instant(a.traits -> key) is not null
            order by n limit 1
        )"""

_NAME = """case when cast(:name_keys as text[]) = '{name}' then a.traits ->> 'name' else (
            select a.traits ->> key from unnest(cast(:name_keys as text[])) with ordinality as t (key, n)
            where jsonb_typeof(a.traits -> key) in ('string', 'number') and btrim(a.traits ->> key) <> ''
            order by n limit 1
        ) end"""

# Names are the accounts' own; they follow the map when it has changed since a name was set. What a name is, is said as
# `steward_account_name` says it, which would look the map up for each account. Activity is looked up by key: a plan
# that joined it would read that of every account there is.
_REFRESH = text(
    """
with named as (
    update accounts a set name = {name}
    where a.workspace_id = :workspace and a.id = any(cast(:accounts as uuid[])) and a.name is distinct from {name}
),
d as materialized (
    select a.id, w.renews_at, w.trial_ends_at, coalesce(w.joined_at, v.first_seen_at) as joined_at,
        r.mrr, m.users, v.first_seen_at, v.last_seen_at, coalesce(v.events, 0) as events,
        o.external_id as organization, o.id as organization_id
    from accounts a
    cross join lateral (
        select (
            select steward_number(a.traits -> key) from unnest(cast(:mrr_keys as text[])) with ordinality as t (key, n)
            where steward_number(a.traits -> key) is not null
            order by n limit 1
        ) as mrr
    ) r
    cross join lateral (
        select {renewal} as renews_at, {trial_end} as trial_ends_at, {joined} as joined_at
    ) w
    cross join lateral (
        select count(*) as users from memberships l
        where l.workspace_id = :workspace and l.account_id = a.id and l.linked
    ) m
    left join lateral (
        select y.first_seen_at, y.last_seen_at, y.events from account_activity y
        where y.workspace_id = :workspace and y.account_id = a.id
        limit 1
    ) v on true
    left join account_parents p on p.workspace_id = :workspace and p.account_id = a.id
    left join organizations o on o.workspace_id = :workspace and o.id = p.organization_id
    where a.workspace_id = :workspace and a.id = any(cast(:accounts as uuid[]))
)
update account_facts f set
    renews_at = d.renews_at, trial_ends_at = d.trial_ends_at, joined_at = d.joined_at,
    revenue = d.mrr, last_mrr = coalesce(d.mrr, f.last_mrr, f.mrr),
    mrr = coalesce(d.mrr, case when f.status = 'churned' then f.mrr end), users = d.users,
    first_seen_at = d.first_seen_at, last_seen_at = d.last_seen_at,
    events = d.events, organization_external_id = d.organization,
    organization_id = d.organization_id
from d
where f.workspace_id = :workspace and f.account_id = d.id
    and (f.renews_at, f.trial_ends_at, f.joined_at,
        f.revenue, f.users, f.first_seen_at, f.last_seen_at, f.events,
        f.organization_external_id, f.organization_id)
    is distinct from (d.renews_at, d.trial_ends_at, d.joined_at,
        d.mrr, d.users, d.first_seen_at, d.last_seen_at, d.events,
        d.organization, d.organization_id)
""".format(name=_NAME, **{field: _FIRST_INSTANT.format(field=field) for field in DATES})  # noqa: S608 - only our own names
)

_NOTE = text(
    """
with noted as (
    update account_facts f set evaluated_at = :now, next_check_at = t.next_check_at
    from unnest(cast(:accounts as uuid[]), cast(:checks as timestamptz[])) as t (account_id, next_check_at)
    where f.workspace_id = :workspace and f.account_id = t.account_id
)
insert into account_changes (workspace_id, account_id, changed_at)
select :workspace, account_id, :now from unnest(cast(:accounts as uuid[])) as t (account_id)
"""
)


async def lock_facts(db: Session, workspace_id: UUID, accounts: Sequence[UUID]) -> list[UUID]:
    """The accounts of these that exist, by id, with their facts locked until the transaction ends."""
    ordered = sorted(set(accounts))
    asked = {"workspace": workspace_id, "accounts": ordered}
    held = list((await db.execute(_LOCK, asked)).scalars())
    if len(held) == len(ordered):
        return held
    await db.execute(_ENSURE, asked)  # those that are new, or are no more
    return list((await db.execute(_LOCK, asked)).scalars())


async def refresh(db: Session, workspace_id: UUID, accounts: Sequence[UUID], trait_map: TraitMap) -> None:
    """Recompute name, MRR, mapped dates, number of users, activity and organization."""
    await db.execute(
        _REFRESH,
        {
            "workspace": workspace_id,
            "accounts": list(accounts),
            "name_keys": list(trait_map.name),
            "mrr_keys": list(trait_map.mrr),
            **{f"{field}_keys": list(getattr(trait_map, field)) for field in DATES},
        },
    )


async def note(
    db: Session, workspace_id: UUID, accounts: Sequence[UUID], checks: Mapping[UUID, datetime], *, now: datetime
) -> None:
    """Store that these accounts were evaluated, and when the clock alone could next change an answer."""
    ordered = sorted(accounts)
    await db.execute(
        _NOTE,
        {
            "workspace": workspace_id,
            "now": now,
            "accounts": ordered,
            "checks": [checks.get(account) for account in ordered],
        },
    )


async def slice_after(db: Session, workspace_id: UUID, after: UUID | None, limit: int) -> list[UUID]:
    """The next accounts of the workspace by id."""
    query = select(Account.id).where(Account.workspace_id == workspace_id).order_by(Account.id).limit(limit)
    if after is not None:
        query = query.where(Account.id > after)
    return list(await db.scalars(query))


async def count_accounts(db: Session, workspace_id: UUID) -> int:
    """How many accounts the workspace has."""
    query = select(func.count()).select_from(Account).where(Account.workspace_id == workspace_id)
    return await db.scalar(query) or 0
