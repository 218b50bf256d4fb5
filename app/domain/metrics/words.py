"""A metric in words, for those who ask why its value is what it is."""

from collections.abc import Mapping, Sequence
from typing import Final

from app.domain.filters import conditions
from app.domain.metrics.tree import (
    Aggregate,
    Counted,
    Equation,
    Events,
    Expression,
    Number,
    Operation,
    Operator,
    People,
    Term,
    Value,
)

SIGNS: Final[Mapping[Operator, str]] = {
    Operator.ADD: " + ",
    Operator.SUBTRACT: " - ",
    Operator.MULTIPLY: " x ",
    Operator.DIVIDE: " / ",
}
COUNTS: Final[Mapping[Counted, str]] = {
    Counted.EVENTS: "events",
    Counted.USERS: "users with events",
    Counted.DAYS: "days with events",
}
LISTED: Final = 3


def said(equation: Equation) -> str:
    """The whole of it."""
    above = _said(equation.numerator, inside=equation.denominator is not None)
    if equation.denominator is not None:
        above = f"{above} / {_said(equation.denominator, inside=True)}"
    return f"{above}, in percent" if equation.percent else above


def term(one: Term) -> str:
    """One term."""
    match one:
        case Events():
            return _events(one)
        case Value():
            return one.fact.path
        case People():
            return _people(one)


def _said(expression: Expression, *, inside: bool) -> str:
    match expression:
        case Number():
            return f"{expression.value:f}"
        case Operation():
            return _operation(expression, [_said(arg, inside=True) for arg in expression.args], inside=inside)
        case _:
            return term(expression)


def _operation(operation: Operation, args: Sequence[str], *, inside: bool) -> str:
    sign = SIGNS.get(operation.operator)
    if sign is None:
        return f"{operation.operator}({', '.join(args)})"
    joined = sign.join(args)
    return f"({joined})" if inside and len(args) > 1 else joined


def _events(one: Events) -> str:
    named = ", ".join(f'"{name[:80]}"' for name in one.names[:LISTED])
    more = f" and {len(one.names) - LISTED} more" if len(one.names) > LISTED else ""
    when = "ever" if one.days is None else "today" if one.days == 1 else f"in the last {one.days} days"
    some = " (some, by their properties)" if one.where is not None else ""
    return f"{COUNTS[one.count]} {named}{more}{some} {when}"


def _people(one: People) -> str:
    filtered = next(conditions(one.where), None) is not None
    who = "the users that fit the filter" if filtered else "the users"
    if one.aggregate is Aggregate.COUNT or one.fact is None:
        return f"number of {who}"
    return f"{one.aggregate} of {one.fact.path} of {who}"
