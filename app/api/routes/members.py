"""Members: the staff who can hold key roles and be told about indicators."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query

from app.api.again import Unhindered
from app.api.deps import Now, Paged, Reader, Ref, Services, TeamManager, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.members import MemberIn, MemberOut, MemberPage, MemberPatch
from app.db.base import Session
from app.domain.cursors import InvalidCursor
from app.domain.team import LastAdmin, MemberRole, NoSeatLeft
from app.services import members
from app.services.members import EmailTaken, UnknownMember

router = Router("members")

LINKS = {
    name: {"operationId": name, "parameters": {"member": "$response.body#/id"}}
    for name in ("getMember", "updateMember", "removeMember")
}


def _shown(row: Mapping[str, Any]) -> MemberOut:
    return MemberOut.model_validate(row, extra="ignore")


@router.post(
    "/members",
    status_code=201,
    operation_id="addMember",
    responses={**problems(EmailTaken), 201: {"description": "The member.", "links": LINKS}},
)
async def add_member(body: MemberIn, caller: TeamManager, tx: Tx, now: Now) -> MemberOut:
    """Add someone to the team, who does not sign in (see invitations). Who had left comes back with the same id."""
    role = MemberRole(body.role)
    return _shown(await members.add(tx, caller.workspace_id, email=body.email, name=body.name, role=role, now=now))


@router.get("/members", operation_id="listMembers", responses=problems(InvalidCursor))
async def list_members(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    deactivated: Annotated[bool, Query(description="Also list who has left.")] = False,  # noqa: FBT002 - a query parameter
) -> MemberPage:
    """The team, in the order its members were added."""
    scope = f"members:{deactivated}"
    after = paging.after(scope)
    found = await members.page(
        tx, caller.workspace_id, after=after[0] if after else None, limit=paging.fetch, deactivated=deactivated
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([_shown(row) for row in rows], cursor, MemberPage)


@router.get("/members/{member}", operation_id="getMember", responses=problems(UnknownMember))
async def get_member(member: Ref, caller: Reader, tx: Tx) -> MemberOut:
    """One member, by `mem_…` or e-mail address."""
    return _shown(await members.find(tx, caller.workspace_id, member))


@router.patch(
    "/members/{member}",
    operation_id="updateMember",
    responses=problems(UnknownMember, EmailTaken, NoSeatLeft, LastAdmin),
)
async def update_member(member: Ref, body: MemberPatch, caller: TeamManager, tx: Tx, state: Services) -> MemberOut:
    """Correct a member's name or e-mail address, or give them another role."""
    role = None if body.role is None else MemberRole(body.role)
    changed = await members.change(tx, caller.workspace_id, member, email=body.email, name=body.name, role=role)
    state.callers.forget()
    return _shown(changed)


@router.delete(
    "/members/{member}", status_code=204, operation_id="removeMember", responses=problems(UnknownMember, LastAdmin)
)
async def remove_member(member: Ref, caller: TeamManager, door: Unhindered, state: Services, now: Now) -> None:
    """Someone leaves the team: they are signed out, and their key roles become free. What they did stays on record."""

    async def remove(db: Session) -> None:
        await members.deactivate(db, caller.workspace_id, member, by=caller.actor, now=now)

    await door.do(remove)  # accounts of theirs may be evaluated at this moment
    state.callers.forget()
