"""Narrowing any list to the accounts at which a member holds a key role, and to organizations: above those, or where
the member holds one at the organization itself."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select

from app.domain.models import KeyRole, Membership


def accounts_of(workspace_id: UUID, holder: UUID) -> Select[Any]:
    """The accounts where this member holds any role."""
    return select(KeyRole.account_id).where(KeyRole.workspace_id == workspace_id, KeyRole.member_id == holder)


def held(workspace_id: UUID, account_id: Any, holder: UUID) -> ColumnElement[bool]:
    """Whether the member holds a role at the account."""
    found: ColumnElement[bool] = account_id.in_(accounts_of(workspace_id, holder))
    return found


def held_user(workspace_id: UUID, user_id: Any, holder: UUID) -> ColumnElement[bool]:
    """Whether the user belongs to such an account."""
    theirs = select(Membership.user_id).where(
        Membership.workspace_id == workspace_id,
        Membership.linked,
        Membership.account_id.in_(accounts_of(workspace_id, holder)),
    )
    found: ColumnElement[bool] = user_id.in_(theirs)
    return found


HELD_ORGANIZATIONS: Final = """ and id in (
    select h.organization_id from key_roles k
    join account_parents h on h.workspace_id = :workspace and h.account_id = k.account_id
    where k.workspace_id = :workspace and k.member_id = :holder
    union all
    select r.organization_id from organization_roles r where r.workspace_id = :workspace and r.member_id = :holder
)"""
"""Whether an organization is such a one, for a text with `:workspace` and `:holder`."""
