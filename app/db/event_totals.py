"""How often each event happened at an account or an organization: in all, lately, and before that."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.domain.fields import Subject

DAYS: Final = 30

_RECORDS: Final = {
    Subject.ACCOUNTS: "select cast(:record as uuid)",
    Subject.ORGANIZATIONS: (
        "select cast(:record as uuid) union all "
        "select account_id from account_parents where workspace_id = :workspace and organization_id = :record"
    ),
}
_PAGE: Final = {
    subject: text(
        f"""
with records as materialized (select array({records}) as ids),
found as materialized (
    select m.id, m.name, sum(t.count) as total, min(t.first_at) as first_at, max(t.last_at) as last_at
    from measure_totals t
    join measures m on m.workspace_id = :workspace and m.id = t.measure_id and m.filter is null
    where t.workspace_id = :workspace and t.record_id = any((select ids from records)::uuid[])
        and (cast(:after as text) is null or m.name > :after)
    group by m.id, m.name
    order by m.name
    limit :limit
)
select f.name as event, cast(f.total as bigint) as total, f.first_at, f.last_at,
    cast(coalesce(d.last_days, 0) as bigint) as last_30_days,
    cast(coalesce(d.previous_days, 0) as bigint) as previous_30_days,
    round(100.0 * (coalesce(d.last_days, 0) - d.previous_days) / d.previous_days, 2) as change_percent
from found f
cross join lateral (
    select sum(x.count) filter (where x.day > cast(:today as date) - cast(:days as int)) as last_days,
        sum(x.count) filter (where x.day <= cast(:today as date) - cast(:days as int)) as previous_days
    from measure_days x
    where x.workspace_id = :workspace and x.record_id = any((select ids from records)::uuid[])
        and x.measure_id = f.id and x.day > cast(:today as date) - 2 * cast(:days as int)
) d
order by f.name
"""  # noqa: S608 - constants
    )
    for subject, records in _RECORDS.items()
}


async def page(
    db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, *, today: date, after: str | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The events of a record by name; an organization's are its own and those of its accounts."""
    asked = {"workspace": workspace_id, "record": record_id, "today": today, "days": DAYS}
    return rows(await db.execute(_PAGE[subject], asked | {"after": after, "limit": limit}))
