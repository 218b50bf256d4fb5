"""How often each event happened at an account or an organization."""

from app.api.deps import Now, Paged, Reader, Ref, Tx
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.event_totals import EventTotalOut, EventTotalPage
from app.db.base import Session
from app.domain.cursors import InvalidCursor
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.services import event_totals
from app.services.accounts import UnknownAccount
from app.services.organizations import UnknownOrganization

router = Router("events")


async def _page(db: Session, caller: Caller, subject: Subject, ref: str, paging: Paging, *, now: Now) -> EventTotalPage:
    record_id = await event_totals.find(db, caller.workspace_id, subject, ref)
    scope = f"event_totals:{subject}:{record_id}"
    after = paging.after(scope)
    found = await event_totals.page(
        db, caller.workspace_id, subject, record_id, now=now, after=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["event"]])
    data = [
        EventTotalOut.model_validate(
            {**row, "change_percent": None if row["change_percent"] is None else float(row["change_percent"])}
        )
        for row in rows
    ]
    return page(data, cursor, EventTotalPage)


@router.get(
    "/accounts/{account}/event-totals",
    operation_id="listAccountEventTotals",
    responses=problems(UnknownAccount, InvalidCursor),
)
async def list_account_event_totals(account: Ref, caller: Reader, tx: Tx, paging: Paged, now: Now) -> EventTotalPage:
    """How often each event happened at the account, by name, with the last thirty days beside those before."""
    return await _page(tx, caller, Subject.ACCOUNTS, account, paging, now=now)


@router.get(
    "/organizations/{organization}/event-totals",
    operation_id="listOrganizationEventTotals",
    responses=problems(UnknownOrganization, InvalidCursor),
)
async def list_organization_event_totals(
    organization: Ref, caller: Reader, tx: Tx, paging: Paged, now: Now
) -> EventTotalPage:
    """How often each event happened at the organization and at its accounts together, by name."""
    return await _page(tx, caller, Subject.ORGANIZATIONS, organization, paging, now=now)
