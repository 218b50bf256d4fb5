"""Organizations: create or update one, look at it and at what belongs to it, and say whose parent it is."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query

from app.api import single
from app.api.deps import AccountMaker, Paged, Reader, Ref, Services, Tx
from app.api.holding import REFUSALS, Holder
from app.api.problems import problems
from app.api.routes.accounts import shown as account_shown
from app.api.routes.users import shown as user_shown
from app.api.routing import Router
from app.api.schemas.accounts import AccountPage, AccountRecorded
from app.api.schemas.base import page
from app.api.schemas.organizations import (
    OrganizationIn,
    OrganizationOut,
    OrganizationPage,
    OrganizationRecorded,
    ParentIn,
)
from app.api.schemas.users import UserPage
from app.domain.cursors import InvalidCursor
from app.domain.messages import Message, ParentMessage
from app.services import accounts, organizations, users
from app.services.accounts import UnknownAccount
from app.services.organizations import UnknownOrganization

router = Router("organizations")


@router.post("/organizations", operation_id="upsertOrganization", responses=problems(*single.REFUSALS))
async def upsert_organization(body: OrganizationIn, caller: AccountMaker, state: Services) -> OrganizationRecorded:
    """Create an organization, or merge traits into the one you know by this id."""
    done = await single.record(
        state, caller, body, lambda at, skew: body.messages(body.external_id, at, skew), action="upsertOrganization"
    )
    async with state.transaction(caller) as db:
        row = await organizations.show(db, caller.workspace_id, body.external_id)
    shown = OrganizationOut.model_validate(row)
    return OrganizationRecorded(status=done.status, message_id=done.message_id, organization=shown)


@router.get("/organizations", operation_id="listOrganizations", responses=problems(InvalidCursor, *REFUSALS))
async def list_organizations(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    holder: Holder,
    external_id: Annotated[
        str | None, Query(alias="externalId", description="Only the organization you know by this id.")
    ] = None,
) -> OrganizationPage:
    """Organizations with figures over their accounts, those first heard of last first."""
    place = f"organizations:{holder or ''}"
    after = paging.after(place)
    found = await organizations.page(
        tx,
        caller.workspace_id,
        external_id=external_id,
        after=after[0] if after else None,
        limit=paging.fetch,
        holder=holder,
    )
    rows, cursor = paging.cut(found, place, lambda row: [row["id"]])
    return page([OrganizationOut.model_validate(row) for row in rows], cursor, OrganizationPage)


@router.get("/organizations/{organization}", operation_id="getOrganization", responses=problems(UnknownOrganization))
async def get_organization(organization: Ref, caller: Reader, tx: Tx) -> OrganizationOut:
    """One organization, by `org_…` or by your own id."""
    return OrganizationOut.model_validate(await organizations.show(tx, caller.workspace_id, organization))


@router.get(
    "/organizations/{organization}/accounts",
    operation_id="listOrganizationAccounts",
    responses=problems(UnknownOrganization, InvalidCursor),
)
async def list_organization_accounts(organization: Ref, caller: Reader, tx: Tx, paging: Paged) -> AccountPage:
    """The accounts that belong to an organization now."""
    organization_id = await organizations.find(tx, caller.workspace_id, organization)
    scope = f"organizations/{organization_id}/accounts"
    after = paging.after(scope)
    found = await accounts.of_organization(
        tx, caller.workspace_id, organization_id, after=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([account_shown(row) for row in rows], cursor, AccountPage)


@router.get(
    "/organizations/{organization}/users",
    operation_id="listOrganizationUsers",
    responses=problems(UnknownOrganization, InvalidCursor),
)
async def list_organization_users(organization: Ref, caller: Reader, tx: Tx, paging: Paged) -> UserPage:
    """The users linked to an organization, or to one of its accounts, now."""
    organization_id = await organizations.find(tx, caller.workspace_id, organization)
    scope = f"organizations/{organization_id}/users"
    after = paging.after(scope)
    found = await users.of_organization(
        tx, caller.workspace_id, organization_id, after=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([user_shown(row) for row in rows], cursor, UserPage)


@router.put(
    "/accounts/{account}/organization",
    operation_id="setOrganization",
    responses=problems(UnknownAccount, *single.REFUSALS),
)
async def set_organization(account: Ref, body: ParentIn, caller: AccountMaker, state: Services) -> AccountRecorded:
    """Say which organization an account belongs to, or with `null` that it belongs to none.

    A message like any other: of two, the one with the later `timestamp` counts.
    """
    async with state.transaction(caller) as db:
        name = (await accounts.show(db, caller.workspace_id, account))["external_id"]

    def make(at: datetime, skew: timedelta) -> tuple[Message, ...]:
        return (ParentMessage(body.happened(at, skew), name, body.organization_id),)

    done = await single.record(state, caller, body, make, action="setOrganization")
    async with state.transaction(caller) as db:
        row = await accounts.show(db, caller.workspace_id, name)
    return AccountRecorded(status=done.status, message_id=done.message_id, account=account_shown(row))
