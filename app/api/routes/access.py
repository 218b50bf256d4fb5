"""Data-access groups: who sees which accounts and organizations."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Path

from app.api.deps import Now, Paged, Ref, Services, TeamManager, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.access import GroupedOut, GroupedPage, GroupIn, GroupOut, GroupPage
from app.api.schemas.base import page
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.team import GroupNameTaken, TooManyGroups, UnknownGroup
from app.services import access
from app.services.accounts import UnknownAccount
from app.services.members import UnknownMember
from app.services.organizations import UnknownOrganization

router = Router("access groups")

KindName = Literal["members", "accounts", "organizations"]
Kind = Annotated[KindName, Path(description="What is meant.", examples=["accounts"])]
PREFIXES: Final = {"members": "mem", "accounts": "acc", "organizations": "org"}
LINKS = {
    name: {"operationId": name, "parameters": {"group": "$response.body#/id"}}
    for name in ("getAccessGroup", "renameAccessGroup", "deleteAccessGroup")
}


def _id(group: str) -> UUID | None:
    return ids.read("grp", group)


def _shown(row: Mapping[str, Any]) -> GroupOut:
    return GroupOut.model_validate(row)


@router.post(
    "/access-groups",
    status_code=201,
    operation_id="createAccessGroup",
    responses={201: {"links": LINKS}, **problems(GroupNameTaken, TooManyGroups)},
)
async def create_group(body: GroupIn, caller: TeamManager, tx: Tx, state: Services, now: Now) -> GroupOut:
    """Make a group. An account in any group is seen by the members of its groups, by admins and by keys alone."""
    made = await access.create(tx, caller.workspace_id, name=body.name, now=now)
    state.callers.forget()
    return _shown(made)


@router.get("/access-groups", operation_id="listAccessGroups")
async def list_groups(caller: TeamManager, tx: Tx) -> GroupPage:
    """All groups, by name."""
    return page([_shown(row) for row in await access.everything(tx, caller.workspace_id)], None, GroupPage)


@router.get("/access-groups/{group}", operation_id="getAccessGroup", responses=problems(UnknownGroup))
async def get_group(group: Ref, caller: TeamManager, tx: Tx) -> GroupOut:
    """One group."""
    return _shown(await access.find(tx, caller.workspace_id, _id(group)))


@router.patch(
    "/access-groups/{group}",
    operation_id="renameAccessGroup",
    responses=problems(UnknownGroup, GroupNameTaken),
)
async def rename_group(group: Ref, body: GroupIn, caller: TeamManager, tx: Tx) -> GroupOut:
    """Call a group something else."""
    return _shown(await access.rename(tx, caller.workspace_id, _id(group), body.name))


@router.delete(
    "/access-groups/{group}", status_code=204, operation_id="deleteAccessGroup", responses=problems(UnknownGroup)
)
async def delete_group(group: Ref, caller: TeamManager, tx: Tx, state: Services) -> None:
    """Delete a group: what no other group restricts is seen by everyone again."""
    await access.delete(tx, caller.workspace_id, _id(group))
    state.callers.forget()


@router.get(
    "/access-groups/{group}/{kind}",
    operation_id="listGrouped",
    responses=problems(UnknownGroup, InvalidCursor),
)
async def list_grouped(group: Ref, kind: Kind, caller: TeamManager, tx: Tx, paging: Paged) -> GroupedPage:
    """The members, accounts or organizations of a group."""
    group_id = _id(group)
    scope = f"access-groups/{group_id}/{kind}"
    after = paging.after(scope)
    found = await access.listed(
        tx, caller.workspace_id, group_id, kind, after=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    shown = [GroupedOut.model_validate({**row, "id": ids.show(PREFIXES[kind], row["id"])}) for row in rows]
    return page(shown, cursor, GroupedPage)


@router.put(
    "/access-groups/{group}/{kind}/{ref}",
    status_code=204,
    operation_id="putIntoAccessGroup",
    responses=problems(UnknownGroup, UnknownMember, UnknownAccount, UnknownOrganization),
)
async def put_into_group(group: Ref, kind: Kind, ref: Ref, caller: TeamManager, tx: Tx, state: Services) -> None:
    """Take a member in; or restrict an account, or an organization with all its accounts, to the group."""
    await access.put(tx, caller.workspace_id, _id(group), kind, ref)
    state.callers.forget()


@router.delete(
    "/access-groups/{group}/{kind}/{ref}",
    status_code=204,
    operation_id="takeFromAccessGroup",
    responses=problems(UnknownGroup, UnknownMember, UnknownAccount, UnknownOrganization),
)
async def take_from_group(group: Ref, kind: Kind, ref: Ref, caller: TeamManager, tx: Tx, state: Services) -> None:
    """Take a member, an account or an organization out of a group. Repeating it is harmless."""
    await access.take(tx, caller.workspace_id, _id(group), kind, ref)
    state.callers.forget()
