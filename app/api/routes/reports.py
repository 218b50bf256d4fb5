"""Reports: accounts, users and organizations filtered and sorted by any fact, live."""

from datetime import datetime, timedelta
from typing import Final

from app.api.deps import Now, Reader, Services, State, Tx
from app.api.paging import Paging
from app.api.problems import problems
from app.api.queries import ReportQuery, SubjectName
from app.api.routing import Router
from app.api.schemas.reports import ReportIn, ReportOut
from app.api.schemas.summaries import SummaryIn, SummaryOut
from app.db.base import Session
from app.domain.cursors import InvalidCursor
from app.domain.filters import InvalidFilter, NeedsMember
from app.domain.keys import Caller
from app.domain.reports import InvalidReport, NoHistory, Report, UnknownReport, subject_of
from app.domain.views import BrokenView, UnknownView
from app.services import reports, summaries, views

router = Router("reports")

OVERLAP: Final = timedelta(minutes=5)
"""What may be seen twice by who follows changes: longer than any transaction that makes one takes to commit."""
RUN: Final = (UnknownView, BrokenView, NeedsMember, NoHistory, InvalidCursor)
ASK: Final = (*RUN, UnknownReport, InvalidFilter, InvalidReport)


async def answer(
    db: Session, caller: Caller, state: State, report: Report, wanted: ReportIn, now: datetime
) -> ReportOut:
    """A page of a report."""
    paging = Paging(wanted.limit, wanted.cursor, caller.workspace_id, state.cursor_key)
    scope = f"reports/{report.subject}:{report.digest}"
    columns, after = state.replicas, paging.after(scope)
    places, at = await reports.places(
        db, caller.workspace_id, report, after=after, now=now, limit=paging.fetch, columns=columns
    )
    shown, cursor = paging.cut(places, scope, lambda place: [at, *place.keys, place.id])
    counted = None
    if wanted.count:
        counted = await reports.count(db, caller.workspace_id, report, now=at, columns=columns)
    return ReportOut(
        data=await reports.rows(db, caller.workspace_id, report, shown),
        next_cursor=cursor,
        has_more=cursor is not None,
        count=None if counted is None else counted.number,
        count_capped=None if counted is None else counted.capped,
        sync_from=at - OVERLAP if report.follows else None,
    )


@router.post("/reports/{subject}", operation_id="makeReport", responses=problems(*ASK))
async def make_report(
    subject: SubjectName, body: ReportIn, caller: Reader, tx: Tx, now: Now, state: Services
) -> ReportOut:
    """A page of accounts, users or organizations.

    Pages stay exact while others write: every record that does not move is seen once. Conditions on the clock are
    judged at the moment of the first page, on every page.
    """
    report = await views.report(tx, caller, subject_of(subject), body.view, body.asked(), body.given())
    return await answer(tx, caller, state, report, body, now)


@router.get("/reports/{subject}", operation_id="queryReport", responses=problems(*ASK))
async def query_report(
    subject: SubjectName, query: ReportQuery, caller: Reader, tx: Tx, now: Now, state: Services
) -> ReportOut:
    """The same in an address: the filter as one line of text, columns and sort keys with commas between them."""
    body = query.body(subject_of(subject))
    report = await views.report(tx, caller, subject_of(subject), body.view, body.asked(), body.given())
    return await answer(tx, caller, state, report, body, now)


@router.post("/reports/{subject}/summary", operation_id="summarise", responses=problems(*ASK))
async def summarise(subject: SubjectName, body: SummaryIn, caller: Reader, tx: Tx, now: Now) -> SummaryOut:
    """Groups of the records a report keeps, with counts, sums and the like; the smallest groups together as `other`."""
    about = subject_of(subject)
    report = await views.report(tx, caller, about, body.view, body.asked(), body.given())
    wanted = await views.gathering(tx, caller, body.view, body.gathering(), body.model_fields_set, about)
    found = await summaries.summarise(tx, caller.workspace_id, report, wanted, now=now, limit=body.limit)
    return SummaryOut.model_validate(found)
