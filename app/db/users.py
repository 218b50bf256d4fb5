"""Reading users: one by any of its names, or a page of them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from app.db import named
from app.db.base import Session, rows
from app.db.holding import held_user
from app.domain.models import Account, AccountParent, Affiliation, Membership, Organization, User, UserActivity


async def id_of(db: Session, workspace_id: UUID, *, by_id: UUID | None, external_id: str) -> UUID | None:
    """The user with this id, else the one its sender calls `external_id`."""
    return await named.id_of(db, workspace_id, User, by_id=by_id, external_id=external_id)


def profiles(workspace_id: UUID) -> Select[*tuple[Any, ...]]:
    """Everything shown of users, to be narrowed."""
    return (
        select(
            User.id,
            User.external_id,
            User.name,
            User.email,
            User.traits,
            User.created_at,
            User.updated_at,
            UserActivity.first_seen_at,
            UserActivity.last_seen_at,
            UserActivity.sessions,
            UserActivity.last_received_at,
            UserActivity.last_sent_at,
        )
        .outerjoin(UserActivity, (UserActivity.workspace_id == User.workspace_id) & (UserActivity.user_id == User.id))
        .where(User.workspace_id == workspace_id)
    )


async def profile(db: Session, workspace_id: UUID, user_id: UUID) -> Mapping[str, Any] | None:
    """Everything shown of one user."""
    return next(iter(rows(await db.execute(profiles(workspace_id).where(User.id == user_id)))), None)


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, holder: UUID | None = None
) -> Sequence[Mapping[str, Any]]:
    """Users in the order they were made; those of accounts where a member holds a key role, if one is named."""
    query = profiles(workspace_id).order_by(User.id).limit(limit)
    if holder is not None:
        query = query.where(held_user(workspace_id, User.id, holder))
    if after is not None:
        query = query.where(User.id > after)
    return rows(await db.execute(query))


async def by_external_id(
    db: Session, workspace_id: UUID, external_id: str, *, holder: UUID | None = None
) -> Sequence[Mapping[str, Any]]:
    """The user its sender calls `external_id`, as a list of one or none."""
    query = profiles(workspace_id).where(User.external_id == external_id)
    return rows(await db.execute(query if holder is None else query.where(held_user(workspace_id, User.id, holder))))


async def of_account(
    db: Session, workspace_id: UUID, account_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Users linked to an account, in the order they were made."""
    query = (
        profiles(workspace_id)
        .join(Membership, (Membership.workspace_id == User.workspace_id) & (Membership.user_id == User.id))
        .where(Membership.account_id == account_id, Membership.linked)
        .order_by(User.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(User.id > after)
    return rows(await db.execute(query))


async def accounts_of(db: Session, workspace_id: UUID, user_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The accounts a user is linked to now, oldest link first."""
    query = (
        select(Account.id, Account.external_id, Account.name)
        .join(Membership, (Membership.workspace_id == Account.workspace_id) & (Membership.account_id == Account.id))
        .where(Account.workspace_id == workspace_id, Membership.user_id == user_id, Membership.linked)
        .order_by(Membership.first_linked_at, Account.id)
        .limit(200)
    )
    return rows(await db.execute(query))


async def of_organization(
    db: Session, workspace_id: UUID, organization_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Users linked to an organization or to one of its accounts, in the order they were made."""
    by_account = (
        select(Membership.user_id)
        .join(
            AccountParent,
            (AccountParent.workspace_id == Membership.workspace_id)
            & (AccountParent.account_id == Membership.account_id),
        )
        .where(
            Membership.workspace_id == workspace_id,
            Membership.linked,
            AccountParent.organization_id == organization_id,
        )
    )
    directly = select(Affiliation.user_id).where(
        Affiliation.workspace_id == workspace_id, Affiliation.organization_id == organization_id
    )
    query = profiles(workspace_id).where(User.id.in_(by_account.union(directly))).order_by(User.id).limit(limit)
    if after is not None:
        query = query.where(User.id > after)
    return rows(await db.execute(query))


async def organizations_of(db: Session, workspace_id: UUID, user_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The organizations a user belongs to itself, oldest link first."""
    query = (
        select(Organization.id, Organization.external_id, Organization.name)
        .join(
            Affiliation,
            (Affiliation.workspace_id == Organization.workspace_id) & (Affiliation.organization_id == Organization.id),
        )
        .where(Organization.workspace_id == workspace_id, Affiliation.user_id == user_id)
        .order_by(Affiliation.first_linked_at, Organization.id)
        .limit(200)
    )
    return rows(await db.execute(query))
