"""Backtests: on which days a filter would have held, and for which records, of what is known of those days."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from app.domain.errors import Rejected
from app.domain.filters.tree import TICK
from app.domain.reports import Report

MOST_DAYS: Final = 365
MOST_SECONDS: Final = 30
_HELD: Final = re.compile("1+")


class BacktestTooLarge(Rejected):
    """Going through the records took too long."""

    code = "backtest_too_large"


@dataclass(frozen=True, slots=True)
class Backtest:
    """What is tried: the filter of a report, on these days; each judged at its last instant, today at the moment."""

    report: Report
    instants: tuple[datetime, ...]
    assumptions: tuple[Mapping[str, str], ...] = ()

    @property
    def days(self) -> list[date]:
        """The days, as days of UTC."""
        return [at.date() for at in self.instants]


def instants(now: datetime, days: int) -> tuple[datetime, ...]:
    """The last instants of the days before today, and now."""
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    before = (midnight - timedelta(days=ago) - TICK for ago in range(days - 2, -1, -1))
    return (*before, now.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Span:
    """Days in a row on which the filter held, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Run:
    """One record's answers: a 0 or 1 for each day."""

    record_id: UUID
    held: str

    @property
    def stretches(self) -> list[tuple[int, int]]:
        """Where it held: the first day of each stretch, and the first after it."""
        return [match.span() for match in _HELD.finditer(self.held)]

    def spans(self, days: Sequence[date]) -> list[Span]:
        """The same as days."""
        return [Span(days[start], days[end - 1]) for start, end in self.stretches]


@dataclass(slots=True)
class Tally:
    """All records together: for how many it held on each day, and how often an answer was another than the day before.

    Only where stretches begin and end is written down, so that a record costs what changes and not what days there are.
    """

    days: int
    records: int = 0
    flips: int = 0
    _moves: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._moves = [0] * (self.days + 1)

    def add(self, run: Run) -> None:
        """Count a record in."""
        stretches = run.stretches
        self.records += bool(stretches)
        for start, end in stretches:
            self._moves[start] += 1
            self._moves[end] -= 1
            self.flips += (start > 0) + (end < self.days)

    @property
    def holding(self) -> list[int]:
        """For how many records it held, day by day."""
        found, now = [], 0
        for move in self._moves[:-1]:
            now += move
            found.append(now)
        return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """A page of the records for which it held at all, with their names; the sums come with the first page."""

    runs: Sequence[Run]
    named: Mapping[UUID, Mapping[str, Any]]
    tally: Tally | None
