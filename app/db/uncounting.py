"""Taking a deleted user out of what was counted: their days, and their part of the totals."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text

from app.db.base import Session, rows

FIRST: Final = {"record": str(UUID(int=0)), "measure": 0, "day": "0001-01-01", "user": str(UUID(int=0))}

# No index leads to a user's days: those of the workspace are looked through in the order of their key, a bounded number
# at a time.
_SLICE: Final = text(
    """
with slice as materialized (
    select record_id, measure_id, day, user_id from measure_days
    where workspace_id = :workspace and (record_id, measure_id, day, user_id)
        > (cast(:record as uuid), cast(:measure as bigint), cast(cast(:day as text) as date), cast(:user as uuid))
    order by record_id, measure_id, day, user_id
    limit :limit
),
last as (
    select record_id, measure_id, day, user_id from slice
    order by record_id desc, measure_id desc, day desc, user_id desc limit 1
),
gone as (
    delete from measure_days d using slice s
    where d.workspace_id = :workspace and s.user_id = :subject and d.record_id = s.record_id
        and d.measure_id = s.measure_id and d.day = s.day and d.user_id = s.user_id
    returning d.record_id, d.measure_id, d.day, d.count
)
select l.record_id, l.measure_id, l.day, l.user_id, (select count(*) from slice) as seen,
    coalesce((
        select jsonb_agg(g) from (
            select record_id, measure_id, sum(count) as n, array_agg(day) as days, count(*) as rows from gone
            group by record_id, measure_id
        ) g
    ), '[]') as gone
from last l
"""
)
_PARTS: Final = """
(select record_id, measure_id, n, days from jsonb_to_recordset(cast(:gone as jsonb))
    as t (record_id uuid, measure_id bigint, n numeric, days date[]))
"""
_LOCK: Final = text(
    f"""
select from measure_totals t join {_PARTS} g using (record_id, measure_id)
where t.workspace_id = :workspace
order by t.record_id, t.measure_id
for update of t
"""
)
# Where the first or last was on a day of theirs, it is that of the events that are left; where those are not stored any
# more, or only some events of a name are counted, it is the day.
_EDGE: Final = """
case when (t.{column} at time zone 'UTC')::date <> all(g.days) then t.{column} else coalesce(
    (
        select {least}(e.occurred_at) from events e
        where e.workspace_id = :workspace and m.filter is null and e.name = m.name
            and (e.account_id = t.record_id or (e.account_id is null and e.organization_id = t.record_id))
            and e.occurred_at >= d.{day}::timestamp at time zone 'UTC'
            and e.occurred_at < (d.{day} + 1)::timestamp at time zone 'UTC'
            and e.user_id is distinct from :subject
    ),
    d.{day}::timestamp at time zone 'UTC'
) end
"""
_UPDATE: Final = text(
    f"""
update measure_totals t set
    count = t.count - g.n,
    first_at = {_EDGE.format(column="first_at", least="min", day="first_day")},
    last_at = {_EDGE.format(column="last_at", least="max", day="last_day")}
from {_PARTS} g
join measures m on m.workspace_id = :workspace and m.id = g.measure_id
cross join lateral (
    select min(x.day) as first_day, max(x.day) as last_day from measure_days x
    where x.workspace_id = :workspace and x.record_id = g.record_id and x.measure_id = g.measure_id
) d
where t.workspace_id = :workspace and t.record_id = g.record_id and t.measure_id = g.measure_id
    and d.first_day is not null
"""  # noqa: S608 - constants
)
_DELETE: Final = text(
    f"""
delete from measure_totals t using {_PARTS} g
where t.workspace_id = :workspace and t.record_id = g.record_id and t.measure_id = g.measure_id
    and not exists (
        select from measure_days x
        where x.workspace_id = :workspace and x.record_id = g.record_id and x.measure_id = g.measure_id
    )
"""  # noqa: S608 - constants
)
_MARK: Final = text(
    f"""
with touched as materialized (select distinct g.record_id as id from {_PARTS} g),
marked as (
    insert into dirty_records (workspace_id, subject, record_id)
    select o.workspace_id, 'organizations', o.id from organizations o join touched using (id)
    where o.workspace_id = :workspace
)
insert into dirty_accounts (workspace_id, account_id)
select a.workspace_id, a.id from accounts a join touched using (id) where a.workspace_id = :workspace
"""  # noqa: S608 - constants
)


async def forget(
    db: Session, workspace_id: UUID, user_id: UUID, *, after: Mapping[str, Any], limit: int
) -> tuple[Mapping[str, Any] | None, int, int]:
    """Delete a user's days among the next `limit` of the workspace, and take them off the totals.

    Where to go on, None at the end; how many days, and of how many totals. What is left is evaluated anew.
    """
    asked = {"workspace": workspace_id, "subject": user_id, "limit": limit, **after}
    found = next(iter(rows(await db.execute(_SLICE, asked))), None)
    if found is None:
        return None, 0, 0
    gone = found["gone"]
    if gone:
        named = {"workspace": workspace_id, "gone": orjson.dumps(gone).decode()}
        await db.execute(_LOCK, named)
        await db.execute(_UPDATE, named | {"subject": user_id})
        await db.execute(_DELETE, named)
        await db.execute(_MARK, named)
    place = {
        "record": str(found["record_id"]),
        "measure": found["measure_id"],
        "day": found["day"].isoformat(),
        "user": str(found["user_id"]),
    }
    days = sum(one["rows"] for one in gone)
    return place if found["seen"] == limit else None, days, len(gone)
