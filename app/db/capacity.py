"""How much each of the staff looks after, as one statement over a page of members."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows

# An account that is churned or ignored is counted among those held, but it is nobody's work nor revenue.
_FIGURES: Final = """
    count(*) as accounts,
    count(*) filter (where coalesce(f.status, 'subscribed') in ('subscribed', 'trial')) as active_accounts,
    coalesce(sum(f.mrr) filter (where f.status in ('subscribed', 'trial')), 0) as mrr
"""
_CAPACITY: Final = text(
    f"""
select m.id, m.name, m.email, d.accounts, d.active_accounts, d.mrr, coalesce(r.roles, '[]') as roles,
    coalesce(w.alerts, 0) as open_alerts
from (
    select id, name, email from members
    where workspace_id = :workspace and (cast(:after as uuid) is null or id > :after)
        and case when cast(:member as uuid) is null then deactivated_at is null else id = :member end
    order by id limit :limit
) m
cross join lateral (
    select {_FIGURES}
    from (select distinct account_id from key_roles where workspace_id = :workspace and member_id = m.id) k
    left join account_facts f on f.workspace_id = :workspace and f.account_id = k.account_id
) d
left join lateral (
    select jsonb_agg(jsonb_build_object('role', x.role, 'accounts', x.accounts, 'activeAccounts', x.active_accounts,
        'mrr', x.mrr) order by x.role) as roles
    from (
        select k.role, {_FIGURES}
        from key_roles k
        left join account_facts f on f.workspace_id = :workspace and f.account_id = k.account_id
        where k.workspace_id = :workspace and k.member_id = m.id
        group by k.role
    ) x
) r on true
left join (
    select assignee_member_id, count(*) as alerts from alerts
    where workspace_id = :workspace and resolved_at is null and assignee_member_id is not null
    group by assignee_member_id
) w on w.assignee_member_id = m.id
order by m.id
"""  # noqa: S608 - the only text put together here is ours
)


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, member_id: UUID | None = None
) -> Sequence[Mapping[str, Any]]:
    """What each active member carries, in the order they were added; or just the one, active or not."""
    values = {"workspace": workspace_id, "after": after, "member": member_id, "limit": limit}
    return rows(await db.execute(_CAPACITY, values))
