"""Alerts: each time an indicator came true for an account."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Query

from app.api.deps import Addresser, Now, Paged, Reader, Ref, Tx
from app.api.holding import REFUSALS, Holder
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.alerts import AddressIn, AlertExplained, AlertOut, AlertPage
from app.api.schemas.base import page
from app.db.base import Session
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.indicators import AlertResolved, UnknownAlert, UnknownIndicator, Wanted
from app.services import accounts, alerts, indicators, members
from app.services.accounts import UnknownAccount

router = Router("alerts")

States = Literal["active", "addressed", "resolved", "open"]
State = Annotated[States | None, Query(description="Only alerts in this state; `open` is active or addressed.")]
Named = Annotated[str | None, Query(min_length=1, max_length=800)]


def _parts(row: Mapping[str, Any]) -> dict[str, Any]:
    assignee = {part: row[f"assignee_{part}"] for part in ("id", "name", "email")}
    return {
        **row,
        "indicator": {"id": row["indicator_id"], "name": row["indicator_name"], "kind": row["indicator_kind"]},
        "account": {"id": row["account_id"], "external_id": row["external_id"], "name": row["account_name"]},
        "assignee": assignee if row["assignee_id"] is not None else None,
    }


def _explained(row: Mapping[str, Any]) -> AlertExplained:
    return AlertExplained.model_validate(_parts(row), extra="ignore")


def _states(state: States | None) -> tuple[str, ...] | None:
    if state is None:
        return None
    return ("active", "addressed") if state == "open" else (state,)


async def _page(tx: Session, paging: Paging, wanted: Wanted) -> AlertPage:
    scope = f"alerts:{wanted}"
    after = paging.after(scope)
    found = await alerts.page(tx, paging.workspace_id, wanted, before=after[0] if after else None, limit=paging.fetch)
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([AlertOut.model_validate(_parts(row), extra="ignore") for row in rows], cursor, AlertPage)


async def _wanted(
    caller: Reader,
    tx: Tx,
    holder: Holder,
    *,
    state: State = None,
    indicator: Named = None,
    account: Named = None,
    assignee: Named = None,
) -> Wanted:
    workspace_id = caller.workspace_id
    return Wanted(
        states=_states(state),
        indicator_id=await _indicator(tx, workspace_id, indicator) if indicator is not None else None,
        account_id=await accounts.find(tx, workspace_id, account) if account is not None else None,
        assignee_id=(await members.find(tx, workspace_id, assignee))["id"] if assignee is not None else None,
        holder_id=holder,
    )


@router.get(
    "/alerts",
    operation_id="listAlerts",
    responses=problems(InvalidCursor, UnknownAccount, UnknownIndicator, *REFUSALS),
)
async def list_alerts(
    caller: Reader,  # noqa: ARG001 - who may ask
    tx: Tx,
    paging: Paged,
    wanted: Annotated[Wanted, Depends(_wanted)],
) -> AlertPage:
    """Alerts, the newest first."""
    return await _page(tx, paging, wanted)


async def _indicator(tx: Session, workspace_id: UUID, ref: str) -> UUID:
    found: UUID = (await indicators.show(tx, workspace_id, ids.read("ind", ref)))["id"]
    return found


@router.get(
    "/accounts/{account}/alerts",
    operation_id="listAccountAlerts",
    responses=problems(InvalidCursor, UnknownAccount),
)
async def list_account_alerts(account: Ref, caller: Reader, tx: Tx, paging: Paged, state: State = None) -> AlertPage:
    """Alerts of one account, the newest first."""
    account_id = await accounts.find(tx, caller.workspace_id, account)
    return await _page(tx, paging, Wanted(states=_states(state), account_id=account_id))


@router.get("/alerts/{alert}", operation_id="getAlert", responses=problems(UnknownAlert))
async def get_alert(alert: Ref, caller: Reader, tx: Tx, now: Now) -> AlertExplained:
    """One alert and its reasons: what each condition saw when it fired, and what it sees now."""
    return _explained(await alerts.show(tx, caller.workspace_id, ids.read("alr", alert), now=now))


@router.post("/alerts/{alert}/address", operation_id="addressAlert", responses=problems(UnknownAlert, AlertResolved))
async def address_alert(alert: Ref, body: AddressIn, caller: Addresser, tx: Tx, now: Now) -> AlertExplained:
    """Someone looks after it: the alert stays silent until its condition clears. Repeating it replaces the note."""
    found = await alerts.address(tx, caller.workspace_id, ids.read("alr", alert), note=body.note, now=now)
    return _explained(found)
