"""Who of the staff holds which role at an account, and every change of it, as rows."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import aliased

from app.db.base import Session, rows
from app.domain.models import KeyRole, KeyRoleChange, Member
from app.domain.roles import Cause


async def of_account(db: Session, workspace_id: UUID, account_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The roles held at an account, with who holds them."""
    query = (
        select(
            KeyRole.role,
            KeyRole.source,
            KeyRole.assigned_at,
            KeyRole.assigned_by,
            Member.id,
            Member.name,
            Member.email,
        )
        .join(Member, (Member.workspace_id == KeyRole.workspace_id) & (Member.id == KeyRole.member_id))
        .where(KeyRole.workspace_id == workspace_id, KeyRole.account_id == account_id)
        .order_by(KeyRole.role.desc())
    )
    return rows(await db.execute(query))


# What does not move is not written; what moves is written with its line of history, in the order it was asked for.
_ASSIGN = text(
    """
with wanted as materialized (
    select t.account_id, t.member_id, t.place
    from unnest(cast(:accounts as uuid[]), cast(:members as uuid[])) with ordinality as t (account_id, member_id, place)
),
moved as materialized (
    select w.account_id, w.place, w.member_id as now_held, k.member_id as was_held
    from wanted w
    left join key_roles k on k.workspace_id = :workspace and k.account_id = w.account_id and k.role = :role
    where w.member_id is distinct from k.member_id
),
gone as (
    delete from key_roles k using moved m
    where k.workspace_id = :workspace and k.account_id = m.account_id and k.role = :role and m.now_held is null
),
given as (
    insert into key_roles (workspace_id, account_id, role, member_id, source, assigned_at, assigned_by)
    select :workspace, account_id, :role, now_held, :source, :now, :by from moved where now_held is not null
    order by account_id
    on conflict (workspace_id, account_id, role) do update set
        member_id = excluded.member_id, source = excluded.source, assigned_at = excluded.assigned_at,
        assigned_by = excluded.assigned_by
)
insert into key_role_changes (
    workspace_id, account_id, role, from_member_id, to_member_id, source, changed_by, changed_at
)
select :workspace, account_id, :role, was_held, now_held, :source, :by, :now from moved order by place
returning account_id
"""
)

_RELEASE_ALL = text(
    """
with gone as (
    delete from key_roles where workspace_id = :workspace and member_id = :member
    returning account_id, role
),
void as (
    update role_traits t set chosen = false, chosen_with = null from gone g
    where t.workspace_id = :workspace and t.account_id = g.account_id and t.role = g.role
)
insert into key_role_changes (
    workspace_id, account_id, role, from_member_id, to_member_id, source, changed_by, changed_at
)
select :workspace, account_id, role, :member, null, :source, :by, :now from gone order by account_id, role
returning account_id
"""
)

_REFRESH = text(
    """
update account_facts f set key_roles = d.roles, role_holders = d.holders,
    csm_id = (d.roles ->> 'csm')::uuid, account_executive_id = (d.roles ->> 'account_executive')::uuid
from (
    select t.account_id,
        coalesce(jsonb_object_agg(k.role, k.member_id) filter (where k.role is not null), '{}') as roles,
        coalesce(array_agg(distinct k.member_id) filter (where k.role is not null), '{}') as holders
    from unnest(cast(:accounts as uuid[])) as t (account_id)
    left join key_roles k on k.workspace_id = :workspace and k.account_id = t.account_id
    group by t.account_id
) d
where f.workspace_id = :workspace and f.account_id = d.account_id
    and (f.key_roles, f.role_holders, f.csm_id, f.account_executive_id) is distinct from
        (d.roles, d.holders, (d.roles ->> 'csm')::uuid, (d.roles ->> 'account_executive')::uuid)
"""
)


async def assign(
    db: Session, workspace_id: UUID, role: str, wanted: Mapping[UUID, UUID | None], cause: Cause
) -> list[UUID]:
    """Give a role to a member per account, or (None) to nobody; the accounts where that changed something."""
    values = {
        "workspace": workspace_id,
        "role": role,
        "accounts": list(wanted),
        "members": list(wanted.values()),
        "source": cause.source.value,
        "by": cause.by,
        "now": cause.now,
    }
    return list((await db.execute(_ASSIGN, values)).scalars())


async def hold_members(db: Session, workspace_id: UUID, members: Collection[UUID]) -> set[UUID]:
    """Those of these members who are active, and stay so until this transaction ends."""
    if not members:
        return set()
    query = select(Member.id).where(
        Member.workspace_id == workspace_id, Member.id.in_(members), Member.deactivated_at.is_(None)
    )
    return set(await db.scalars(query.order_by(Member.id).with_for_update(read=True)))


async def release_all(db: Session, workspace_id: UUID, member_id: UUID, cause: Cause) -> list[UUID]:
    """Take every role from a member, so that no choice of them stands any more; the accounts concerned."""
    values = {"source": cause.source.value, "by": cause.by, "now": cause.now}
    gone = await db.execute(_RELEASE_ALL, {"workspace": workspace_id, "member": member_id, **values})
    return sorted(set(gone.scalars()))


async def refresh(db: Session, workspace_id: UUID, accounts: Sequence[UUID]) -> None:
    """Copy who holds which role to the facts of these accounts, where it differs."""
    await db.execute(_REFRESH, {"workspace": workspace_id, "accounts": list(accounts)})


async def holders(db: Session, workspace_id: UUID, role: str, accounts: Sequence[UUID]) -> Mapping[UUID, UUID]:
    """Who holds a role at each of these accounts; those where nobody does are left out."""
    query = text(
        "select account_id, member_id from key_roles"
        " where workspace_id = :workspace and role = :role and account_id = any(cast(:accounts as uuid[]))"
    )
    found = await db.execute(query, {"workspace": workspace_id, "role": role, "accounts": list(accounts)})
    return {row.account_id: row.member_id for row in found}


async def history(
    db: Session, workspace_id: UUID, account_id: UUID, *, before: int | None, limit: int, role: str | None = None
) -> Sequence[Mapping[str, Any]]:
    """Changes of the roles at an account, or of one role, the newest first."""
    change, before_, after_ = KeyRoleChange, aliased(Member), aliased(Member)
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
        .where(change.workspace_id == workspace_id, change.account_id == account_id)
        .order_by(change.id.desc())
        .limit(limit)
    )
    if role is not None:
        query = query.where(change.role == role)
    return rows(await db.execute(query if before is None else query.where(change.id < before)))
