"""Organizations: writing what a batch says of them, in one statement; and reading them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text

from app.db import named
from app.db.base import Session, raw, rows
from app.db.holding import HELD_ORGANIZATIONS
from app.db.merging import MERGE, as_json, traits_of
from app.domain import ids
from app.domain.folding import DATA
from app.domain.messages import EventMessage
from app.domain.models import Organization
from app.domain.relations import Relations

# Everything is written in the order of keys, so that two batches about the same things wait for each other. What was
# only mentioned is not touched: accounts name their organization again and again. The organization an account leaves is
# marked by a trigger: the account may leave it unevaluated, and then nothing else remembers that it was ever there.
# Only who overwrites the row knows what it said, as it may be younger than everything else this statement sees.
_APPLY = (
    """
with incoming as materialized (
    select ext, new_id, traits, stamps, first_at, last_at from json_to_recordset($3::json) as t (
        ext text, new_id uuid, traits jsonb, stamps jsonb, first_at timestamptz, last_at timestamptz
    )
),
known as materialized (
    select i.ext, x.id from incoming i
    cross join lateral (select id from organizations where workspace_id = $1 and external_id = i.ext limit 1) x
),
written as (
    insert into organizations as x (
        workspace_id, id, external_id, traits, trait_stamps, first_seen_at, last_seen_at, created_at, updated_at
    )
    select $1, i.new_id, i.ext, coalesce(i.traits, '{}'), coalesce(i.stamps, '{}'), i.first_at, i.last_at, $2, $2
    from incoming i left join known k using (ext)
    where k.id is null or i.stamps is not null or i.last_at is not null
    order by k.id, i.ext
    on conflict (workspace_id, external_id) do update set"""  # noqa: S608 - the only text put together here is ours
    + MERGE
    + """,
        first_seen_at = least(x.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(x.last_seen_at, excluded.last_seen_at),
        updated_at = excluded.updated_at
    returning x.id, x.external_id
),
org as materialized (
    select i.ext, coalesce(k.id, w.id) as id
    from incoming i left join known k using (ext) left join written w on w.external_id = i.ext
),
parents as (
    insert into account_parents as x (workspace_id, account_id, organization_id, stamp)
    select $1, t.account, org.id, t.stamp
    from json_to_recordset($4::json) as t (account uuid, organization text, stamp numeric)
    left join org on org.ext = t.organization
    order by t.account
    on conflict (workspace_id, account_id) do update set
        organization_id = excluded.organization_id, stamp = excluded.stamp
    where excluded.stamp > x.stamp
),
affiliated as (
    insert into affiliations as x (workspace_id, organization_id, user_id, first_linked_at)
    select $1, org.id, t."user", t.at
    from json_to_recordset($5::json) as t (organization text, "user" uuid, at timestamptz)
    join org on org.ext = t.organization
    order by org.id, t."user"
    on conflict (workspace_id, organization_id, user_id) do update set first_linked_at = excluded.first_linked_at
    where excluded.first_linked_at < x.first_linked_at
),
told as (
    insert into trait_history (workspace_id, record_id, stamp, received_at, subject, source, patch)
    select $1, org.id, t.stamp, $2, 'organizations', $8::text, t.patch
    from json_to_recordset($7::json) as t (organization text, stamp numeric, patch jsonb)
    join org on org.ext = t.organization
    order by org.id, t.stamp
    on conflict do nothing
),
happened as (
    insert into events
        (workspace_id, occurred_at, id, account_id, user_id, organization_id, name, properties, received_at)
    select $1, t.at, t.id, t.account, t."user", org.id, t.name, t.properties, $2
    from json_to_recordset($6::json) as t (
        id uuid, at timestamptz, name text, account uuid, "user" uuid, organization text, properties jsonb
    )
    join org on org.ext = t.organization
),
marked as (
    insert into dirty_records (workspace_id, subject, record_id)
    select $1::uuid, 'organizations', org.id from incoming i join org using (ext) left join known k using (ext)
    where k.id is null or i.stamps is not null or i.last_at is not null
        or i.ext in (select t.organization from json_to_recordset($5::json) as t (organization text))
)
select ext, id::text from org
"""
)

_PROFILES = """
select o.id, o.external_id, o.name, o.traits, o.created_at, o.updated_at, a.accounts_count, u.users_count,
    coalesce(steward_organization_mrr(:workspace, o.traits), a.mrr) as mrr,
    least(o.first_seen_at, a.first_seen_at) as first_seen_at, greatest(o.last_seen_at, a.last_seen_at) as last_seen_at
from (
    select id, external_id, name, traits, first_seen_at, last_seen_at, created_at, updated_at from organizations
    where workspace_id = :workspace {where}
    order by id desc limit :limit
) o
cross join lateral (
    select count(*) as accounts_count, sum(case when f.status = 'churned' then f.revenue else f.mrr end) as mrr,
        min(v.first_seen_at) as first_seen_at, max(v.last_seen_at) as last_seen_at
    from account_parents p
    left join account_facts f on f.workspace_id = :workspace and f.account_id = p.account_id
    left join account_activity v on v.workspace_id = :workspace and v.account_id = p.account_id
    where p.workspace_id = :workspace and p.organization_id = o.id
) a
cross join lateral (
    select count(*) as users_count from (
        select m.user_id from account_parents p
        join memberships m on m.workspace_id = :workspace and m.account_id = p.account_id and m.linked
        where p.workspace_id = :workspace and p.organization_id = o.id
        union
        select b.user_id from affiliations b where b.workspace_id = :workspace and b.organization_id = o.id
    ) people
) u
order by o.id desc
"""
_BY_ID = text(_PROFILES.format(where="and id = :id"))


async def apply(
    db: Session,
    workspace_id: UUID,
    told: Relations,
    accounts: Mapping[str, str],
    users: Mapping[str, str],
    now: datetime,
    *,
    source: str | None = DATA,
) -> dict[str, str]:
    """Store what a batch says of organizations; `accounts` and `users` tell the ids of ours of those it names.

    `source` stands in the history of traits; without one, none is kept. Returns the ids of ours of the organizations.
    """
    driver = await raw(db)
    found = await driver.fetch(
        _APPLY,
        workspace_id,
        now,
        as_json(
            {"ext": name, "new_id": ids.new_text(), "first_at": row.first_seen_at, "last_at": row.last_seen_at}
            | traits_of(row)
            for name, row in told.organizations.items()
        ),
        as_json(
            {"account": accounts[account], "organization": parent.value, "stamp": str(parent.stamp)}
            for account, parent in told.parents.items()
        ),
        as_json(
            {"organization": organization, "user": users[user], "at": at}
            for (organization, user), at in told.affiliations.items()
        ),
        as_json(_event(event, accounts, users) for event in told.events),
        as_json(_lines(told) if source is not None else ()),
        source,
    )
    return {row["ext"]: row["id"] for row in found}


def _lines(told: Relations) -> Iterator[dict[str, Any]]:
    for name, party in told.organizations.items():
        for mark, said in party.told.items():
            yield {"organization": name, "stamp": str(mark), "patch": orjson.Fragment(said)}


def _event(event: EventMessage, accounts: Mapping[str, str], users: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": ids.new_text(),
        "at": event.at,
        "name": event.name,
        "account": None if event.account is None else accounts[event.account],
        "user": None if event.user is None else users[event.user],
        "organization": event.organization,
        "properties": orjson.Fragment(event.properties),
    }


async def profile(db: Session, workspace_id: UUID, organization_id: UUID) -> Mapping[str, Any] | None:
    """Everything shown of one organization."""
    found = await db.execute(_BY_ID, {"workspace": workspace_id, "id": organization_id, "limit": 1})
    return next(iter(rows(found)), None)


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, holder: UUID | None = None
) -> Sequence[Mapping[str, Any]]:
    """Organizations with figures over their accounts, the newest first.

    With a holder, those that have an account where this member holds a key role.
    """
    values = {"workspace": workspace_id, "limit": limit}
    chosen = [("", {}) if after is None else ("and id < :after", {"after": after})]
    return await _narrowed(db, values, chosen, holder)


async def by_external_id(
    db: Session, workspace_id: UUID, external_id: str, *, holder: UUID | None = None
) -> Sequence[Mapping[str, Any]]:
    """The organization its sender calls `external_id`, as a list of one or none."""
    chosen = [("and external_id = :external_id", {"external_id": external_id})]
    return await _narrowed(db, {"workspace": workspace_id, "limit": 1}, chosen, holder)


async def _narrowed(
    db: Session, values: Mapping[str, Any], chosen: list[tuple[str, dict[str, Any]]], holder: UUID | None
) -> Sequence[Mapping[str, Any]]:
    if holder is not None:
        chosen = [*chosen, (HELD_ORGANIZATIONS, {"holder": holder})]
    query = _profiles("".join(where for where, _ in chosen))
    return rows(await db.execute(query, {**values, **{name: one for _, more in chosen for name, one in more.items()}}))


@cache
def _profiles(where: str) -> TextClause:
    return text(_PROFILES.format(where=where))


async def id_of(db: Session, workspace_id: UUID, *, by_id: UUID | None, external_id: str) -> UUID | None:
    """The organization with this id, else the one its sender calls `external_id`."""
    return await named.id_of(db, workspace_id, Organization, by_id=by_id, external_id=external_id)
