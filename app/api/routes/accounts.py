"""Accounts: create or update one, look at one, walk through all."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query

from app.api import single
from app.api.deps import AccountMaker, Paged, Reader, Ref, Services, Tx
from app.api.holding import REFUSALS, Holder
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routes.users import shown as user_shown
from app.api.routing import Router
from app.api.schemas.accounts import AccountIn, AccountOut, AccountPage, AccountRecorded
from app.api.schemas.base import page
from app.api.schemas.events import EventPage, StoredEvent
from app.api.schemas.users import UserPage
from app.db.base import Session
from app.domain.cursors import InvalidCursor
from app.services import accounts, events, users
from app.services.accounts import UnknownAccount

router = Router("accounts")


def shown(row: Mapping[str, Any]) -> AccountOut:
    """A profile row as the wire shows it."""
    return AccountOut.model_validate(
        {
            **row,
            "owner": _person(row, "owner", "external_id"),
            "csm": _person(row, "csm"),
            "account_executive": _person(row, "account_executive"),
            "organization": part(row, "organization"),
            "events": row["events"] or 0,
        },
        from_attributes=False,
        extra="ignore",
    )


def part(row: Mapping[str, Any], of: str) -> dict[str, Any] | None:
    """What a row says in short of something beside it; None when there is none."""
    if row[f"{of}_id"] is None:
        return None
    return {name: row[f"{of}_{name}"] for name in ("id", "external_id", "name")}


def _person(row: Mapping[str, Any], role: str, *more: str) -> dict[str, Any] | None:
    if row[f"{role}_id"] is None:
        return None
    return {part: row[f"{role}_{part}"] for part in ("id", "name", "email", *more)}


@router.post("/accounts", operation_id="upsertAccount", responses=problems(*single.REFUSALS))
async def upsert_account(body: AccountIn, caller: AccountMaker, state: Services) -> AccountRecorded:
    """Create an account, or merge traits into the one you know by this id.

    The trait mapped as account owner (see the trait map) may name a user not known yet: it stays pending until then.
    """
    done = await single.record(
        state, caller, body, lambda at, skew: body.messages(body.external_id, at, skew), action="upsertAccount"
    )
    async with state.transaction(caller) as db:
        row = await accounts.show(db, caller.workspace_id, body.external_id)
    return AccountRecorded(status=done.status, message_id=done.message_id, account=shown(row))


@router.get("/accounts", operation_id="listAccounts", responses=problems(InvalidCursor, *REFUSALS))
async def list_accounts(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    holder: Holder,
    external_id: Annotated[
        str | None, Query(alias="externalId", description="Only the account you know by this id.")
    ] = None,
) -> AccountPage:
    """Accounts in the order they were first heard of. For filters and sorting, ask for a report."""
    place = f"accounts:{holder or ''}"
    after = paging.after(place)
    found = await accounts.page(
        tx,
        caller.workspace_id,
        external_id=external_id,
        after=after[0] if after else None,
        limit=paging.fetch,
        holder=holder,
    )
    rows, cursor = paging.cut(found, place, lambda row: [row["id"]])
    return page([shown(row) for row in rows], cursor, AccountPage)


@router.get("/accounts/{account}", operation_id="getAccount", responses=problems(UnknownAccount))
async def get_account(account: Ref, caller: Reader, tx: Tx) -> AccountOut:
    """One account, by `acc_…` or by your own id."""
    return shown(await accounts.show(tx, caller.workspace_id, account))


@router.get(
    "/accounts/{account}/users", operation_id="listAccountUsers", responses=problems(UnknownAccount, InvalidCursor)
)
async def list_account_users(account: Ref, caller: Reader, tx: Tx, paging: Paged) -> UserPage:
    """The users linked to an account now."""
    account_id = await accounts.find(tx, caller.workspace_id, account)
    scope = f"accounts/{account_id}/users"
    after = paging.after(scope)
    found = await users.of_account(
        tx, caller.workspace_id, account_id, after=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([user_shown(row) for row in rows], cursor, UserPage)


@router.get(
    "/accounts/{account}/events", operation_id="listAccountEvents", responses=problems(UnknownAccount, InvalidCursor)
)
async def list_account_events(account: Ref, caller: Reader, tx: Tx, paging: Paged) -> EventPage:
    """An account's events, the newest first."""
    account_id = await accounts.find(tx, caller.workspace_id, account)
    return await _events(tx, caller.workspace_id, account_id, paging)


async def _events(db: Session, workspace_id: Any, account_id: Any, paging: Paging) -> EventPage:
    scope = f"accounts/{account_id}/events"
    after = paging.after(scope)
    found = await events.page(
        db, workspace_id, account_id, before=(after[0], after[1]) if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["occurred_at"], row["id"]])
    return page(
        [StoredEvent.model_validate({**row, "event": row["name"]}, extra="ignore") for row in rows], cursor, EventPage
    )
