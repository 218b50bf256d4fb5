"""Running a backtest: slice by slice of the records, as far as the page or the time goes."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import backtests, reports
from app.db.backtests import Question
from app.db.base import Session
from app.domain.backtests import MOST_SECONDS, Backtest, BacktestTooLarge, Outcome, Run, Tally, instants
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.domain.reports import Asked, NoHistory, Report, prepare
from app.services.access import visible

FEWEST: Final = 250
MOST: Final = 8000
BRISK: Final = 0.5  # seconds for a slice: below, the next one is larger
SLOW: Final = 1.5

Elapsed = Callable[[], float]


def understood(caller: Caller, subject: Subject, asked: Asked) -> Report:
    """What is tried, as this caller may see it. Raises `InvalidFilter`, `NeedsMember`."""
    seen = visible(caller, subject) if subject is Subject.ACCOUNTS else None  # the database hides the others
    return prepare(asked, subject, me=caller.member_id, visible=seen)


def prepared(report: Report, *, days: int, assume: bool, now: datetime) -> Backtest:
    """The backtest of it. Raises `NoHistory` for what is not known of the past, unless it is assumed to have been as
    it is."""
    at = instants(now, days)
    facts, related = backtests.unknown(report.filter, at[0], report.subject)
    if (facts or related) and not assume:
        raise _refused(facts, related, backtests.known(at[0], report.subject))
    assumed = [{"kind": "fact", "name": one} for one in facts] + [{"kind": "related", "name": one} for one in related]
    return Backtest(report, at, tuple(assumed))


def _refused(facts: list[str], related: list[str], known: list[str]) -> NoHistory:
    lacking = [*facts, *(f"related {one}" for one in related)]
    return NoHistory(
        f"These have no history: {', '.join(lacking)}. Leave them out, or take them as they are now with"
        f" `assumeUnchanged`. What has: {', '.join(known)}; conditions on events.",
        lacking=lacking,
        known=known,
    )


@dataclass(slots=True)
class _Pace:
    """How many records are asked at once: as many as are answered in about a second."""

    records: int = 1000

    def took(self, seconds: float) -> None:
        """Say how long the last ones took."""
        if seconds < BRISK:
            self.records = min(MOST, self.records * 2)
        elif seconds > SLOW:
            self.records = max(FEWEST, self.records // 2)


async def run(
    db: Session, workspace_id: UUID, test: Backtest, *, after: UUID | None, limit: int, elapsed: Elapsed
) -> Outcome:
    """The first `limit` records after `after` for which it held on some day. From the start, all are gone through for
    the sums; later pages only as far as needed. Raises `BacktestTooLarge`."""
    await reports.allow_time(db, workspace_id)
    tally = Tally(len(test.instants)) if after is None else None
    runs: list[Run] = []
    async for part in _runs(db, workspace_id, test, after, elapsed):
        for one in part:
            if tally is not None:
                tally.add(one)
            if "1" in one.held and len(runs) < limit:
                runs.append(one)
        if tally is None and len(runs) >= limit:
            break
    named = await backtests.names(db, workspace_id, test.report.subject, [one.record_id for one in runs])
    return Outcome([one for one in runs if one.record_id in named], named, tally)


async def _runs(
    db: Session, workspace_id: UUID, test: Backtest, after: UUID | None, elapsed: Elapsed
) -> AsyncIterator[list[Run]]:
    asked: list[Question] = []
    pace, gone = _Pace(), 0
    while True:
        started, wanted = elapsed(), pace.records
        if started > MOST_SECONDS:
            raise _too_large(test, gone, await backtests.count(db, workspace_id, test))
        part, after = await _slice(db, workspace_id, test, asked, after, wanted)
        yield part
        gone += len(part)
        pace.took(elapsed() - started)
        if len(part) < wanted:
            return


async def _slice(
    db: Session, workspace_id: UUID, test: Backtest, asked: list[Question], after: UUID | None, limit: int
) -> tuple[list[Run], UUID | None]:
    now: Any = test.instants[-1]
    ids = await backtests.records(db, workspace_id, test.report, now=now, after=after, limit=limit)
    if not ids:
        return [], after
    found = await backtests.answers(db, workspace_id, test, ids, asked)
    return [Run(one, held) for one, held in zip(ids, found, strict=True)], ids[-1]


def _too_large(test: Backtest, gone: int, records: int) -> BacktestTooLarge:
    days = max(1, len(test.days) * gone // max(1, records))
    return BacktestTooLarge(
        f"In {MOST_SECONDS} seconds {gone} of {records} records were gone through. Ask for fewer days, such as {days};"
        " for a simpler filter; or with the scope `mine`.",
        days=days,
    )
