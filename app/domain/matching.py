"""Which events count for what: by their name, and by what their properties say.

A filter on properties is a condition `{"property": "plan", "op": "is", "value": "pro"}`, or such under all, any or not.
Events are judged here and nowhere else, when they come and when stored ones are counted anew, so the two cannot differ.
Text is compared in any case, and numbers also where they stand in text, as everywhere in the filter language.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256
from typing import Any, Final
from uuid import UUID

import orjson

from app.domain.elements import LONGEST_INSTANCE, Role
from app.domain.errors import Rejected
from app.domain.fields import storable
from app.domain.filters.values import fold, number_of, plain, text_of

Filter = Mapping[str, Any]

DEEPEST: Final = 5
MOST_CONDITIONS: Final = 20
MOST_VALUES: Final = 100
LONGEST_PROPERTY: Final = 256
LONGEST_VALUE: Final = 1_000
MOST_NAMES: Final = 10_000
"""Event names counted per workspace; events of further ones are stored, and not counted."""

_ORDER: Final = {
    "greaterThan": lambda saw, want: saw > want,
    "atLeast": lambda saw, want: saw >= want,
    "lessThan": lambda saw, want: saw < want,
    "atMost": lambda saw, want: saw <= want,
}
OPS: Final = ("is", "isNot", "isAnyOf", "contains", *_ORDER, "isSet", "isNotSet")


class UnusablePropertyFilter(Rejected):
    """The filter on properties of events cannot be understood."""

    code = "unusable_property_filter"


@dataclass(frozen=True, slots=True)
class Instance:
    """That an event plays a role for the instance of an element that one of its properties names."""

    element: UUID
    role: Role
    property: str


Act = int | Instance
"""What an event that fits is good for: the measure with this id counts it, or it tells of an instance."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """Events of a name, those of them whose properties fit; and what follows."""

    name: str
    filter: Filter | None
    act: Act


@dataclass(frozen=True, slots=True)
class Matchers:
    """All matchers of a workspace, as of a version."""

    version: int = 0
    by_name: Mapping[str, tuple[Matcher, ...]] = field(default_factory=dict)

    def hits(self, name: str, properties: bytes) -> Iterator[tuple[Act, Mapping[str, Any]]]:
        """What follows from an event, each with its properties."""
        asked = self.by_name.get(name)
        if not asked:
            return
        said = orjson.loads(properties)
        for one in asked:
            if one.filter is None or matches(one.filter, said):
                yield one.act, said


def grouped(version: int, matchers: Iterable[Matcher]) -> Matchers:
    """Matchers by the name of the event."""
    found: dict[str, list[Matcher]] = {}
    for one in matchers:
        found.setdefault(one.name, []).append(one)
    return Matchers(version, {name: tuple(those) for name, those in found.items()})


def key(filter_: Filter | None) -> str:
    """A text that tells filters apart; empty: there is none."""
    return "" if filter_ is None else orjson.dumps(filter_, option=orjson.OPT_SORT_KEYS).decode()


def digest(name: str, filter_: Filter | None = None) -> UUID:
    """A small name for a measure; without a filter it is `md5(name)` in SQL. No name contains NUL."""
    text = name if filter_ is None else f"{name}\0{key(filter_)}"
    return UUID(bytes=md5(text.encode(), usedforsecurity=False).digest())


def matches(filter_: Filter, properties: Mapping[str, Any]) -> bool:
    """Whether these properties fit a filter that `parse` has read."""
    if "all" in filter_:
        return all(matches(part, properties) for part in filter_["all"])
    if "any" in filter_:
        return any(matches(part, properties) for part in filter_["any"])
    if "not" in filter_:
        return not matches(filter_["not"], properties)
    return _holds(filter_["op"], properties.get(filter_["property"]), filter_.get("value"))


def _holds(op: str, saw: Any, want: Any) -> bool:
    match op:
        case "isSet":
            return saw is not None
        case "isNotSet":
            return saw is None
        case "is":
            return _same(saw, want)
        case "isNot":
            return not _same(saw, want)
        case "isAnyOf":
            return any(_same(saw, one) for one in want)
        case "contains":
            text = text_of(saw)
            return text is not None and fold(want) in fold(text)
        case _:
            number = _finite(saw)
            return number is not None and bool(_ORDER[op](number, number_of(want)))


def _same(saw: Any, want: Any) -> bool:
    if not isinstance(want, bool | str):
        number = _finite(saw)
        return number is not None and number == number_of(want)
    text = text_of(saw)
    return text is not None and fold(text) == fold(text_of(want) or "")


def _finite(saw: Any) -> Any:
    if isinstance(saw, float) and not math.isfinite(saw):
        return None
    return number_of(saw)


def instance_of(value: Any) -> str | None:
    """The instance that a property names: 7, 7.0 and "7" are the same one; what is long goes by its hash."""
    number = None if isinstance(value, str) else _finite(value)
    name = text_of(value) if number is None else plain(number)
    if not name or (isinstance(value, float) and number is None):
        return None
    return name if len(name) <= LONGEST_INSTANCE else f"sha256:{sha256(name.encode()).hexdigest()}"


def parse(source: Any, pointer: str = "#/where") -> Filter:
    """The filter behind what somebody wrote, as it is kept. Raises `UnusablePropertyFilter`; `pointer` is its place."""
    return _node(source, pointer, DEEPEST, [MOST_CONDITIONS])


def _node(source: Any, at: str, depth: int, left: list[int]) -> Filter:
    if not isinstance(source, Mapping):
        raise _refused(at, "Write an object here: a condition, or a group under all, any or not.")
    if depth == 0:
        raise _refused(at, f"Groups nest at most {DEEPEST} deep.")
    if len(source) == 1:
        if "not" in source:
            return {"not": _node(source["not"], f"{at}/not", depth - 1, left)}
        kind = next(iter(source))
        if kind in ("all", "any"):
            return {kind: _parts(source[kind], f"{at}/{kind}", depth - 1, left)}
    return _condition(source, at, left)


def _parts(source: Any, at: str, depth: int, left: list[int]) -> list[Filter]:
    if not isinstance(source, list) or not source or len(source) > MOST_CONDITIONS:
        raise _refused(at, f"Give 1 to {MOST_CONDITIONS} conditions or groups.")
    return [_node(part, f"{at}/{n}", depth, left) for n, part in enumerate(source)]


def _condition(source: Mapping[str, Any], at: str, left: list[int]) -> Filter:
    left[0] -= 1
    if left[0] < 0:
        raise _refused(at, f"A filter on properties holds at most {MOST_CONDITIONS} conditions.")
    if not source.keys() <= {"property", "op", "value"}:
        raise _refused(at, "A condition has `property`, `op` and mostly `value`; a group is all, any or not alone.")
    name, op = source.get("property"), source.get("op")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_PROPERTY or not storable(name):
        raise _refused(f"{at}/property", f"Name a property in 1 to {LONGEST_PROPERTY} characters.")
    if op not in OPS:
        raise _refused(f"{at}/op", f"Use one of {', '.join(OPS)}.")
    if op in ("isSet", "isNotSet"):
        if source.get("value") is not None:
            raise _refused(f"{at}/value", f"{op} takes no value.")
        return {"property": name, "op": op}
    return {"property": name, "op": op, "value": _operand(op, source.get("value"), f"{at}/value")}


def _operand(op: str, value: Any, at: str) -> Any:
    if op == "isAnyOf":
        if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES or not all(map(_scalar, value)):
            raise _refused(at, f"Give a list of 1 to {MOST_VALUES} texts, numbers, true or false.")
    elif op == "contains":
        if not isinstance(value, str) or not value or not _scalar(value):
            raise _refused(at, f"Give a text of 1 to {LONGEST_VALUE} characters.")
    elif op in _ORDER:
        if isinstance(value, bool | str) or not _scalar(value):
            raise _refused(at, "Give a number.")
    elif not _scalar(value):
        raise _refused(at, f"Give a text of at most {LONGEST_VALUE} characters, a number, true or false.")
    return _settled(value)


def _settled(value: Any) -> Any:
    """A value as it is read back from stored JSON: without that, `key` would take 1e17 for another one then."""
    if isinstance(value, list):
        return [_settled(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _scalar(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_VALUE and storable(value)
    if isinstance(value, bool):
        return True
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**63


def _refused(at: str, detail: str) -> UnusablePropertyFilter:
    return UnusablePropertyFilter(f"{at}: {detail}", errors=[{"pointer": at, "detail": detail}])
