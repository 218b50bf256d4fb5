"""Reads a metric from JSON: strict, bounded, and every refusal points at the part it is about."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from app.domain.fields import RELATIONS, Fact, Stage, Subject, Type, UnknownFact, find, storable
from app.domain.filters import InvalidFilter, Leaf, NeedsMember, Tree, bind, conditions, parse
from app.domain.matching import UnusablePropertyFilter, key
from app.domain.matching import parse as parse_properties
from app.domain.metrics.errors import InvalidExpression
from app.domain.metrics.tree import (
    LARGEST,
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

DEEPEST: Final = 5
MOST_TERMS: Final = 50
MOST_NAMES: Final = 20
LONGEST_NAME: Final = 512  # bytes of an event's name
LONGEST_WINDOW: Final = 400  # days
NUMERIC: Final = (Type.NUMBER, Type.TRAIT)
SHAPES: Final = (
    "Write a number, or an object with one of `events`, `field`, `users` and `op`: docs/metrics.md shows each of them."
)
PAIRS: Final = (Operator.SUBTRACT, Operator.DIVIDE)


@dataclass(slots=True)
class _Budget:
    terms: int = MOST_TERMS


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the reader is: whose metric, the pointer so far, and how much deeper it may go."""

    subject: Subject
    pointer: str
    depth: int = DEEPEST
    budget: _Budget = field(default_factory=_Budget)

    def below(self, step: str) -> "_Place":
        return replace(self, pointer=f"{self.pointer}/{step}", depth=self.depth - 1)

    def refuse(self, detail: str, step: str = "") -> InvalidExpression:
        where = self.pointer + step
        return InvalidExpression(f"{where}: {detail}", errors=[{"pointer": where, "detail": detail}])


def read(source: Mapping[str, Any], subject: Subject) -> Equation:
    """The equation behind `numerator`, `denominator` and `percent`, about records of a subject.

    Raises `InvalidExpression` with a JSON pointer.
    """
    budget = _Budget()
    numerator = _node(source.get("numerator"), _Place(subject, "#/numerator", budget=budget))
    below = source.get("denominator")
    denominator = None if below is None else _node(below, _Place(subject, "#/denominator", budget=budget))
    equation = Equation(numerator, denominator, bool(source.get("percent")))
    if next(asks(equation.whole), None) is None:
        raise _Place(subject, "#/numerator").refuse("Ask about something: of numbers alone there is nothing to see.")
    return equation


def _node(source: Any, place: _Place) -> Expression:
    if place.depth < 0:
        raise place.refuse(f"Operators nest at most {DEEPEST} deep: merge some of them.")
    if isinstance(source, int | float) and not isinstance(source, bool):
        return _number(source, place)
    if not isinstance(source, Mapping):
        raise place.refuse(SHAPES)
    found = [key for key in READERS if key in source]
    if len(found) != 1:
        raise place.refuse(SHAPES)
    allowed, reader = READERS[found[0]]
    if unknown := sorted(str(key)[:100] for key in source.keys() - allowed):
        raise place.refuse(f"There is no `{unknown[0]}` beside `{found[0]}`; there may be: {', '.join(allowed)}.")
    return reader(source, place)


def _spend(place: _Place) -> None:
    place.budget.terms -= 1
    if place.budget.terms < 0:
        raise place.refuse(f"A metric has at most {MOST_TERMS} terms, numbers included.")


def _number(source: float, place: _Place) -> Number:
    _spend(place)
    if (isinstance(source, float) and not math.isfinite(source)) or abs(source) >= LARGEST:
        raise place.refuse("Give a number of less than 15 digits.")
    return Number(Decimal(repr(source)))


def _events(source: Mapping[str, Any], place: _Place) -> Events:
    _spend(place)
    names = source["events"]
    if not isinstance(names, list) or not 0 < len(names) <= MOST_NAMES:
        raise place.refuse(f"Give the names of 1 to {MOST_NAMES} events, in a list.", "/events")
    for ix, name in enumerate(names):
        if not _is_name(name):
            raise place.refuse(f"Name an event as it is sent: 1 to {LONGEST_NAME} bytes.", f"/events/{ix}")
    days = source.get("days")
    if days is not None and (isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_WINDOW):
        raise place.refuse(f"Give a whole number of days from 1 to {LONGEST_WINDOW}; left out: ever.", "/days")
    count = _one_of(Counted, source.get("count", Counted.EVENTS), place, "/count")
    return Events(tuple(sorted(set(names))), count, days, _where(source.get("where"), place))


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and storable(name) and 0 < len(name.encode()) <= LONGEST_NAME


