"""Who of an account's or organization's users was active lately, and when messages last went either way."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session
from app.domain.fields import Subject
from app.domain.matching import digest
from app.domain.messages import RECEIVED, SENT

DAYS: Final = 30
"""A user is active for this long: from a day on which they did anything, today included."""

_UPDATE: Final = """
changed as (
    update {table} f set
        active_users = d.active_users, active_user_share = d.active_user_share,
        last_received_at = d.last_received_at, last_sent_at = d.last_sent_at
    from (
        select o.{id} as id, coalesce(a.users, 0) as active_users,
            round(100.0 * coalesce(a.users, 0) / nullif(o.users, 0), 2) as active_user_share,
            t.last_received_at, t.last_sent_at
        from {table} o
        left join active a on a.id = o.{id}
        left join talked t on t.id = o.{id}
        where o.workspace_id = :workspace and o.{id} = any(cast(:records as uuid[]))
    ) d
    where f.workspace_id = :workspace and f.{id} = d.id
        and (f.active_users, f.active_user_share, f.last_received_at, f.last_sent_at)
        is distinct from (d.active_users, d.active_user_share, d.last_received_at, d.last_sent_at)
)
select id, (first_on + cast(:days as int))::timestamp at time zone 'UTC' as leaves_at from active
"""
_OWN_TALK: Final = """
select t.record_id as id, max(t.last_at) filter (where m.digest = :received) as last_received_at,
    max(t.last_at) filter (where m.digest = :sent) as last_sent_at
from measures m
join measure_totals t on t.workspace_id = :workspace and t.measure_id = m.id
    and t.record_id = any(cast(:records as uuid[]))
where m.workspace_id = :workspace and m.digest in (:received, :sent)
group by t.record_id
"""
_ACCOUNTS: Final = f"""
with active as materialized (
    select m.account_id as id, count(*) as users, min(m.last_active_on) as first_on
    from memberships m
    where m.workspace_id = :workspace and m.account_id = any(cast(:records as uuid[])) and m.linked
        and m.last_active_on > cast(:today as date) - cast(:days as int)
    group by m.account_id
),
talked as materialized ({_OWN_TALK}),
{_UPDATE.format(table="account_facts", id="account_id")}
"""  # noqa: S608 - put together from constants
# An organization's users are those of its accounts and those linked to it directly, each once; what they did at any of
# its accounts counts, and what they did at the organization itself.
_ORGANIZATIONS: Final = f"""
with own as materialized (
    select t.record_id as id, d.user_id, max(d.day) as day
    from measure_totals t
    join measures m on m.workspace_id = :workspace and m.id = t.measure_id and m.filter is null
        and m.digest not in (:received, :sent)
    join measure_days d on d.workspace_id = :workspace and d.record_id = t.record_id and d.measure_id = t.measure_id
        and d.day > cast(:today as date) - cast(:days as int)
    where t.workspace_id = :workspace and t.record_id = any(cast(:records as uuid[]))
    group by t.record_id, d.user_id
),
active as materialized (
    select p.id, count(*) as users, min(p.day) as first_on
    from (
        select b.id, b.user_id, max(b.day) as day
        from (
            select p.organization_id as id, m.user_id, m.last_active_on as day
            from account_parents p
            join memberships m on m.workspace_id = :workspace and m.account_id = p.account_id and m.linked
                and m.last_active_on > cast(:today as date) - cast(:days as int)
            where p.workspace_id = :workspace and p.organization_id = any(cast(:records as uuid[]))
            union all
            select o.id, o.user_id, o.day from own o
            join affiliations l on l.workspace_id = :workspace and l.organization_id = o.id and l.user_id = o.user_id
        ) b
        group by b.id, b.user_id
    ) p
    group by p.id
),
theirs as materialized (
    select p.organization_id as id, max(f.last_received_at) as last_received_at, max(f.last_sent_at) as last_sent_at
    from account_parents p
    join account_facts f on f.workspace_id = :workspace and f.account_id = p.account_id
    where p.workspace_id = :workspace and p.organization_id = any(cast(:records as uuid[]))
    group by p.organization_id
),
talked as materialized (
    select t.id, max(t.last_received_at) as last_received_at, max(t.last_sent_at) as last_sent_at
    from (select id, last_received_at, last_sent_at from theirs union all ({_OWN_TALK})) t
    group by t.id
),
{_UPDATE.format(table="organization_facts", id="organization_id")}
"""  # noqa: S608 - put together from constants
_REFRESH: Final = {Subject.ACCOUNTS: text(_ACCOUNTS), Subject.ORGANIZATIONS: text(_ORGANIZATIONS)}


async def refresh(
    db: Session, workspace_id: UUID, subject: Subject, records: Sequence[UUID], *, now: datetime
) -> Mapping[UUID, datetime]:
    """Bring active users and last messages of these records up to date; when the next user of each ceases to be active.

    A user ceases to be active at midnight UTC, thirty days after the last day on which they did anything.
    """
    asked: dict[str, Any] = {"workspace": workspace_id, "records": list(records), "today": now.astimezone(UTC).date()}
    asked |= {"days": DAYS, "received": digest(RECEIVED), "sent": digest(SENT)}
    return {row.id: row.leaves_at for row in await db.execute(_REFRESH[subject], asked)}
