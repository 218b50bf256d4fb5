"""Users: create or update one, look at one, walk through all."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query

from app.api import single
from app.api.deps import Paged, Reader, Ref, Sender, Services, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.users import UserDetail, UserIn, UserOut, UserPage, UserRecorded
from app.db.base import Session
from app.domain.cursors import InvalidCursor
from app.domain.keys import Caller
from app.services import users
from app.services.users import UnknownUser

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


@router.post("/users", operation_id="upsertUser", responses=problems(*single.REFUSALS))
async def upsert_user(body: UserIn, caller: Sender, state: Services) -> UserRecorded:
    """Create a user, or merge traits into the one you know by this id; link them to accounts and organizations.

    The traits `name`, `email` and `createdAt` (the join date) feed the columns of the same meaning.
    """
    names = body.external_id, tuple(body.accounts), tuple(body.organizations)
    done = await single.record(state, caller, body, lambda at, skew: body.messages(*names, at, skew))
    async with state.database.transaction(caller.workspace_id) as db:
        user = await _detail(db, caller, body.external_id)
    return UserRecorded(status=done.status, message_id=done.message_id, user=user)


@router.get("/users", operation_id="listUsers", responses=problems(InvalidCursor))
async def list_users(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    external_id: Annotated[
        str | None, Query(alias="externalId", description="Only the user you know by this id.")
    ] = None,
) -> UserPage:
    """Users in the order they were first heard of."""
    after = paging.after("users")
    found = await users.page(
        tx, caller.workspace_id, external_id=external_id, after=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, "users", lambda row: [row["id"]])
    return page([shown(row) for row in rows], cursor, UserPage)


@router.get("/users/{user}", operation_id="getUser", responses=problems(UnknownUser))
async def get_user(user: Ref, caller: Reader, tx: Tx) -> UserDetail:
    """One user, by `usr_…` or by your own id, with the accounts they belong to."""
    return await _detail(tx, caller, user)
