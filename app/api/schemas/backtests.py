"""The wire contract of backtests."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant
from app.api.schemas.filters import Filter
from app.api.schemas.reports import LONGEST_CURSOR, Scope
from app.domain import ids
from app.domain.backtests import MOST_DAYS, Backtest, Outcome, Run
from app.domain.fields import Subject
from app.domain.reports import Asked
from app.domain.wire import Wire

PREFIXES = {Subject.ACCOUNTS: "acc", Subject.USERS: "usr", Subject.ORGANIZATIONS: "org"}


class BacktestIn(Wire):
    """A filter, and how far back it is tried."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "filter": {
                        "all": [
                            {"field": "mrr", "op": "greaterThan", "value": 100},
                            {"event": "Report Exported", "op": "none", "inLastDays": 14},
                        ]
                    },
                    "days": 30,
                }
            ]
        }
    )

    filter: Filter
    days: int = Field(90, ge=1, le=MOST_DAYS, description="Days of UTC, today among them.")
    scope: Scope = "all"
    assume_unchanged: bool = Field(
        default=False, description="Take what has no history as it is now, and list it under `assumptions`."
    )
    limit: int = Field(50, ge=1, le=200, description="How many records a page has at most.")
    cursor: str | None = Field(
        None, max_length=LONGEST_CURSOR, description="`nextCursor` of the page before this one, with the same body."
    )

    def asked(self) -> Asked:
        """The same for the domain."""
        return Asked(columns=(), filter=self.filter, scope=self.scope)


class SpanOut(Wire):
    """Days in a row on which it held, both included."""

    from_: date = Field(alias="from")
    to: date


class BacktestedOut(Wire):
    """A record for which the filter held on some day."""

    id: str
    external_id: str
    name: str | None
    first: date = Field(description="The first of the days on which it held.")
    last: date = Field(description="The last of them.")
    days: int = Field(description="On how many days it held.")
    spans: list[SpanOut]


class DayOut(Wire):
    """One day, judged at its last instant; today at `at`."""

    day: date
    holding: int = Field(description="For how many records the filter held.")


class AssumedOut(Wire):
    """What was taken as it is now."""

    kind: Literal["fact", "related"]
    name: str = Field(description="The path of a fact, or the name of a relation.")


class BacktestOut(Wire):
    """A page of the records for which the filter held; what sums them up comes with the first page."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "at": "2026-03-03T09:30:00Z",
                    "days": [
                        {"day": "2026-03-01", "holding": 0},
                        {"day": "2026-03-02", "holding": 1},
                        {"day": "2026-03-03", "holding": 1},
                    ],
                    "records": 1,
                    "flips": 1,
                    "assumptions": [],
                    "data": [
                        {
                            "id": "acc_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f",
                            "externalId": "acme",
                            "name": "Acme",
                            "first": "2026-03-02",
                            "last": "2026-03-03",
                            "days": 2,
                            "spans": [{"from": "2026-03-02", "to": "2026-03-03"}],
                        }
                    ],
                    "nextCursor": None,
                    "hasMore": False,
                }
            ]
        }
    )

    at: Instant = Field(description="When it was run: what today was judged at.")
    days: list[DayOut] | None = Field(description="Every day, the oldest first; null on later pages.")
    records: int | None = Field(description="For how many records it held at all; null on later pages.")
    flips: int | None = Field(description="How often an answer differed from the day before; null on later pages.")
    assumptions: list[AssumedOut]
    data: list[BacktestedOut] = Field(description="In the order of their ids.")
    next_cursor: str | None = Field(description="Pass as `cursor` to get the next page; null on the last one.")
    has_more: bool = Field(description="Whether there is a next page.")

    @classmethod
    def of(cls, test: Backtest, found: Outcome, runs: Sequence[Run], cursor: str | None) -> "BacktestOut":
        """The answer."""
        days, tally = test.days, found.tally
        counts = None if tally is None else zip(days, tally.holding, strict=True)
        return cls(
            at=test.instants[-1],
            days=None if counts is None else [DayOut(day=day, holding=number) for day, number in counts],
            records=None if tally is None else tally.records,
            flips=None if tally is None else tally.flips,
            assumptions=[AssumedOut.model_validate(one) for one in test.assumptions],
            data=[_record(test, one, found.named[one.record_id]) for one in runs],
            next_cursor=cursor,
            has_more=cursor is not None,
        )


def _record(test: Backtest, run: Run, named: Mapping[str, Any]) -> BacktestedOut:
    spans = run.spans(test.days)
    return BacktestedOut(
        id=ids.show(PREFIXES[test.report.subject], run.record_id),
        external_id=named["externalId"],
        name=named["name"],
        first=spans[0].first,
        last=spans[-1].last,
        days=run.held.count("1"),
        spans=[SpanOut.model_validate({"from": one.first, "to": one.last}) for one in spans],
    )
