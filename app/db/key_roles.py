"""Who of the staff holds which role at an account or organization, and every change of it, as rows."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from app.db.base import Session, rows
from app.db.role_tables import CHANGES, HELD, ID, for_each
from app.domain.fields import Subject
from app.domain.models import Member
from app.domain.roles import Cause

ACCOUNTS: Final = Subject.ACCOUNTS


async def held_at(
    db: Session, workspace_id: UUID, record_id: UUID, *, subject: Subject = ACCOUNTS
) -> Sequence[Mapping[str, Any]]:
    """The roles held at a record, with who holds them."""
    held = HELD[subject]
    query = (
        select(held.role, held.source, held.assigned_at, held.assigned_by, Member.id, Member.name, Member.email)
        .join(Member, (Member.workspace_id == held.workspace_id) & (Member.id == held.member_id))
        .where(held.workspace_id == workspace_id, getattr(held, ID[subject]) == record_id)
        .order_by(held.role.desc())
    )
    return rows(await db.execute(query))


# What does not move is not written; what moves is written with its line of history, in the order it was asked for.
_ASSIGN: Final = for_each(
    """
with wanted as materialized (
    select t.{id}, t.member_id, t.place
    from unnest(cast(:records as uuid[]), cast(:members as uuid[])) with ordinality as t ({id}, member_id, place)
),
moved as materialized (
    select w.{id}, w.place, w.member_id as now_held, k.member_id as was_held
    from wanted w
    left join {held} k on k.workspace_id = :workspace and k.{id} = w.{id} and k.role = :role
    where w.member_id is distinct from k.member_id
),
gone as (
    delete from {held} k using moved m
    where k.workspace_id = :workspace and k.{id} = m.{id} and k.role = :role and m.now_held is null
),
given as (
    insert into {held} (workspace_id, {id}, role, member_id, source, assigned_at, assigned_by)
    select :workspace, {id}, :role, now_held, :source, :now, :by from moved where now_held is not null
    order by {id}
    on conflict (workspace_id, {id}, role) do update set
        member_id = excluded.member_id, source = excluded.source, assigned_at = excluded.assigned_at,
        assigned_by = excluded.assigned_by
)
insert into {changes} (
    workspace_id, {id}, role, from_member_id, to_member_id, source, changed_by, changed_at
)
select :workspace, {id}, :role, was_held, now_held, :source, :by, :now from moved order by place
returning {id}
"""
)

_RELEASE_ALL: Final = for_each(
    """
with gone as (
    delete from {held} where workspace_id = :workspace and member_id = :member
    returning {id}, role
),
void as (
    update {said} t set chosen = false, chosen_with = null from gone g
    where t.workspace_id = :workspace and t.{id} = g.{id} and t.role = g.role
)
insert into {changes} (
    workspace_id, {id}, role, from_member_id, to_member_id, source, changed_by, changed_at
)
select :workspace, {id}, role, :member, null, :source, :by, :now from gone order by {id}, role
returning {id}
"""
)

_REFRESH: Final = for_each(
    """
update {facts} f set key_roles = d.roles, role_holders = d.holders,
    csm_id = (d.roles ->> 'csm')::uuid, account_executive_id = (d.roles ->> 'account_executive')::uuid
from (
    select t.{id},
        coalesce(jsonb_object_agg(k.role, k.member_id) filter (where k.role is not null), '{{}}') as roles,
        coalesce(array_agg(distinct k.member_id) filter (where k.role is not null), '{{}}') as holders
    from unnest(cast(:records as uuid[])) as t ({id})
    left join {held} k on k.workspace_id = :workspace and k.{id} = t.{id}
    group by t.{id}
) d
where f.workspace_id = :workspace and f.{id} = d.{id}
    and (f.key_roles, f.role_holders, f.csm_id, f.account_executive_id) is distinct from
        (d.roles, d.holders, (d.roles ->> 'csm')::uuid, (d.roles ->> 'account_executive')::uuid)
"""
)

_HOLDERS: Final = for_each(
    """
