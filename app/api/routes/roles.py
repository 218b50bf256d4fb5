"""Which key roles there are, and dealing accounts out to those who may hold one."""

from collections.abc import Mapping
from typing import Any

from app.api.deps import Assigner, Now, Reader, RuleMaker, Tx
from app.api.problems import problems
from app.api.routes.key_roles import RoleRef, cause
from app.api.routing import Router
from app.api.schemas.key_roles import Assigned, AssignIn, AssignOut, RoleIn, RoleOut, RolePatch, RolesOut
from app.domain.assignment import Algorithm, NoCandidate
from app.domain.fields import Subject
from app.domain.filters import InvalidFilter
from app.domain.roles import BuiltInRole, MemberDeactivated, RoleHeld, RoleTaken, TooManyRoles, UnknownRole, name_of
from app.services import assignment, roles, selections
from app.services.accounts import UnknownAccount
from app.services.assignment import TooManyAccounts, Wanted
from app.services.members import UnknownMember

router = Router("key roles")

LINKS = {
    name: {"operationId": name, "parameters": {"role": "$response.body#/slug"}}
    for name in ("getRole", "updateRole", "removeRole")
}


def _shown(row: Mapping[str, Any]) -> RoleOut:
    return RoleOut.model_validate({**row, "slug": name_of(row["slug"])}, extra="ignore")


@router.get("/roles", operation_id="listRoles")
async def list_roles(caller: Reader, tx: Tx) -> RolesOut:
    """The key roles there are."""
    return RolesOut(data=[_shown(row) for row in await roles.page(tx, caller.workspace_id)])


@router.post(
    "/roles",
    status_code=201,
    operation_id="addRole",
    responses={**problems(RoleTaken, TooManyRoles), 201: {"description": "The role.", "links": LINKS}},
)
async def add_role(body: RoleIn, caller: RuleMaker, tx: Tx, now: Now) -> RoleOut:
    """Make a key role of your own."""
    found = await roles.create(
        tx, caller.workspace_id, slug=body.slug, label=body.label, description=body.description, now=now
    )
    return _shown(found)


@router.get("/roles/{role}", operation_id="getRole", responses=problems(UnknownRole))
async def get_role(role: RoleRef, caller: Reader, tx: Tx) -> RoleOut:
    """One key role."""
    return _shown(await roles.show(tx, caller.workspace_id, role))


@router.patch("/roles/{role}", operation_id="updateRole", responses=problems(UnknownRole))
async def update_role(role: RoleRef, body: RolePatch, caller: RuleMaker, tx: Tx, now: Now) -> RoleOut:
    """Call a role something else; its name in requests stays."""
    return _shown(await roles.change(tx, caller.workspace_id, role, body.changes(), now=now))


@router.delete(
    "/roles/{role}",
    status_code=204,
    operation_id="removeRole",
    responses=problems(UnknownRole, BuiltInRole, RoleHeld),
)
async def remove_role(role: RoleRef, caller: RuleMaker, tx: Tx) -> None:
    """Delete a role of your own that nobody holds."""
    await roles.remove(tx, caller.workspace_id, role)


@router.post(
    "/roles/{role}/assign",
    operation_id="dealOutRole",
    responses=problems(
        UnknownRole, UnknownMember, UnknownAccount, MemberDeactivated, NoCandidate, InvalidFilter, TooManyAccounts
    ),
)
async def deal_out_role(role: RoleRef, body: AssignIn, caller: Assigner, tx: Tx, now: Now) -> AssignOut:
    """Give the role to one of the candidates at each account, by one of three algorithms.

    Requests for the same role wait for each other, so that no two choose by the same figures.
    """
    if body.accounts is not None:
        chosen = await selections.named(tx, caller.workspace_id, Subject.ACCOUNTS, body.accounts)
    else:
        chosen = await assignment.kept(tx, caller.workspace_id, body.filter, me=caller.member_id, now=now)
    wanted = Wanted(role, body.candidates, Algorithm(body.algorithm), body.do_not_replace)
    dealt = await assignment.assign(
        tx, caller.workspace_id, wanted, chosen, cause=cause(caller, now), dry_run=body.dry_run
    )
    assigned = [Assigned(account=one, member=to, changed=one in dealt.changed) for one, to in dealt.chosen.items()]
    return AssignOut(role=name_of(dealt.role), dry_run=body.dry_run, assigned=assigned, kept=list(dealt.held))
