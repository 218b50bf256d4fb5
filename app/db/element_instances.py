"""The instances of elements, as lists; `db.measures` writes them. What no element counts any more is deleted here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.domain.fields import Subject

# What nobody counts any more, in the order of keys.
_SWEEP: Final = text(
    """
with looked_at as materialized (
    select record_id from element_instances
    where workspace_id = :workspace and (cast(:after as uuid) is null or record_id > :after)
    order by record_id
    limit :limit
),
edge as (
    select record_id as id from looked_at order by record_id desc limit 1
),
gone as (
    delete from element_instances i using edge
    where i.workspace_id = :workspace and i.record_id <= edge.id
        and (cast(:after as uuid) is null or i.record_id > :after)
        and not exists (
            select from elements e
            where e.workspace_id = :workspace and e.counted_as = i.element_id and e.archived_at is null
                and e.definition ->> 'instanceProperty' is not null
        )
)
select id from edge
"""
)

# One record after the other, each in the order of its key: a page costs what it shows.
_RECORDS: Final = {
    Subject.ACCOUNTS: "select cast(:record as uuid) as id, cast(:record as uuid) as account",
    Subject.ORGANIZATIONS: """
        select cast(:record as uuid) as id, cast(null as uuid) as account
        union all
        select account_id, account_id from account_parents
        where workspace_id = :workspace and organization_id = :record
        and exists (select from account_facts f where f.workspace_id = :workspace
            and f.account_id = account_parents.account_id)
    """,
}
_PAGE: Final = {
    subject: text(
        f"""
select s.record_id, r.account, s.instance, s.enabled, s.enabled_at, s.disabled_at, s.first_at, s.last_at
from (
    select id, account from ({records}) t where cast(:after as uuid) is null or id >= :after order by id
) r
cross join lateral (
    select i.record_id, i.instance, i.enabled_at, i.disabled_at, i.first_at, i.last_at,
        coalesce(i.enabled_at > coalesce(i.disabled_at, '-infinity'), false) as enabled
    from element_instances i
    where i.workspace_id = :workspace and i.record_id = r.id and i.element_id = :element
        and (cast(:after as uuid) is null or i.record_id > :after or i.instance > :name)
        and (cast(:enabled as boolean) is null
            or coalesce(i.enabled_at > coalesce(i.disabled_at, '-infinity'), false) = :enabled)
    order by i.instance
    limit :limit
) s
order by s.record_id, s.instance
limit :limit
"""  # noqa: S608 - put together from constants
    )
    for subject, records in _RECORDS.items()
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which instances a list is about. `enabled`: only those that are there, or only those that are not."""

    subject: Subject
    record_id: UUID
    element_id: UUID
    enabled: bool | None = None


async def page(
    db: Session, workspace_id: UUID, asked: Asked, *, after: Sequence[Any] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Instances of an element at a record, an organization's accounts included; `after` is a record and an instance."""
    place, name = after or (None, "")
    named = {"workspace": workspace_id, "record": asked.record_id, "element": asked.element_id}
    where = {"enabled": asked.enabled, "after": place, "name": name, "limit": limit}
    return rows(await db.execute(_PAGE[asked.subject], named | where))


async def sweep(db: Session, workspace_id: UUID, *, after: UUID | None, limit: int) -> UUID | None:
    """Delete what no element counts any more of the next records; the last one looked at, None: there are no more."""
    last: UUID | None = await db.scalar(_SWEEP, {"workspace": workspace_id, "after": after, "limit": limit})
    return last
