"""Reads a filter from JSON: strict, bounded, and every refusal points at the part it is about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from app.domain.errors import Rejected
from app.domain.fields import (
    LONGEST_EVENT_NAME,
    OPERATORS,
    RELATIONS,
    TRAIT_READINGS,
    Fact,
    Op,
    Quantity,
    Relation,
    Subject,
    Type,
    UnknownFact,
    find,
    storable,
)
from app.domain.filters import operands
from app.domain.filters.operands import Unusable
from app.domain.filters.tree import AllOf, AnyOf, Happened, Leaf, Not, Operand, Related, Tree

DEEPEST: Final = 8
DEEPEST_RELATED: Final = 2
MOST_LEAVES: Final = 100
MOST_COUNTED: Final = 1_000_000
LEAF_KEYS: Final = {"field", "op", "value", "type"}
RELATED_KEYS: Final = {"related", "op", "count", "where"}
EVENT_KEYS: Final = {"event", "op", "count", "inLastDays"}
LONGEST_WINDOW: Final = 400  # days
TRAIT_HINT: Final = " Or state another `type`; for true and false use isTrue and isFalse."
SHAPES: Final = (
    "A condition has `field`, `op` and mostly `value`; or `related`, `op`, `count` and mostly `where`; or `event`,"
    " `op`, `count` and mostly `inLastDays`; a group is all, any or not alone."
)


class InvalidFilter(Rejected):
    """The filter cannot be understood."""

    code = "invalid_filter"


@dataclass(slots=True)
class _Budget:
    leaves: int = MOST_LEAVES


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the reader is: the pointer so far, what records are meant here, and how much deeper it may go."""

    subject: Subject
    pointer: str = ""
    depth: int = DEEPEST
    related: int = DEEPEST_RELATED
    budget: _Budget = field(default_factory=_Budget)

    def below(self, step: str) -> "_Place":
        return replace(self, pointer=f"{self.pointer}/{step}", depth=self.depth - 1)

    def refuse(self, detail: str, step: str = "") -> InvalidFilter:
        where = f"#/filter{self.pointer}{step}"
        return InvalidFilter(f"{where}: {detail}", errors=[{"pointer": where, "detail": detail}])

    def spend(self) -> None:
        self.budget.leaves -= 1
        if self.budget.leaves < 0:
            raise self.too_many()

    def too_many(self, step: str = "") -> InvalidFilter:
        return self.refuse(f"A filter holds at most {MOST_LEAVES} conditions and groups in a list.", step)


def parse(source: Any, subject: Subject = Subject.ACCOUNTS) -> Tree:
    """The tree behind a JSON filter. Raises `InvalidFilter` with a JSON pointer into the filter."""
    return _node(source, _Place(subject))


def _node(source: Any, place: _Place) -> Tree:
    if not isinstance(source, Mapping):
        raise place.refuse("Write an object here: a condition, or a group under all, any or not.")
    if place.depth == 0:
        raise place.refuse(f"Groups nest at most {DEEPEST} deep: merge some of them.")
    group = GROUPS.get(next(iter(source), "")) if len(source) == 1 else None
    if group is not None:
        return group(source, place)
    return next((read for key, read in KINDS.items() if key in source), _leaf)(source, place)


def _parts(source: Mapping[str, Any], place: _Place, *, kind: str) -> Tree:
    parts = source[kind]
    if not isinstance(parts, list):
        raise place.refuse(f"Give `{kind}` a list of conditions or groups.", f"/{kind}")
    if len(parts) > MOST_LEAVES:
        raise place.too_many(f"/{kind}")
    read = tuple(_node(part, place.below(f"{kind}/{ix}")) for ix, part in enumerate(parts))
    return AllOf(read) if kind == "all" else AnyOf(read)


def _not(source: Mapping[str, Any], place: _Place) -> Tree:
    return Not(_node(source["not"], place.below("not")))


GROUPS: Final[Mapping[str, Callable[[Mapping[str, Any], _Place], Tree]]] = {
    "all": partial(_parts, kind="all"),
    "any": partial(_parts, kind="any"),
    "not": _not,
}


def _related(source: Mapping[str, Any], place: _Place) -> Related:
    place.spend()
    if not source.keys() <= RELATED_KEYS or "op" not in source:
        raise place.refuse(SHAPES)
    relation = _relation(source["related"], place)
    op = _quantity(source["op"], "Related records", place)
    where = source.get("where")
    inside = replace(place.below("where"), subject=relation.target, related=place.related - 1)
    tree = AllOf(()) if where is None else _node(where, inside)
    shown = {key: source[key] for key in ("count", "where") if source.get(key) is not None}
    return Related(relation, op, _count(source.get("count"), op, place), tree, shown or None)


def _quantity(name: Any, what: str, place: _Place) -> Quantity:
    if not isinstance(name, str) or name not in [*Quantity]:
        raise place.refuse(f"{what} are counted by one of: {', '.join(Quantity)}.", "/op")
    return Quantity(name)


