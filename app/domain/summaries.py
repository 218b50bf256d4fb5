"""Summaries of a report: what its records are grouped by, and what is counted and summed of each group."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from app.domain.fields import Fact, Subject, Type
from app.domain.reports import fact_at, reading_of, refuse

MOST_GROUPINGS: Final = 3
MOST_AGGREGATES: Final = 10
MOST_GROUPS: Final = 200
MOST_EDGES: Final = 100
SETS: Final = frozenset({Type.MULTI, Type.LIST})
LONGEST_KEY: Final = 200  # characters of a text that records are grouped by


class Measure(StrEnum):
    """What is computed of a group."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MIN = "min"
    MAX = "max"
    MEDIAN = "median"


class Period(StrEnum):
    """What instants are grouped by, in UTC; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Grouping:
    """One thing to group by: instants by `period`, numbers by `edges` or by buckets of one `width`."""

    fact: Fact
    reading: Type
    period: Period | None = None
    edges: tuple[Decimal, ...] = ()
    width: Decimal | None = None

    @property
    def is_set(self) -> bool:
        """Whether a record may have several keys, or none."""
        return self.reading in SETS

    @property
    def runs(self) -> bool:
        """Whether groups have an order of their own, to be shown in."""
        return self.reading in {Type.DATETIME, Type.NUMBER}

    def bucket(self, key: Any) -> Any:
        """A key as it is shown: buckets of numbers with both ends, the first and the last one open."""
        if key is None or self.reading is not Type.NUMBER:
            return key
        if self.width is not None:
            return {"from": key, "to": key + self.width}
        place = int(key)
        ends: Sequence[Decimal | None] = (None, *self.edges, None)
        return {"from": ends[place], "to": ends[place + 1]}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One number about a group; only a count needs no fact."""

    measure: Measure
    fact: Fact | None = None

    @property
    def name(self) -> str:
        """Its name in the answer: `count`, `sum(mrr)`."""
        return str(self.measure) if self.fact is None else f"{self.measure}({self.fact.path})"


@dataclass(frozen=True, slots=True)
class Gathering:
    """How the records of a report are brought together."""

    groupings: tuple[Grouping, ...]
    aggregates: tuple[Aggregate, ...]

    @property
    def overlapping(self) -> bool:
        """Whether a record may be in several groups, so that these come to more than the totals."""
        return any(one.is_set for one in self.groupings)

    @property
    def facts(self) -> list[Fact]:
        """Everything that is read of a record."""
        return [one.fact for one in self.groupings] + [one.fact for one in self.aggregates if one.fact is not None]


COUNT: Final = Aggregate(Measure.COUNT)


def gather(
    group_by: Sequence[Mapping[str, Any]], aggregates: Sequence[Mapping[str, Any]], subject: Subject
) -> Gathering:
    """The gathering behind its JSON; without aggregates, a count. Raises `InvalidReport` with a pointer."""
    groupings = tuple(_grouping(one, f"#/groupBy/{ix}", subject) for ix, one in enumerate(group_by))
    measures = tuple(_aggregate(one, f"#/aggregates/{ix}", subject) for ix, one in enumerate(aggregates)) or (COUNT,)
    names = [one.name for one in measures]
    if len(set(names)) < len(names):
        raise refuse("#/aggregates", "Ask for each aggregate once.")
    if sum(one.is_set for one in groupings) > 1:
        raise refuse("#/groupBy", "Group by one set at most: with two, every pair of theirs would be a group.")
    return Gathering(groupings, measures)


def _grouping(one: Mapping[str, Any], pointer: str, subject: Subject) -> Grouping:
    fact = fact_at(f"{pointer}/field", one["field"], subject)
    reading = _reading(fact, one.get("type"), pointer)
    period, edges, width = one.get("by"), one.get("edges"), one.get("width")
    if (period is not None) != (reading is Type.DATETIME):
        raise refuse(f"{pointer}/by", f"Say `by` ({', '.join(Period)}) for instants, and for them only.")
    if (edges is None and width is None) if reading is Type.NUMBER else (edges is not None or width is not None):
        raise refuse(pointer, "Say `edges` or `width` for numbers, and for them only.")
    if reading is Type.ID:
        raise refuse(f"{pointer}/field", f"`{fact.path}` cannot be grouped by; choose a field of another type.")
    if reading is not Type.NUMBER:
        return Grouping(fact, reading, None if period is None else Period(period))
    return _buckets(fact, edges, width, pointer)


def _reading(fact: Fact, stated: str | None, pointer: str) -> Type:
    if fact.key is not None and stated == Type.LIST:
        return Type.LIST
    return reading_of(fact, stated, pointer)


def _buckets(fact: Fact, edges: Any, width: Any, pointer: str) -> Grouping:
    if edges is not None and width is not None:
        raise refuse(pointer, "Say either `edges` or `width`.")
    if width is not None:
        return Grouping(fact, Type.NUMBER, width=Decimal(repr(width)))
    ends = tuple(Decimal(repr(edge)) for edge in edges)
    if any(low >= high for low, high in pairwise(ends)):
        raise refuse(f"{pointer}/edges", "Give the edges in ascending order, each once.")
    return Grouping(fact, Type.NUMBER, edges=ends)


def _aggregate(one: Mapping[str, Any], pointer: str, subject: Subject) -> Aggregate:
    measure, path = Measure(one["op"]), one.get("field")
    if (path is None) != (measure is Measure.COUNT):
        raise refuse(f"{pointer}/field", "A count takes no field; everything else takes one that is a number.")
    if path is None:
        return COUNT
    fact = fact_at(f"{pointer}/field", path, subject)
    if fact.key is None and fact.type is not Type.NUMBER:
        raise refuse(f"{pointer}/field", f"`{fact.path}` is no number; only numbers are summed and compared.")
    return Aggregate(measure, fact)


def keys_of(text: str | None) -> list[Any]:
    """The keys of a group as the database wrote them, numbers to the last digit."""
    found: list[Any] = json.loads(text or "[]", parse_float=Decimal, parse_int=Decimal)
    return found


def exact(value: Any) -> Any:
    """A number as JSON without loss: whole, as a double where that is exact, and else as text."""
    if not isinstance(value, Decimal):
        return value
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else format(value, "f")
