"""Data-access groups as rows, and which of them may see what, written beside each account and organization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, union, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.db.base import Session, rows
from app.domain.models import (
    AccessGroup,
    Account,
    AccountParent,
    GroupAccount,
    GroupMember,
    GroupParent,
    Member,
    Organization,
)

Kind = Literal["members", "accounts", "organizations"]


@dataclass(frozen=True, slots=True)
class _Part:
    """Where one kind of what a group has is kept, and what is shown of it."""

    table: Any
    column: str
    record: Any
    shown: Sequence[Any]

    @property
    def id(self) -> Any:
        return getattr(self.table, self.column)


_PARTS: Final[Mapping[Kind, _Part]] = {
    "members": _Part(GroupMember, "member_id", Member, [Member.id, Member.name, Member.email]),
    "accounts": _Part(GroupAccount, "account_id", Account, [Account.id, Account.name, Account.external_id]),
    "organizations": _Part(
        GroupParent, "organization_id", Organization, [Organization.id, Organization.name, Organization.external_id]
    ),
}

# Nothing is written where it stands already; without any group there is nothing to look for.
_REFRESH: Final = text(
    """
update account_facts f set access_groups = d.groups
from (
    select a.id, coalesce(array_agg(distinct s.group_id) filter (where s.group_id is not null), '{}') as groups
    from unnest(cast(:accounts as uuid[])) as a (id)
    left join lateral (
        select g.group_id from group_accounts g where g.workspace_id = :workspace and g.account_id = a.id
        union
        select g.group_id from account_parents p
        join group_parents g on g.workspace_id = :workspace and g.organization_id = p.organization_id
        where p.workspace_id = :workspace and p.account_id = a.id
    ) s on true
    group by a.id
) d
where f.workspace_id = :workspace and f.account_id = d.id and f.access_groups is distinct from d.groups
"""
)
_REFRESH_PARENTS: Final = text(
    """
update organizations o set access_groups = d.groups
from (
    select a.id, coalesce(array_agg(g.group_id order by g.group_id) filter (where g.group_id is not null), '{}')
        as groups
    from unnest(cast(:parents as uuid[])) as a (id)
    left join group_parents g on g.workspace_id = :workspace and g.organization_id = a.id
    group by a.id
) d
where o.workspace_id = :workspace and o.id = d.id and o.access_groups is distinct from d.groups
"""
)


async def lock(db: Session, workspace_id: UUID) -> None:
    """Let one transaction at a time say who sees what."""
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:name, 1))"), {"name": str(workspace_id)})


async def groups(db: Session, workspace_id: UUID) -> Sequence[Mapping[str, Any]]:
    """All groups, by name, with how much each has."""
    counts = [
        select(func.count())
        .where(part.table.workspace_id == AccessGroup.workspace_id, part.table.group_id == AccessGroup.id)
        .scalar_subquery()
        .label(kind)
        for kind, part in _PARTS.items()
    ]
    wanted = (
        select(AccessGroup.id, AccessGroup.name, AccessGroup.created_at, *counts)
        .where(AccessGroup.workspace_id == workspace_id)
        .order_by(func.lower(AccessGroup.name), AccessGroup.id)
    )
    return rows(await db.execute(wanted))


async def one(db: Session, workspace_id: UUID, group_id: UUID) -> Mapping[str, Any] | None:
    """One group."""
    return next((group for group in await groups(db, workspace_id) if group["id"] == group_id), None)


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Store a new group."""
    await db.execute(insert(AccessGroup).values(workspace_id=workspace_id, **values))


async def rename(db: Session, workspace_id: UUID, group_id: UUID, name: str) -> None:
    """Call it something else."""
    await db.execute(
        update(AccessGroup)
        .where(AccessGroup.workspace_id == workspace_id, AccessGroup.id == group_id)
        .values(name=name)
    )


async def remove(db: Session, workspace_id: UUID, group_id: UUID) -> None:
    """A group goes, and with it what it had."""
    await db.execute(delete(AccessGroup).where(AccessGroup.workspace_id == workspace_id, AccessGroup.id == group_id))


async def put(db: Session, workspace_id: UUID, group_id: UUID, kind: Kind, id_: UUID) -> bool:
    """Give a group one more; whether it had it not."""
    part = _PARTS[kind]
    values = {"workspace_id": workspace_id, "group_id": group_id, part.column: id_}
    made = await db.execute(upsert(part.table).values(values).on_conflict_do_nothing().returning(part.id))
    return made.first() is not None


async def take(db: Session, workspace_id: UUID, group_id: UUID, kind: Kind, id_: UUID) -> bool:
    """Take one from a group; whether it had it."""
    part = _PARTS[kind]
    gone = delete(part.table).where(
        part.table.workspace_id == workspace_id, part.table.group_id == group_id, part.id == id_
    )
    return (await db.execute(gone.returning(part.id))).first() is not None


async def listed(
    db: Session, workspace_id: UUID, group_id: UUID, kind: Kind, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """What a group has of one kind, in the order of ids."""
    part = _PARTS[kind]
    wanted = (
        select(*part.shown)
        .join(part.table, (part.table.workspace_id == part.record.workspace_id) & (part.id == part.record.id))
        .where(part.table.workspace_id == workspace_id, part.table.group_id == group_id)
        .order_by(part.record.id)
        .limit(limit)
    )
    if after is not None:
        wanted = wanted.where(part.record.id > after)
    return rows(await db.execute(wanted))


async def children(db: Session, workspace_id: UUID, organization_ids: Sequence[UUID]) -> list[UUID]:
    """The accounts that belong to these organizations."""
    wanted = select(AccountParent.account_id).where(
        AccountParent.workspace_id == workspace_id, AccountParent.organization_id.in_(organization_ids)
    )
    return list(await db.scalars(wanted.order_by(AccountParent.account_id)))


async def parents_of(db: Session, workspace_id: UUID, group_id: UUID) -> list[UUID]:
    """The organizations a group restricts."""
    wanted = select(GroupParent.organization_id).where(
        GroupParent.workspace_id == workspace_id, GroupParent.group_id == group_id
    )
    return list(await db.scalars(wanted))


async def accounts_of(db: Session, workspace_id: UUID, group_id: UUID) -> list[UUID]:
    """The accounts a group restricts, itself or through their organization."""
    itself = select(GroupAccount.account_id).where(
        GroupAccount.workspace_id == workspace_id, GroupAccount.group_id == group_id
    )
    through = (
        select(AccountParent.account_id)
        .join(
            GroupParent,
            (GroupParent.workspace_id == AccountParent.workspace_id)
            & (GroupParent.organization_id == AccountParent.organization_id),
        )
        .where(AccountParent.workspace_id == workspace_id, GroupParent.group_id == group_id)
    )
    return sorted(await db.scalars(union(itself, through)))


async def refresh(db: Session, workspace_id: UUID, account_ids: Sequence[UUID]) -> None:
    """Write down which groups may see these accounts, whose facts must be locked."""
    await db.execute(_REFRESH, {"workspace": workspace_id, "accounts": list(account_ids)})


async def refresh_parents(db: Session, workspace_id: UUID, organization_ids: Sequence[UUID]) -> None:
    """Write down which groups may see these organizations."""
    await db.execute(_REFRESH_PARENTS, {"workspace": workspace_id, "parents": list(organization_ids)})
