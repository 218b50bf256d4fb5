"""Reads a filter from JSON: strict, bounded, and every refusal points at the part it is about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from app.domain.errors import Rejected
from app.domain.fields import OPERATORS, READINGS, Fact, Op, Type, UnknownFact, find
from app.domain.filters import operands
from app.domain.filters.operands import Unusable
from app.domain.filters.tree import AllOf, AnyOf, Leaf, Not, Operand, Tree

DEEPEST: Final = 8
MOST_LEAVES: Final = 100
LEAF_KEYS: Final = {"field", "op", "value", "type"}
TRAIT_HINT: Final = " Or state another `type`; for true and false use isTrue and isFalse."


class InvalidFilter(Rejected):
    """The filter cannot be understood."""

    code = "invalid_filter"


@dataclass(slots=True)
class _Budget:
    leaves: int = MOST_LEAVES


def parse(source: Any) -> Tree:
    """The tree behind a JSON filter. Raises `InvalidFilter` with a JSON pointer into the filter."""
    return _node(source, "", DEEPEST, _Budget())


def _refuse(pointer: str, detail: str) -> InvalidFilter:
    where = f"#/filter{pointer}"
    return InvalidFilter(f"{where}: {detail}", errors=[{"pointer": where, "detail": detail}])


def _node(source: Any, pointer: str, depth: int, budget: _Budget) -> Tree:
    if not isinstance(source, Mapping):
        raise _refuse(pointer, "Write an object here: a condition, or a group under all, any or not.")
    if depth == 0:
        raise _refuse(pointer, f"Groups nest at most {DEEPEST} deep: merge some of them.")
    group = GROUPS.get(next(iter(source), "")) if len(source) == 1 else None
    if group is not None:
        return group(source, pointer, depth - 1, budget)
    return _leaf(source, pointer, budget)


def _parts(source: Mapping[str, Any], pointer: str, depth: int, budget: _Budget, *, kind: str) -> Tree:
    parts = source[kind]
    if not isinstance(parts, list):
        raise _refuse(f"{pointer}/{kind}", f"Give `{kind}` a list of conditions or groups.")
    if len(parts) > MOST_LEAVES:
        raise _too_many(f"{pointer}/{kind}")
    read = tuple(_node(part, f"{pointer}/{kind}/{ix}", depth, budget) for ix, part in enumerate(parts))
    return AllOf(read) if kind == "all" else AnyOf(read)


def _not(source: Mapping[str, Any], pointer: str, depth: int, budget: _Budget) -> Tree:
    return Not(_node(source["not"], f"{pointer}/not", depth, budget))


GROUPS: Final[Mapping[str, Callable[[Mapping[str, Any], str, int, _Budget], Tree]]] = {
    "all": partial(_parts, kind="all"),
    "any": partial(_parts, kind="any"),
    "not": _not,
}


def _too_many(pointer: str) -> InvalidFilter:
    return _refuse(pointer, f"A filter holds at most {MOST_LEAVES} conditions and groups in a list.")


def _leaf(source: Mapping[str, Any], pointer: str, budget: _Budget) -> Leaf:
    budget.leaves -= 1
    if budget.leaves < 0:
        raise _too_many(pointer)
    if not {"field", "op"} <= source.keys() or not source.keys() <= LEAF_KEYS:
        raise _refuse(pointer, "A condition has `field`, `op` and mostly `value`; a group is all, any or not alone.")
    fact = _fact(source["field"], f"{pointer}/field")
    op = _op(source["op"], fact, f"{pointer}/op")
    reading = _reading(source, fact, op, pointer)
    return Leaf(fact, reading, op, _operand(source, fact, reading, op, pointer), source.get("value"))


def _fact(path: Any, pointer: str) -> Fact:
    if not isinstance(path, str):
        raise _refuse(pointer, "Name the field as text.")
    try:
        return find(path)
    except UnknownFact as unknown:
        raise _refuse(pointer, unknown.detail) from unknown


def _op(name: Any, fact: Fact, pointer: str) -> Op:
    if isinstance(name, str) and name in fact.operators:
        return Op(name)
    raise _refuse(pointer, f"`{fact.path}` takes one of: {', '.join(fact.operators)}.")


def _reading(source: Mapping[str, Any], fact: Fact, op: Op, pointer: str) -> Type:
    """The type values are compared as: the fact's own, or for a trait the one stated or implied."""
    stated = source.get("type")
    if fact.type is not Type.TRAIT:
        if stated not in (None, fact.type):
            raise _refuse(f"{pointer}/type", f"`{fact.path}` is of type {fact.type}; leave `type` out.")
        return fact.type
    if stated is None:
        return _implied(op, source.get("value"))
    if stated not in READINGS:
        raise _refuse(f"{pointer}/type", f"A trait is read as one of: {', '.join(READINGS)}.")
    reading = Type(stated)
    if op not in OPERATORS[reading]:
        raise _refuse(f"{pointer}/op", f"A {reading} takes one of: {', '.join(OPERATORS[reading])}.")
    return reading


def _implied(op: Op, value: Any) -> Type:
    """What a trait must be read as for this operator and operand to make sense; a mere presence check reads nothing."""
    if op in (Op.IS_SET, Op.IS_NOT_SET):
        return Type.TRAIT
    candidates = [reading for reading in READINGS if op in OPERATORS[reading]]
    sample = value[0] if isinstance(value, list) and value else value
    wanted = Type.NUMBER if isinstance(sample, int | float) else candidates[0]
    if op is Op.BETWEEN and isinstance(sample, str):
        wanted = Type.DATETIME
    return wanted if wanted in candidates else candidates[0]


def _operand(source: Mapping[str, Any], fact: Fact, reading: Type, op: Op, pointer: str) -> Operand:
    read = operands.reader(reading, op)
    if read is None:
        if source.get("value") is not None:
            raise _refuse(f"{pointer}/value", f"`{op}` takes no value.")
        return None
    if "value" not in source:
        raise _refuse(f"{pointer}/value", f"`{op}` needs a value.")
    try:
        return read(source["value"], fact)
    except Unusable as unusable:
        hint = TRAIT_HINT if fact.key is not None else ""
        raise _refuse(f"{pointer}/value{unusable.where}", f"{unusable}{hint}") from unusable
