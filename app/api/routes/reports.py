"""Reports: accounts filtered and sorted by any fact, live."""

from app.api.deps import Now, Reader, Services, Tx
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.reports import ReportIn, ReportOut
from app.domain.cursors import InvalidCursor
from app.domain.filters import InvalidFilter
from app.domain.reports import InvalidReport, understand
from app.services import reports

router = Router("reports")


@router.post(
    "/reports/accounts",
    operation_id="reportAccounts",
    responses=problems(InvalidFilter, InvalidReport, InvalidCursor),
)
async def report_accounts(body: ReportIn, caller: Reader, tx: Tx, now: Now, services: Services) -> ReportOut:
    """A page of accounts. Pages stay exact while others write: every account that does not move is seen once.

    Conditions on the clock are judged at the moment of the first page, on every page.
    """
    report = understand(body.columns, body.filter, [key.model_dump() for key in body.sort])
    paging = Paging(body.limit, body.cursor, caller.workspace_id, services.cursor_key)
    scope = f"reports/accounts:{report.digest}"
    places, at = await reports.places(
        tx, caller.workspace_id, report, after=paging.after(scope), now=now, limit=paging.fetch
    )
    shown, cursor = paging.cut(places, scope, lambda place: [at, *place.keys, place.id])
    counted = await reports.count(tx, caller.workspace_id, report, now=at) if body.count else None
    return ReportOut(
        data=await reports.rows(tx, caller.workspace_id, report, shown),
        next_cursor=cursor,
        has_more=cursor is not None,
        count=None if counted is None else counted.number,
        count_capped=None if counted is None else counted.capped,
    )