def _happened(source: Mapping[str, Any], place: _Place) -> Happened:
    place.spend()
    if not source.keys() <= EVENT_KEYS or "op" not in source:
        raise place.refuse(SHAPES)
    if place.subject is Subject.USERS:
        raise place.refuse(
            "Events are counted per account and organization, not per user: ask about those, with `related`.",
            "/event",
        )
    op = _quantity(source["op"], "Events", place)
    count = _count(source.get("count"), op, place)
    shown = {key: source[key] for key in ("event", "count", "inLastDays") if source.get(key) is not None}
    event, days = _event(source["event"], place), _window(source.get("inLastDays"), place)
    return Happened(place.subject, event, op, count, days, shown)


def _event(name: Any, place: _Place) -> str:
    """A name as events may have it; it is compared as it is written."""
    if not isinstance(name, str) or not name.strip() or not storable(name):
        raise place.refuse("Name the event as text, as it is sent.", "/event")
    if len(name.encode()) > LONGEST_EVENT_NAME:
        raise place.refuse(f"Names of events have at most {LONGEST_EVENT_NAME} bytes.", "/event")
    return name


def _window(days: Any, place: _Place) -> int | None:
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_WINDOW:
        detail = f"Give a whole number of days from 1 to {LONGEST_WINDOW}; left out: all time."
        raise place.refuse(detail, "/inLastDays")
    return days


KINDS: Final[Mapping[str, Callable[[Mapping[str, Any], _Place], Tree]]] = {"related": _related, "event": _happened}


def _relation(name: Any, place: _Place) -> Relation:
    known = RELATIONS[place.subject]
    if place.related == 0:
        raise place.refuse(f"Conditions on related records nest at most {DEEPEST_RELATED} deep.", "/related")
    if not isinstance(name, str) or name not in known:
        raise place.refuse(f"Of {place.subject} these can be counted: {', '.join(known)}.", "/related")
    return known[name]


def _count(count: Any, op: Quantity, place: _Place) -> int:
    if op is Quantity.NONE:
        if count is not None:
            raise place.refuse("`none` takes no count.", "/count")
        return 0
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_COUNTED:
        raise place.refuse(f"Give a whole number from 0 to {MOST_COUNTED}.", "/count")
    return count


def _leaf(source: Mapping[str, Any], place: _Place) -> Leaf:
    place.spend()
    if not {"field", "op"} <= source.keys() or not source.keys() <= LEAF_KEYS:
        raise place.refuse(SHAPES)
    fact = _fact(source["field"], place)
    op = _op(source["op"], fact, place)
    reading = _reading(source, fact, op, place)
    return Leaf(fact, reading, op, _operand(source, fact, reading, op, place), source.get("value"))


def _fact(path: Any, place: _Place) -> Fact:
    if not isinstance(path, str):
        raise place.refuse("Name the field as text.", "/field")
    try:
        return find(path, place.subject)
    except UnknownFact as unknown:
        raise place.refuse(unknown.detail, "/field") from unknown


def _op(name: Any, fact: Fact, place: _Place) -> Op:
    if isinstance(name, str) and name in fact.operators:
        return Op(name)
    raise place.refuse(f"`{fact.path}` takes one of: {', '.join(fact.operators)}.", "/op")


def _reading(source: Mapping[str, Any], fact: Fact, op: Op, place: _Place) -> Type:
    """The type values are compared as: the fact's own, or for a trait the one stated or implied."""
    stated = source.get("type")
    if fact.type is not Type.TRAIT:
        if stated not in (None, fact.type):
            raise place.refuse(f"`{fact.path}` is of type {fact.type}; leave `type` out.", "/type")
        return fact.type
    if stated is None:
        return implied(op, source.get("value"))
    if stated not in TRAIT_READINGS:
        raise place.refuse(f"A trait is read as one of: {', '.join(TRAIT_READINGS)}.", "/type")
    reading = Type(stated)
    if op not in OPERATORS[reading]:
        raise place.refuse(f"A {reading} takes one of: {', '.join(OPERATORS[reading])}.", "/op")
    return reading


def implied(op: Op, value: Any) -> Type:
    """What a trait must be read as for this operator and operand to make sense; a mere presence check reads nothing."""
    if op in (Op.IS_SET, Op.IS_NOT_SET):
        return Type.TRAIT
    candidates = [reading for reading in TRAIT_READINGS if op in OPERATORS[reading]]
    sample = value[0] if isinstance(value, list) and value else value
    wanted = Type.NUMBER if isinstance(sample, int | float) else candidates[0]
    if op is Op.BETWEEN and isinstance(sample, str):
        wanted = Type.DATETIME
    return wanted if wanted in candidates else candidates[0]


def _operand(source: Mapping[str, Any], fact: Fact, reading: Type, op: Op, place: _Place) -> Operand:
    read = operands.reader(reading, op)
    if read is None:
        if source.get("value") is not None:
            raise place.refuse(f"`{op}` takes no value.", "/value")
        return None
    if "value" not in source:
        raise place.refuse(f"`{op}` needs a value.", "/value")
    try:
        return read(source["value"], fact)
    except Unusable as unusable:
        hint = TRAIT_HINT if fact.key is not None else ""
        raise place.refuse(f"{unusable}{hint}", f"/value{unusable.where}") from unusable
