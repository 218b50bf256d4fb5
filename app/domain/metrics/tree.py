"""The shape of a metric once it is understood: terms over events, facts and users, joined by operators."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from app.domain.fields import Fact, Relation
from app.domain.filters import Tree, size

LARGEST: Final = Decimal(10) ** 15
"""What is this large or larger is no value: JSON numbers would not carry it exactly."""
PLACES: Final = 6
"""Decimals that are kept."""
USUAL_DAYS: Final = 30
"""How far back a value is compared where the expression names no window."""


class Counted(StrEnum):
    """What is counted of events: how many, by how many users, on how many days."""

    EVENTS = "events"
    USERS = "users"
    DAYS = "days"


class Aggregate(StrEnum):
    """What becomes of a number that several users have."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MIN = "min"
    MAX = "max"


class Operator(StrEnum):
    """How values are joined. Without one of them there is no result, except with `coalesce`: the first there is."""

    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    DIVIDE = "divide"
    MIN = "min"
    MAX = "max"
    COALESCE = "coalesce"


@dataclass(frozen=True, slots=True)
class Events:
    """A count of events by name; `days`: in that many days of UTC, today among them, or else ever.

    `where` is a filter on their properties, as canonical JSON.
    """

    names: tuple[str, ...]
    count: Counted
    days: int | None
    where: str | None = None

    @property
    def filter(self) -> Mapping[str, Any] | None:
        """The filter on properties."""
        return None if self.where is None else json.loads(self.where)

    def window(self, today: date, *, shift: int = 0) -> tuple[date | None, date | None]:
        """The first and last day that count; `shift`: those of so many windows before."""
        if self.days is None:
            return None, None
        last = today - timedelta(days=self.days * shift)
        return last - timedelta(days=self.days - 1), last


@dataclass(frozen=True, slots=True)
class Value:
    """A fact of the record itself, read as a number."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class People:
    """A figure over the record's users: how many, or of a number of theirs; `where` says which of them."""

    relation: Relation
    aggregate: Aggregate
    fact: Fact | None
    where: Tree


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Operation:
    """Values joined by an operator, from left to right."""

    operator: Operator
    args: tuple["Expression", ...]


Term = Events | Value | People
Expression = Term | Number | Operation


@dataclass(frozen=True, slots=True)
class Equation:
    """A whole metric: the numerator, divided by the denominator where there is one; `percent`: times 100."""

    numerator: Expression
    denominator: Expression | None = None
    percent: bool = False

    @property
    def whole(self) -> Expression:
        """The same as one expression. It is multiplied first, so that nothing is lost by dividing."""
        above = self.numerator
        if self.percent:
            above = Operation(Operator.MULTIPLY, (above, Number(Decimal(100))))
        return above if self.denominator is None else Operation(Operator.DIVIDE, (above, self.denominator))

    @property
    def shifts(self) -> bool:
        """Whether the window before can be looked at: all that it asks about happened within a number of days."""
        found = list(asks(self.whole))
        return all(isinstance(one, Events) and one.days is not None for one in found)

    @property
    def counts_events_only(self) -> bool:
        """Whether its past can be worked out from what is stored of events."""
        return all(isinstance(one, Events) for one in asks(self.whole))

    @property
    def days(self) -> int:
        """How far back a value is compared: the longest window."""
        windows = [one.days for one in asks(self.whole) if isinstance(one, Events) and one.days is not None]
        return max(windows, default=USUAL_DAYS)


def terms(expression: Expression) -> Iterator[Term | Number]:
    """What the expression is made of, in reading order."""
    if isinstance(expression, Operation):
        for arg in expression.args:
            yield from terms(arg)
    else:
        yield expression


def asks(expression: Expression) -> Iterator[Term]:
    """What the expression asks about."""
    return (one for one in terms(expression) if not isinstance(one, Number))


def weight(equation: Equation) -> int:
    """How much there is to work out: terms, conditions of their filters, names of events."""
    return sum(_weight(one) for one in terms(equation.whole))


def _weight(term: Term | Number) -> int:
    match term:
        case Events():
            return len(term.names)
        case People():
            return 1 + size(term.where)
        case _:
            return 1
