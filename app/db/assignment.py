"""What people carry in a role, for those who choose whose turn it is; and the lock under which they choose."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session
from app.domain.assignment import Load, Lot

# An account that is churned or ignored is nobody's work, nor is it anybody's revenue.
_LOADS = text(
    """
select m.id, coalesce(h.accounts, 0) as accounts, coalesce(h.revenue, 0) as revenue, coalesce(c.turn, 0) as turn
from members m
left join lateral (
    select count(*) filter (where coalesce(f.status, 'subscribed') in ('subscribed', 'trial')) as accounts,
        sum(f.mrr) filter (where f.status in ('subscribed', 'trial')) as revenue
    from key_roles k
    left join account_facts f on f.workspace_id = :workspace and f.account_id = k.account_id
    where k.workspace_id = :workspace and k.member_id = m.id and k.role = :role
) h on true
left join lateral (
    select c.id as turn from key_role_changes c
    where c.workspace_id = :workspace and c.role = :role and c.to_member_id = m.id
    order by c.id desc limit 1
) c on true
where m.workspace_id = :workspace and m.id = any(cast(:members as uuid[])) and m.deactivated_at is null
order by m.id
"""
)

_LOTS = text(
    """
select a.id, k.member_id as holder,
    (coalesce(f.status, 'subscribed') in ('subscribed', 'trial'))::int as accounts,
    coalesce(f.mrr, 0) as mrr
from unnest(cast(:accounts as uuid[])) with ordinality as t (id, place)
join accounts a on a.workspace_id = :workspace and a.id = t.id
left join account_facts f on f.workspace_id = :workspace and f.account_id = a.id
left join key_roles k on k.workspace_id = :workspace and k.account_id = a.id and k.role = :role
order by t.place
"""
)


async def lock(db: Session, workspace_id: UUID, role: str) -> None:
    """Let one transaction at a time choose holders of this role, until it ends."""
    query = text("select pg_advisory_xact_lock(hashtext('steward.key_roles'), hashtext(:name))")
    await db.execute(query, {"name": f"{workspace_id}:{role}"})


async def loads(db: Session, workspace_id: UUID, role: str, members: Sequence[UUID]) -> list[Load]:
    """What each of these members carries in the role; those who have left are passed over."""
    found = await db.execute(_LOADS, {"workspace": workspace_id, "role": role, "members": list(members)})
    return [Load(row.id, row.accounts, row.revenue, row.turn) for row in found]


async def lots(db: Session, workspace_id: UUID, role: str, accounts: Sequence[UUID]) -> list[Lot]:
    """These accounts, in this order, as they weigh; those that do not exist are passed over."""
    found = await db.execute(_LOTS, {"workspace": workspace_id, "role": role, "accounts": list(accounts)})
    return [Lot(row.id, row.accounts, row.mrr if row.accounts else Decimal(0), row.holder) for row in found]
