"""What a report asks for: columns, a filter, an order; and what its rows are when nothing is said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from app.domain.errors import Rejected
from app.domain.fields import READINGS, Fact, Type, UnknownFact, find
from app.domain.filters import AllOf, Tree, parse

DEFAULT_COLUMNS: Final = ("name", "status", "mrr", "csm", "owner.email", "owner.lastSeenAt", "owner.sessions")
COUNTED: Final = 10_000  # a count stops here


class InvalidReport(Rejected):
    """The report cannot be made as asked."""

    code = "invalid_report"


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key; missing values come last in both directions."""

    fact: Fact
    reading: Type
    descending: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A report, understood. `digest` names its filter and order: a place in one report means nothing in another."""

    columns: tuple[Fact, ...]
    filter: Tree
    order: tuple[Order, ...]
    digest: str


def understand(columns: Sequence[str] | None, source: Any, sort: Sequence[Mapping[str, Any]]) -> Report:
    """The report behind its JSON. Raises `InvalidFilter`, `InvalidReport` with a pointer, or both kinds of kin."""
    names = DEFAULT_COLUMNS if columns is None else columns
    facts = tuple(_at(f"#/columns/{ix}", name) for ix, name in enumerate(names))
    order = tuple(_order(key, f"#/sort/{ix}") for ix, key in enumerate(sort))
    paths = [key.fact.path for key in order]
    if len(set(paths)) < len(paths):
        raise _refuse("#/sort", "Sort by each field once.")
    tree = AllOf(()) if source is None else parse(source)
    asked = orjson.dumps([source, [dict(key) for key in sort]], option=orjson.OPT_SORT_KEYS)
    return Report(facts, tree, order, sha256(asked).hexdigest()[:32])


def _order(key: Mapping[str, Any], pointer: str) -> Order:
    fact = _at(f"{pointer}/field", key["field"])
    stated = key.get("type")
    if fact.key is None and stated not in (None, fact.type):
        raise _refuse(f"{pointer}/type", f"`{fact.path}` is of type {fact.type}; leave `type` out.")
    if fact.key is not None and stated not in (None, *READINGS):
        raise _refuse(f"{pointer}/type", f"A trait is sorted as one of: {', '.join(READINGS)}.")
    reading = fact.type if fact.key is None else Type(stated or Type.TEXT)
    return Order(fact, reading, key.get("direction") == "desc")


def _at(pointer: str, path: str) -> Fact:
    try:
        return find(path)
    except UnknownFact as unknown:
        raise _refuse(pointer, unknown.detail) from unknown


def _refuse(pointer: str, detail: str) -> InvalidReport:
    return InvalidReport(f"{pointer}: {detail}", errors=[{"pointer": pointer, "detail": detail}])
