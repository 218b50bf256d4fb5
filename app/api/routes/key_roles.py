"""Key roles: who of the staff looks after an account."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.api.deps import Admin, Now, Reader, Ref, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.key_roles import KeyRoleIn, KeyRoleOut, KeyRolesOut, RoleName
from app.services import key_roles
from app.services.accounts import UnknownAccount
from app.services.key_roles import Role
from app.services.members import MemberDeactivated, UnknownMember

router = Router("key roles")

ROLES: Final[Mapping[RoleName, Role]] = {"csm": "csm", "accountExecutive": "account_executive"}
NAMES: Final[Mapping[str, RoleName]] = {stored: name for name, stored in ROLES.items()}


def _shown(found: Sequence[Mapping[str, Any]]) -> KeyRolesOut:
    return KeyRolesOut(data=[_one(row) for row in found])


def _one(row: Mapping[str, Any]) -> KeyRoleOut:
    member = {part: row[part] for part in ("id", "name", "email")}
    fields = {"role": NAMES[row["role"]], "member": member, "source": row["source"], "assigned_at": row["assigned_at"]}
    return KeyRoleOut.model_validate(fields)


@router.get("/accounts/{account}/key-roles", operation_id="listKeyRoles", responses=problems(UnknownAccount))
async def list_key_roles(account: Ref, caller: Reader, tx: Tx) -> KeyRolesOut:
    """Who holds which role at the account."""
    return _shown(await key_roles.show(tx, caller.workspace_id, account))


@router.put(
    "/accounts/{account}/key-roles/{role}",
    operation_id="assignKeyRole",
    responses=problems(UnknownAccount, UnknownMember, MemberDeactivated),
)
async def assign_key_role(
    account: Ref, role: RoleName, body: KeyRoleIn, caller: Admin, tx: Tx, now: Now
) -> KeyRolesOut:
    """Give the role to a member; whoever held it before does no longer."""
    return _shown(await key_roles.assign(tx, caller.workspace_id, account, ROLES[role], body.member, now=now))


@router.delete(
    "/accounts/{account}/key-roles/{role}",
    status_code=204,
    operation_id="releaseKeyRole",
    responses=problems(UnknownAccount),
)
async def release_key_role(account: Ref, role: RoleName, caller: Admin, tx: Tx, now: Now) -> None:
    """Leave the role without a holder. Repeating it is harmless."""
    await key_roles.release(tx, caller.workspace_id, account, ROLES[role], now=now)
