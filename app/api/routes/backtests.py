"""Backtests: on which of the past days a filter would have held."""

import time
from typing import Final

from app.api.deps import Now, Reader, Services
from app.api.paging import Paging
from app.api.problems import problems
from app.api.queries import SubjectName
from app.api.routing import Router
from app.api.schemas.backtests import BacktestIn, BacktestOut
from app.api.turns import Turns
from app.domain.backtests import BacktestTooLarge
from app.domain.cursors import InvalidCursor
from app.domain.errors import TooMany
from app.domain.filters import InvalidFilter, NeedsMember
from app.domain.reports import NoHistory, UnknownReport, subject_of
from app.services import backtests

router = Router("reports")


class TooManyBacktests(TooMany):
    """As many backtests as one process runs at a time are under way."""

    code = "too_many_backtests"


TURNS: Final = Turns(2, TooManyBacktests)
REFUSALS: Final = (
    UnknownReport,
    InvalidFilter,
    NeedsMember,
    NoHistory,
    InvalidCursor,
    BacktestTooLarge,
    TooManyBacktests,
)


@router.post("/reports/{subject}/backtest", operation_id="backtest", responses=problems(*REFUSALS))
async def backtest(subject: SubjectName, body: BacktestIn, caller: Reader, now: Now, state: Services) -> BacktestOut:
    """On which of the past days the filter would have held, and for which records, as far as history tells.

    Every day is judged at its last instant in UTC, today as it is now. A filter that asks for what has no history is
    refused, unless `assumeUnchanged` takes that as it is now.
    """
    report = backtests.understood(caller, subject_of(subject), body.asked())
    paging = Paging(body.limit, body.cursor, caller.workspace_id, state.cursor_key)
    scope = f"backtests/{subject}:{report.digest}:{body.days}:{body.assume_unchanged}"
    since, after = paging.after(scope) or (now, None)
    test = backtests.prepared(report, days=body.days, assume=body.assume_unchanged, now=since)
    began = time.monotonic()
    with TURNS.take():
        async with state.frozen_transaction(caller) as db:
            found = await backtests.run(
                db,
                caller.workspace_id,
                test,
                after=after,
                limit=paging.fetch,
                elapsed=lambda: time.monotonic() - began,
            )
    shown, cursor = paging.cut(found.runs, scope, lambda run: [since, run.record_id])
    return BacktestOut.of(test, found, shown, cursor)
