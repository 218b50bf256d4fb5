"""Counts the elements of many records in one statement; rows that agree are not written."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.db.elements import FACTS
from app.domain.elements import MOST_COUNTED, Role
from app.domain.fields import Subject


@dataclass(frozen=True, slots=True)
class Counted:
    """An element as it is counted: by its instances, or by the totals of the measures of its events."""

    id: UUID
    slug: str
    by_instance: bool
    measures: Sequence[tuple[Role, int]] = ()


# An element that tells no instances apart is as many as its creations exceed its disablings. No order of events changes
# the sums. Each record is read once, whatever the number of elements, and by its key (`offset 0`), whatever is known of
# the size of tables. What is left of an element as it was defined before takes no room from what counts now.
_OWN: Final = """
    select r.id, k.slug,
        greatest(0, sum(case k.role when 'create' then t.count when 'disable' then -t.count else 0 end)) as count,
        min(t.first_at) filter (where k.role = 'create') as first_at,
        max(t.last_at) filter (where k.role <> 'disable') as last_at
    from unnest(cast(:records as uuid[])) as r (id)
    cross join lateral (
        select x.measure_id, x.count, x.first_at, x.last_at from measure_totals x
        where x.workspace_id = :workspace and x.record_id = r.id and x.measure_id = any(cast(:measures as bigint[]))
        offset 0
    ) t
    join unnest(cast(:measures as bigint[]), cast(:measured as text[]), cast(:roles as text[]))
        as k (measure, slug, role) on k.measure = t.measure_id
    group by r.id, k.slug
    union all
    select r.id, e.slug, count(*) filter (where i.enabled_at > coalesce(i.disabled_at, '-infinity')), min(i.first_at),
        max(i.last_at)
    from unnest(cast(:records as uuid[])) as r (id)
    cross join lateral (
        select x.element_id, x.enabled_at, x.disabled_at, x.first_at, x.last_at from element_instances x
        where x.workspace_id = :workspace and x.record_id = r.id and x.element_id = any(cast(:elements as uuid[]))
        order by x.element_id, x.instance
        limit :most
    ) i
    join unnest(cast(:elements as uuid[]), cast(:slugs as text[])) as e (id, slug) on e.id = i.element_id
    group by r.id, e.slug
"""
# An organization has what its accounts have, as they were evaluated last: it is evaluated whenever one of them was.
_BELOW: Final = """
    union all
    select r.id, n.slug, sum((f.elements ->> n.slug)::numeric), min((f.element_firsts ->> n.slug)::timestamptz),
        max((f.element_lasts ->> n.slug)::timestamptz)
    from unnest(cast(:records as uuid[])) as r (id)
    join account_parents p on p.workspace_id = :workspace and p.organization_id = r.id
    join account_facts f on f.workspace_id = :workspace and f.account_id = p.account_id
    join jsonb_object_keys(cast(:nothing as jsonb)) as n (slug) on f.elements ? n.slug
    group by r.id, n.slug
"""
_REFRESH: Final = {
    subject: text(
        f"""
with parts as ({_OWN}{below}),
sums as (
    select id, slug, sum(count) as count, min(first_at) as first_at, max(last_at) as last_at
    from parts group by id, slug
),
d as materialized (
    select r.id,
        cast(:nothing as jsonb)
            || coalesce(jsonb_object_agg(s.slug, s.count) filter (where s.slug is not null), '{{}}') as counts,
        coalesce(jsonb_object_agg(s.slug, s.first_at) filter (where s.first_at is not null), '{{}}') as firsts,
        coalesce(jsonb_object_agg(s.slug, s.last_at) filter (where s.last_at is not null), '{{}}') as lasts,
        count(*) filter (where s.count > 0) as used
    from unnest(cast(:records as uuid[])) as r (id)
    left join sums s on s.id = r.id
    group by r.id
)
update {table} f set
    elements = d.counts, element_firsts = d.firsts, element_lasts = d.lasts, elements_used = d.used
from d
where f.workspace_id = :workspace and f.{id_} = any(cast(:records as uuid[])) and f.{id_} = d.id
    and (f.elements, f.element_firsts, f.element_lasts, f.elements_used)
    is distinct from (d.counts, d.firsts, d.lasts, d.used)
"""  # noqa: S608 - put together from constants
    )
    for subject, (table, id_) in FACTS.items()
    for below in (_BELOW if subject is Subject.ORGANIZATIONS else "",)
}
_IDS: Final = text(
    "select digest, id from measures where workspace_id = :workspace and digest = any(cast(:digests as uuid[]))"
)
_TOTALS: Final = text(
    "select measure_id, count, first_at, last_at from measure_totals "
    "where workspace_id = :workspace and record_id = :record and measure_id = any(cast(:measures as bigint[]))"
)
_PARTS: Final = text(
    """
select p.account_id, (f.elements ->> :slug)::bigint as count, (f.element_firsts ->> :slug)::timestamptz as first_at,
    (f.element_lasts ->> :slug)::timestamptz as last_at
from account_parents p
join account_facts f on f.workspace_id = :workspace and f.account_id = p.account_id
where p.workspace_id = :workspace and p.organization_id = :record and f.elements ? :slug
order by count desc, p.account_id
limit :limit
"""
)


def _known(counted: Sequence[Counted]) -> dict[str, Any]:
    by_instance = [one for one in counted if one.by_instance]
    roles = [(measure, one.slug, role.value) for one in counted for role, measure in one.measures]
    return {
        "most": MOST_COUNTED,
        "nothing": json.dumps({one.slug: 0 for one in counted}),
        "elements": [one.id for one in by_instance],
        "slugs": [one.slug for one in by_instance],
        "measures": [measure for measure, _, _ in roles],
        "measured": [slug for _, slug, _ in roles],
        "roles": [role for _, _, role in roles],
    }


async def refresh(
    db: Session, workspace_id: UUID, subject: Subject, records: Sequence[UUID], counted: Sequence[Counted]
) -> None:
    """Bring counts, dates and the number of elements in use up to date. The caller holds the facts locked."""
    asked = _known(counted) | {"workspace": workspace_id, "records": list(records)}
    await db.execute(_REFRESH[subject], asked)


async def measures(db: Session, workspace_id: UUID, digests: Collection[UUID]) -> Mapping[UUID, int]:
    """The measures behind these digests; events that never came have none."""
    found = await db.execute(_IDS, {"workspace": workspace_id, "digests": sorted(digests)})
    return {row[0]: row[1] for row in found}


async def totals(
    db: Session, workspace_id: UUID, record_id: UUID, measures: Collection[int]
) -> Mapping[int, Mapping[str, Any]]:
    """What a record has of some measures."""
    asked = {"workspace": workspace_id, "record": record_id, "measures": sorted(measures)}
    return {row["measure_id"]: row for row in rows(await db.execute(_TOTALS, asked))}


async def below(
    db: Session, workspace_id: UUID, organization_id: UUID, slug: str, *, limit: int
) -> Sequence[Mapping[str, Any]]:
    """What the accounts of an organization have of an element, as evaluated last; those that have most come first."""
    asked = {"workspace": workspace_id, "record": organization_id, "slug": slug, "limit": limit}
    return rows(await db.execute(_PARTS, asked))