def _where(source: Any, place: _Place) -> str | None:
    """The filter on properties in the one form by which equal ones are known."""
    if source is None:
        return None
    try:
        return key(parse_properties(source))
    except UnusablePropertyFilter as invalid:
        raise _moved(invalid, place, "/where", "#/where") from invalid


def _one_of(kinds: Any, name: Any, place: _Place, step: str) -> Any:
    if not isinstance(name, str) or name not in [*kinds]:
        raise place.refuse(f"Give one of: {', '.join(kinds)}.", step)
    return kinds(name)


def _value(source: Mapping[str, Any], place: _Place) -> Value:
    _spend(place)
    return Value(_fact(source["field"], place.subject, place, "/field"))


def _fact(path: Any, subject: Subject, place: _Place, step: str) -> Fact:
    if not isinstance(path, str):
        raise place.refuse("Name the field as text.", step)
    try:
        fact = find(path, subject)
    except UnknownFact as unknown:
        raise place.refuse(unknown.detail, step) from unknown
    if fact.type not in NUMERIC:
        raise place.refuse(
            f"`{fact.path}` of {subject} is a {fact.type}; a metric is made of numbers and traits.", step
        )
    if fact.stage >= Stage.METRICS:
        raise place.refuse(f"`{fact.path}` is decided together with metrics or after them.", step)
    return fact


def _people(source: Mapping[str, Any], place: _Place) -> People:
    _spend(place)
    said, inside = source["users"], place.below("users")
    if not isinstance(said, Mapping) or not said.keys() <= {"aggregate", "field", "where"}:
        raise inside.refuse("Write `aggregate`, and where they are needed `field` and `where`.")
    aggregate = _one_of(Aggregate, said.get("aggregate", Aggregate.COUNT), inside, "/aggregate")
    path = said.get("field")
    if (path is None) != (aggregate is Aggregate.COUNT):
        raise inside.refuse("`count` takes no field, and the others need one: of which number?", "/field")
    fact = None if path is None else _fact(path, Subject.USERS, inside, "/field")
    relation = RELATIONS[place.subject]["users"]
    return People(relation, aggregate, fact, _condition(said.get("where"), inside))


def _condition(source: Any, place: _Place) -> Tree:
    try:
        tree = bind(parse({"all": []} if source is None else source, Subject.USERS), None)
    except InvalidFilter as invalid:
        raise _moved(invalid, place, "/where", "#/filter") from invalid
    except NeedsMember as invalid:
        raise place.refuse(invalid.detail, "/where") from invalid
    for one in conditions(tree):
        if not isinstance(one, Leaf):
            raise place.refuse("Here only facts of the users themselves can be asked about.", "/where")
        if one.fact.stage >= Stage.METRICS:  # segments of users may ask about metrics of their accounts
            raise place.refuse(f"`{one.fact.path}` is decided together with metrics or after them.", "/where")
    return tree


def _moved(invalid: InvalidFilter | UnusablePropertyFilter, place: _Place, step: str, root: str) -> InvalidExpression:
    """The refusal of a filter, pointing at it where it stands in the expression."""
    for error in invalid.context.get("errors", ()):
        return place.refuse(error["detail"], step + str(error["pointer"]).removeprefix(root))
    return place.refuse(invalid.detail, step)


def _operation(source: Mapping[str, Any], place: _Place) -> Operation:
    operator = _one_of(Operator, source["op"], place, "/op")
    args = source.get("args")
    least, most = (2, 2) if operator in PAIRS else (1, MOST_TERMS)
    if not isinstance(args, list) or not least <= len(args) <= most:
        wanted = "two values" if most == least else f"1 to {MOST_TERMS} values"
        raise place.refuse(f"`{operator}` takes {wanted}, in a list.", "/args")
    return Operation(operator, tuple(_node(arg, place.below(f"args/{ix}")) for ix, arg in enumerate(args)))


READERS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any], _Place], Expression]]]] = {
    "events": (("events", "where", "count", "days"), _events),
    "field": (("field",), _value),
    "users": (("users",), _people),
    "op": (("op", "args"), _operation),
}