select {id} as record_id, member_id from {held}
where workspace_id = :workspace and role = :role and {id} = any(cast(:records as uuid[]))
"""
)


async def assign(
    db: Session,
    workspace_id: UUID,
    role: str,
    wanted: Mapping[UUID, UUID | None],
    cause: Cause,
    *,
    subject: Subject = ACCOUNTS,
) -> list[UUID]:
    """Give a role to a member per record, or (None) to nobody; the records where that changed something."""
    values = {
        "workspace": workspace_id,
        "role": role,
        "records": list(wanted),
        "members": list(wanted.values()),
        "source": cause.source.value,
        "by": cause.by,
        "now": cause.now,
    }
    return list((await db.execute(_ASSIGN[subject], values)).scalars())


async def hold_members(db: Session, workspace_id: UUID, members: Collection[UUID]) -> set[UUID]:
    """Those of these members who are active, and stay so until this transaction ends."""
    if not members:
        return set()
    query = select(Member.id).where(
        Member.workspace_id == workspace_id, Member.id.in_(members), Member.deactivated_at.is_(None)
    )
    return set(await db.scalars(query.order_by(Member.id).with_for_update(read=True)))


async def held_by(db: Session, workspace_id: UUID, member_id: UUID, *, subject: Subject = ACCOUNTS) -> list[UUID]:
    """The records at which a member holds any role."""
    held = HELD[subject]
    query = select(getattr(held, ID[subject])).where(held.workspace_id == workspace_id, held.member_id == member_id)
    return list(await db.scalars(query.distinct()))


async def release_all(
    db: Session, workspace_id: UUID, member_id: UUID, cause: Cause, *, subject: Subject = ACCOUNTS
) -> list[UUID]:
    """Take every role from a member, so that no choice of them stands any more; the records concerned."""
    values = {"source": cause.source.value, "by": cause.by, "now": cause.now}
    gone = await db.execute(_RELEASE_ALL[subject], {"workspace": workspace_id, "member": member_id, **values})
    return sorted(set(gone.scalars()))


async def refresh(db: Session, workspace_id: UUID, records: Sequence[UUID], *, subject: Subject = ACCOUNTS) -> None:
    """Copy who holds which role to the facts of these records, where it differs."""
    await db.execute(_REFRESH[subject], {"workspace": workspace_id, "records": list(records)})


async def holders(
    db: Session, workspace_id: UUID, role: str, records: Sequence[UUID], *, subject: Subject = ACCOUNTS
) -> Mapping[UUID, UUID]:
    """Who holds a role at each of these records; those where nobody does are left out."""
    asked = {"workspace": workspace_id, "role": role, "records": list(records)}
    return {row.record_id: row.member_id for row in await db.execute(_HOLDERS[subject], asked)}


async def history(
    db: Session,
    workspace_id: UUID,
    record_id: UUID,
    *,
    before: int | None,
    limit: int,
    role: str | None = None,
    subject: Subject = ACCOUNTS,
) -> Sequence[Mapping[str, Any]]:
    """Changes of the roles at a record, or of one role, the newest first."""
    change, before_, after_ = CHANGES[subject], aliased(Member), aliased(Member)
    query = (
        select(
            change.id,
            change.role,
            change.source,
            change.changed_by,
            change.changed_at,
            *(getattr(before_, part).label(f"from_{part}") for part in ("id", "name", "email")),
            *(getattr(after_, part).label(f"to_{part}") for part in ("id", "name", "email")),
        )
        .outerjoin(before_, (before_.workspace_id == change.workspace_id) & (before_.id == change.from_member_id))
        .outerjoin(after_, (after_.workspace_id == change.workspace_id) & (after_.id == change.to_member_id))
        .where(change.workspace_id == workspace_id, getattr(change, ID[subject]) == record_id)
        .order_by(change.id.desc())
        .limit(limit)
    )
    if role is not None:
        query = query.where(change.role == role)
    return rows(await db.execute(query if before is None else query.where(change.id < before)))
