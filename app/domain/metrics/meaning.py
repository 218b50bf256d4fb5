"""What a metric means: its value for a record, as plainly as it can be said. `app/db/metrics` says the same in SQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import reduce
from typing import Any, Final
from uuid import UUID

from app.domain.fields import Fact, Relation, Type
from app.domain.filters import Related, Tree, holds, next_change
from app.domain.filters.meaning import raw
from app.domain.filters.values import number_of
from app.domain.matching import matches
from app.domain.metrics.tree import (
    LARGEST,
    PLACES,
    Aggregate,
    Counted,
    Equation,
    Events,
    Expression,
    Number,
    Operation,
    Operator,
    People,
    Value,
    asks,
)
from app.domain.operators import Quantity

_WIDE: Final = Context(prec=100)


@dataclass(frozen=True, slots=True)
class Happening:
    """One event: on which day of UTC, by whom if by anybody."""

    name: str
    day: date
    user: UUID | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """All that a metric may ask about: facts by path (traits under "traits"), those of its users, and its events."""

    facts: Mapping[str, Any] = field(default_factory=lambda: {"traits": {}})
    users: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Happening] = ()


def value(equation: Equation, record: Record, now: datetime) -> Decimal | None:
    """The value of a metric at `now`; None: it has none."""
    return rounded(_value(equation.whole, record, now, 0))


def change(equation: Equation, record: Record, now: datetime) -> Decimal | None:
    """By how many hundredths the value differs from that of the windows before; None: there is nothing to compare."""
    if not equation.shifts:
        return None
    return moved(value(equation, record, now), rounded(_value(equation.whole, record, now, 1)))


def moved(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    """The change from one value to another in percent."""
    if now is None or not before:
        return None
    return rounded((Fraction(now) - Fraction(before)) * 100 / abs(Fraction(before)))


def rounded(found: Fraction | None) -> Decimal | None:
    """A value as it is kept: so many decimals, and none that JSON numbers would not carry."""
    if found is None or abs(found) >= LARGEST:
        return None
    wide = _WIDE.divide(Decimal(found.numerator), Decimal(found.denominator))
    return wide.quantize(Decimal(1).scaleb(-PLACES), ROUND_HALF_UP, _WIDE)


def next_turn(equation: Equation, record: Record, now: datetime) -> datetime | None:
    """The earliest instant after `now` at which the clock alone may change value or change."""
    found = [at for one in asks(equation.whole) for at in _turns(one, record, now, shifts=equation.shifts)]
    return min((at for at in found if at > now), default=None)


def _value(expression: Expression, record: Record, now: datetime, shift: int) -> Fraction | None:
    match expression:
        case Number():
            return Fraction(expression.value)
        case Value():
            return _number(expression.fact, record.facts)
        case People():
            return _people(expression, record, now)
        case Events():
            return Fraction(_counted(expression, record, now, shift))
        case Operation():
            return _joined(expression, [_value(arg, record, now, shift) for arg in expression.args])


def _number(fact: Fact, facts: Mapping[str, Any]) -> Fraction | None:
    found = raw(fact, facts)
    found = number_of(found) if fact.type is Type.TRAIT else found
    return None if found is None else Fraction(found)


def _counted(term: Events, record: Record, now: datetime, shift: int) -> int:
    first, last = term.window(now.date(), shift=shift)
    found = [one for one in _fitting(term, record) if first is None or last is None or first <= one.day <= last]
    match term.count:
        case Counted.EVENTS:
            return len(found)
        case Counted.USERS:
            return len({one.user for one in found if one.user is not None})
        case Counted.DAYS:
            return len({one.day for one in found})


def _fitting(term: Events, record: Record) -> Iterator[Happening]:
    for one in record.events:
        if one.name in term.names and (term.filter is None or matches(term.filter, one.properties)):
            yield one


def _people(term: People, record: Record, now: datetime) -> Fraction | None:
    those = [one for one in record.users if holds(term.where, one, now)]
    if term.fact is None:
        return Fraction(len(those))
    said = [found for one in those if (found := _number(term.fact, one)) is not None]
    return AGGREGATES[term.aggregate](said) if said else None


def _joined(operation: Operation, args: Sequence[Fraction | None]) -> Fraction | None:
    known = [arg for arg in args if arg is not None]
    if operation.operator is Operator.COALESCE:
        return known[0] if known else None
    if len(known) < len(args):
        return None
    match operation.operator:
        case Operator.MIN:
            return min(known)
        case Operator.MAX:
            return max(known)
        case Operator.DIVIDE if known[1] == 0:
            return None
        case _:
            return reduce(JOINS[operation.operator], known)


def _turns(term: Any, record: Record, now: datetime, *, shifts: bool) -> Iterator[datetime]:
    if isinstance(term, Events) and term.days is not None:
        for one in _fitting(term, record):
            for away in (0, term.days, *((2 * term.days,) if shifts else ())):
                yield datetime.combine(one.day + timedelta(days=away), time(), UTC)
    if isinstance(term, People):
        found = next_change(_any_of(term.relation, term.where), {"related": {"users": record.users}}, now)
        if found is not None:
            yield found


def _any_of(relation: Relation, where: Tree) -> Tree:
    return Related(relation, Quantity.AT_LEAST, 1, where)


AGGREGATES: Final[Mapping[Aggregate, Callable[[Sequence[Fraction]], Fraction]]] = {
    Aggregate.SUM: lambda said: sum(said, Fraction(0)),
    Aggregate.AVERAGE: lambda said: sum(said, Fraction(0)) / len(said),
    Aggregate.MIN: min,
    Aggregate.MAX: max,
}
JOINS: Final[Mapping[Operator, Callable[[Fraction, Fraction], Fraction]]] = {
    Operator.ADD: lambda one, other: one + other,
    Operator.SUBTRACT: lambda one, other: one - other,
    Operator.MULTIPLY: lambda one, other: one * other,
    Operator.DIVIDE: lambda one, other: one / other,
}
