"""How much each of the staff looks after, and which accounts."""

from collections.abc import Mapping
from typing import Any

from app.api.deps import Paged, Reader, Ref, Tx
from app.api.problems import problems
from app.api.routes.accounts import shown as account_shown
from app.api.routes.key_roles import person
from app.api.routing import Router
from app.api.schemas.accounts import AccountPage
from app.api.schemas.base import page
from app.api.schemas.key_roles import CapacityOut, CapacityPage
from app.domain.cursors import InvalidCursor
from app.domain.roles import name_of
from app.services import accounts, capacity, members
from app.services.members import UnknownMember

router = Router("key roles")


def _shown(row: Mapping[str, Any]) -> CapacityOut:
    roles = [{**one, "role": name_of(one["role"])} for one in row["roles"]]
    fields = {**row, "member": person(row), "roles": roles}
    return CapacityOut.model_validate(fields, extra="ignore", strict=False)


@router.get("/capacity", operation_id="listCapacity", responses=problems(InvalidCursor))
async def list_capacity(caller: Reader, tx: Tx, paging: Paged) -> CapacityPage:
    """How much each active member looks after, in the order they were added."""
    after = paging.after("capacity")
    found = await capacity.page(tx, caller.workspace_id, after=after[0] if after else None, limit=paging.fetch)
    rows, cursor = paging.cut(found, "capacity", lambda row: [row["id"]])
    return page([_shown(row) for row in rows], cursor, CapacityPage)


@router.get("/members/{member}/capacity", operation_id="getCapacity", responses=problems(UnknownMember))
async def get_capacity(member: Ref, caller: Reader, tx: Tx) -> CapacityOut:
    """How much one member looks after."""
    return _shown(await capacity.show(tx, caller.workspace_id, member))


@router.get(
    "/members/{member}/accounts",
    operation_id="listMemberAccounts",
    responses=problems(UnknownMember, InvalidCursor),
)
async def list_member_accounts(member: Ref, caller: Reader, tx: Tx, paging: Paged) -> AccountPage:
    """The accounts where a member holds any key role, in the order they were first heard of."""
    found = await members.find(tx, caller.workspace_id, member)
    scope = f"members/{found['id']}/accounts"
    after = paging.after(scope)
    rows = await accounts.held_by(
        tx, caller.workspace_id, found["id"], after=after[0] if after else None, limit=paging.fetch
    )
    shown, cursor = paging.cut(rows, scope, lambda row: [row["id"]])
    return page([account_shown(row) for row in shown], cursor, AccountPage)
