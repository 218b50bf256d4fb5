"""Users: create or update one, look at one, walk through all."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query

from app.api import single
from app.api.deps import Paged, Reader, Ref, Services, State, Tx, UserMaker
from app.api.holding import REFUSALS, Holder
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.users import UserDetail, UserIn, UserOut, UserPage, UserRecorded
from app.db.base import Session
from app.domain.cursors import InvalidCursor
from app.domain.keys import Caller
from app.domain.team import Permission
from app.services import accounts, organizations, users
from app.services.accounts import UnknownAccount
from app.services.organizations import UnknownOrganization
from app.services.users import NeedsAccount, UnknownUser

router = Router("users")


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "sessions": row["sessions"] or 0,
        "last_received_message_at": row["last_received_at"],
        "last_sent_message_at": row["last_sent_at"],
    }


def shown(row: Mapping[str, Any]) -> UserOut:
    """A profile row as the wire shows it."""
    return UserOut.model_validate(_fields(row), extra="ignore")


async def _detail(db: Session, caller: Caller, ref: str) -> UserDetail:
    row = await users.show(db, caller.workspace_id, ref)
    accounts = await users.accounts_of(db, caller.workspace_id, row["id"])
    organizations = await users.organizations_of(db, caller.workspace_id, row["id"])
    fields = {**_fields(row), "accounts": [dict(one) for one in accounts], "organizations": organizations}
    return UserDetail.model_validate(fields, extra="ignore")


@router.post(
    "/users",
    operation_id="upsertUser",
    responses=problems(*single.REFUSALS, UnknownUser, UnknownAccount, UnknownOrganization, NeedsAccount),
)
async def upsert_user(body: UserIn, caller: UserMaker, state: Services) -> UserRecorded:
    """Create a user, or merge traits into the one you know by this id; link them to accounts and organizations.

    The traits `name`, `email` and `createdAt` (the join date) feed the columns of the same meaning.
    """
    await _check_reach(body, caller, state)
    names = body.external_id, tuple(body.accounts), tuple(body.organizations)
    done = await single.record(
        state, caller, body, lambda at, skew: body.messages(*names, at, skew), action="upsertUser"
    )
    async with state.transaction(caller) as db:
        user = await _detail(db, caller, body.external_id)
    return UserRecorded(status=done.status, message_id=done.message_id, user=user)


async def _check_reach(body: UserIn, caller: Caller, state: State) -> None:
    """Naming an account makes it: who may not do that names such as they see, and writes to no user they do not see.

    Ids of ours name none here: they would be taken for names. Raises `UnknownAccount`, `UnknownOrganization`,
    `UnknownUser`, and `NeedsAccount` for somebody new whom the caller would not see.
    """
    if caller.may(Permission.CREATE_ACCOUNTS):
        return
    async with state.transaction(caller) as db:
        for account in body.accounts:
            await accounts.called(db, caller.workspace_id, account)
        for organization in body.organizations:
            await organizations.called(db, caller.workspace_id, organization)
        seen = await users.exists(db, caller.workspace_id, body.external_id)
    if not (seen or caller.sees_all or body.accounts or body.organizations):
        raise NeedsAccount("Name an account or an organization: you would not see a user who belongs to nothing.")
    async with state.database.transaction(caller.workspace_id) as db:
        if not seen and await users.exists(db, caller.workspace_id, body.external_id):
            raise UnknownUser("No user has this id or external id.")


@router.get("/users", operation_id="listUsers", responses=problems(InvalidCursor, *REFUSALS))
async def list_users(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    holder: Holder,
    external_id: Annotated[
        str | None, Query(alias="externalId", description="Only the user you know by this id.")
    ] = None,
) -> UserPage:
    """Users in the order they were first heard of."""
    place = f"users:{holder or ''}"
    after = paging.after(place)
    found = await users.page(
        tx,
        caller.workspace_id,
        external_id=external_id,
        after=after[0] if after else None,
        limit=paging.fetch,
        holder=holder,
    )
    rows, cursor = paging.cut(found, place, lambda row: [row["id"]])
    return page([shown(row) for row in rows], cursor, UserPage)


@router.get("/users/{user}", operation_id="getUser", responses=problems(UnknownUser))
async def get_user(user: Ref, caller: Reader, tx: Tx) -> UserDetail:
    """One user, by `usr_…` or by your own id, with the accounts they belong to."""
    return await _detail(tx, caller, user)
