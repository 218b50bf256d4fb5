"""Set-based statements that bring the derived facts of many accounts up to date; rows that agree are not written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text

from app.db.base import Session
from app.domain.models import Account
from app.domain.traits import STATUSES, TraitMap

_ENSURE = text(
    """
insert into account_facts (workspace_id, account_id)
select :workspace, a.id from accounts a
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

_REFRESH = text(
    """
update account_facts f set
    status = d.status, mrr = d.mrr, users = d.users, first_seen_at = d.first_seen_at, last_seen_at = d.last_seen_at,
    events = d.events, csm_id = d.csm_id, account_executive_id = d.account_executive_id,
    organization_external_id = d.organization,
    organization_id = d.organization_id
from (
    select a.id, s.status, r.mrr, m.users, v.first_seen_at, v.last_seen_at, coalesce(v.events, 0) as events,
        csm.member_id as csm_id, executive.member_id as account_executive_id, o.external_id as organization,
        o.id as organization_id
    from accounts a
    cross join lateral (
        select coalesce((
            select lower(a.traits ->> key) from unnest(cast(:status_keys as text[])) with ordinality as t (key, n)
            where lower(a.traits ->> key) = any(cast(:statuses as text[]))
            order by n limit 1
        ), :default_status) as status
    ) s
    cross join lateral (
        select (
            select steward_number(a.traits -> key) from unnest(cast(:mrr_keys as text[])) with ordinality as t (key, n)
            where steward_number(a.traits -> key) is not null
            order by n limit 1
        ) as mrr
    ) r
    cross join lateral (
        select count(*) as users from memberships l
        where l.workspace_id = :workspace and l.account_id = a.id and l.linked
    ) m
    left join account_activity v on v.workspace_id = :workspace and v.account_id = a.id
    left join key_roles csm
        on csm.workspace_id = :workspace and csm.account_id = a.id and csm.role = 'csm'
    left join key_roles executive
        on executive.workspace_id = :workspace and executive.account_id = a.id
        and executive.role = 'account_executive'
    left join account_parents p on p.workspace_id = :workspace and p.account_id = a.id
    left join organizations o on o.workspace_id = :workspace and o.id = p.organization_id
    where a.workspace_id = :workspace and a.id = any(cast(:accounts as uuid[]))
) d
where f.workspace_id = :workspace and f.account_id = d.id
    and (f.status, f.mrr, f.users, f.first_seen_at, f.last_seen_at, f.events, f.csm_id, f.account_executive_id,
        f.organization_external_id, f.organization_id)
    is distinct from (d.status, d.mrr, d.users, d.first_seen_at, d.last_seen_at, d.events, d.csm_id,
        d.account_executive_id, d.organization, d.organization_id)
"""
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
    asked = {"workspace": workspace_id, "accounts": sorted(set(accounts))}
    await db.execute(_ENSURE, asked)
    return list((await db.execute(_LOCK, asked)).scalars())


async def refresh(db: Session, workspace_id: UUID, accounts: Sequence[UUID], trait_map: TraitMap) -> None:
    """Recompute status, MRR, number of users, activity, key roles and organization."""
    await db.execute(
        _REFRESH,
        {
            "workspace": workspace_id,
            "accounts": list(accounts),
            "status_keys": list(trait_map.status),
            "statuses": list(STATUSES),
            "default_status": STATUSES[0],
            "mrr_keys": list(trait_map.mrr),
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
