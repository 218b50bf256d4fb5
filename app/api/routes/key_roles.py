"""Key roles: who of the staff looks after an account or an organization."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path

from app.api.deps import Assigner, Now, Paged, Reader, Ref, Tx
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.key_roles import (
    KeyRoleChange,
    KeyRoleChangePage,
    KeyRoleIn,
    KeyRoleOut,
    KeyRolesOut,
    PendingRole,
)
from app.db.base import Session
from app.domain.cursors import InvalidCursor
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.domain.roles import Cause, MemberDeactivated, Source, UnknownRole, name_of
from app.services import key_roles
from app.services.accounts import UnknownAccount
from app.services.key_roles import Place, Shown
from app.services.members import UnknownMember
from app.services.organizations import UnknownOrganization

router = Router("key roles")

RoleRef = Annotated[
    str, Path(alias="role", min_length=1, max_length=80, description="A role's name, such as `csm`; see `GET /roles`.")
]


def cause(caller: Caller, now: Any) -> Cause:
    """A person's doing, or a program's."""
    source = Source.API if caller.member_id is None else Source.MANUAL
    return Cause(source, caller.actor, now)


def person(row: Mapping[str, Any], of: str = "") -> dict[str, Any] | None:
    """Who a row names, in short."""
    if row[f"{of}id"] is None:
        return None
    return {part: row[f"{of}{part}"] for part in ("id", "name", "email")}


def _shown(found: Shown) -> KeyRolesOut:
    def named(slug: str) -> dict[str, Any]:
        return {"role": name_of(slug), "label": found.labels.get(slug, slug)}

    parts = ("source", "assigned_at", "assigned_by")
    held = [{**named(row["role"]), "member": person(row), **{part: row[part] for part in parts}} for row in found.held]
    pending = [{**named(one.role), "value": one.value, "reason": reason} for one, reason in found.pending]
    return KeyRolesOut(
        data=[KeyRoleOut.model_validate({**one, "source": Source(one["source"])}) for one in held],
        pending=[PendingRole.model_validate(one) for one in pending],
    )


@router.get("/accounts/{account}/key-roles", operation_id="listKeyRoles", responses=problems(UnknownAccount))
async def list_key_roles(account: Ref, caller: Reader, tx: Tx) -> KeyRolesOut:
    """Who holds which role at the account; and where a mapped trait names nobody who could, what it says."""
    return _shown(await key_roles.show(tx, caller.workspace_id, Place(Subject.ACCOUNTS, account)))


@router.get(
    "/accounts/{account}/key-roles/history",
    operation_id="listKeyRoleChanges",
    responses=problems(UnknownAccount, InvalidCursor),
)
async def list_key_role_changes(account: Ref, caller: Reader, tx: Tx, paging: Paged) -> KeyRoleChangePage:
    """Every change of who holds which role at the account, the newest first."""
    return await _history(Place(Subject.ACCOUNTS, account), caller, tx, paging)


async def _history(place: Place, caller: Caller, tx: Session, paging: Paging) -> KeyRoleChangePage:
    record_id = await place.find(tx, caller.workspace_id)
    scope = f"{place.subject}/{record_id}/key-roles/history"
    after = paging.after(scope)
    found = await key_roles.history(
        tx, caller.workspace_id, place.subject, record_id, before=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([_change(row) for row in rows], cursor, KeyRoleChangePage)


def _change(row: Mapping[str, Any]) -> KeyRoleChange:
    return KeyRoleChange.model_validate(
        {
            "role": name_of(row["role"]),
            "previous": person(row, "from_"),
            "member": person(row, "to_"),
            "source": Source(row["source"]),
            "changed_by": row["changed_by"],
            "changed_at": row["changed_at"],
        }
    )


@router.put(
    "/accounts/{account}/key-roles/{role}",
    operation_id="assignKeyRole",
    responses=problems(UnknownAccount, UnknownRole, UnknownMember, MemberDeactivated),
)
async def assign_key_role(
    account: Ref, role: RoleRef, body: KeyRoleIn, caller: Assigner, tx: Tx, now: Now
) -> KeyRolesOut:
    """Give the role to a member; whoever held it before does no longer."""
    found = await key_roles.assign(
        tx,
        caller.workspace_id,
        Place(Subject.ACCOUNTS, account),
        role,
        body.member,
        cause(caller, now),
        do_not_replace=body.do_not_replace,
    )
    return _shown(found)


@router.delete(
    "/accounts/{account}/key-roles/{role}",
    status_code=204,
    operation_id="releaseKeyRole",
    responses=problems(UnknownAccount, UnknownRole),
)
async def release_key_role(account: Ref, role: RoleRef, caller: Assigner, tx: Tx, now: Now) -> None:
    """Leave the role without a holder. Repeating it is harmless."""
    await key_roles.release(tx, caller.workspace_id, Place(Subject.ACCOUNTS, account), role, cause(caller, now))


@router.get(
    "/organizations/{organization}/key-roles",
    operation_id="listOrganizationKeyRoles",
    responses=problems(UnknownOrganization),
)
async def list_organization_key_roles(organization: Ref, caller: Reader, tx: Tx) -> KeyRolesOut:
    """Who holds which role at the organization itself; and what a mapped trait says that names nobody who could."""
    return _shown(await key_roles.show(tx, caller.workspace_id, Place(Subject.ORGANIZATIONS, organization)))


@router.get(
    "/organizations/{organization}/key-roles/history",
    operation_id="listOrganizationKeyRoleChanges",
    responses=problems(UnknownOrganization, InvalidCursor),
)
async def list_organization_key_role_changes(
    organization: Ref, caller: Reader, tx: Tx, paging: Paged
) -> KeyRoleChangePage:
    """Every change of who holds which role at the organization, the newest first."""
    return await _history(Place(Subject.ORGANIZATIONS, organization), caller, tx, paging)


@router.put(
    "/organizations/{organization}/key-roles/{role}",
    operation_id="assignOrganizationKeyRole",
    responses=problems(UnknownOrganization, UnknownRole, UnknownMember, MemberDeactivated),
)
async def assign_organization_key_role(
    organization: Ref, role: RoleRef, body: KeyRoleIn, caller: Assigner, tx: Tx, now: Now
) -> KeyRolesOut:
    """Give the role at the organization to a member; its accounts have roles of their own, which stay."""
    found = await key_roles.assign(
        tx,
        caller.workspace_id,
        Place(Subject.ORGANIZATIONS, organization),
        role,
        body.member,
        cause(caller, now),
        do_not_replace=body.do_not_replace,
    )
    return _shown(found)


@router.delete(
    "/organizations/{organization}/key-roles/{role}",
    status_code=204,
    operation_id="releaseOrganizationKeyRole",
    responses=problems(UnknownOrganization, UnknownRole),
)
async def release_organization_key_role(organization: Ref, role: RoleRef, caller: Assigner, tx: Tx, now: Now) -> None:
    """Leave the role at the organization without a holder. Repeating it is harmless."""
    place = Place(Subject.ORGANIZATIONS, organization)
    await key_roles.release(tx, caller.workspace_id, place, role, cause(caller, now))
