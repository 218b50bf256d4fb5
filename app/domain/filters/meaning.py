"""What a filter means: whether it holds for given facts, what each condition saw, and when the clock may change it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.domain import ids
from app.domain.fields import Op, Type
from app.domain.filters.operands import PREFIXES
from app.domain.filters.tree import FAR, NEGATIVES, AllOf, AnyOf, Leaf, Not, Tree, leaves, span, turns
from app.domain.filters.values import fold, read_as

Facts = Mapping[str, Any]  # by path; account traits as one mapping under "traits"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One condition with the value it saw."""

    field: str
    label: str
    op: Op
    value: Any
    saw: Any
    holds: bool


def holds(tree: Tree, facts: Facts, now: datetime) -> bool:
    """Whether the facts satisfy the filter at `now`; always yes or no."""
    match tree:
        case Leaf():
            return _leaf_holds(tree, facts, now)
        case Not(part):
            return not holds(part, facts, now)
        case AllOf(parts):
            return all(holds(part, facts, now) for part in parts)
        case AnyOf(parts):
            return any(holds(part, facts, now) for part in parts)


def next_change(tree: Tree, facts: Facts, now: datetime) -> datetime | None:
    """The earliest instant after `now` at which the clock alone may change an answer; before it nothing changes."""
    return min((at for leaf in leaves(tree) for at in _leaf_turns(leaf, facts) if now < at < FAR), default=None)


def explain(tree: Tree, facts: Facts, now: datetime) -> list[Outcome]:
    """Every condition of the filter with the value it sees at `now`."""
    return [
        Outcome(
            field=leaf.fact.path,
            label=leaf.fact.label,
            op=leaf.op,
            value=leaf.value,
            saw=_shown(leaf, facts),
            holds=_leaf_holds(leaf, facts, now),
        )
        for leaf in leaves(tree)
    ]


def _value(leaf: Leaf, facts: Facts) -> Any:
    if leaf.fact.key is None:
        return facts.get(leaf.fact.path)
    return read_as(leaf.reading, facts["traits"].get(leaf.fact.key))


def _leaf_holds(leaf: Leaf, facts: Facts, now: datetime) -> bool:
    positive = NEGATIVES.get(leaf.op)
    value = _value(leaf, facts)
    answer = value is not None and _satisfies(leaf, positive or leaf.op, value, now)
    return answer if positive is None else not answer


def _satisfies(leaf: Leaf, op: Op, value: Any, now: datetime) -> bool:
    if op is Op.IS_SET:
        return True
    match leaf.reading:
        case Type.DATETIME:
            return _within(leaf, value, now)
        case Type.NUMBER:
            return _compares(op, Decimal(value), leaf.operand)
        case Type.BOOLEAN:
            return bool(value) is (op is Op.IS_TRUE)
        case Type.TEXT:
            return _reads(op, fold(value), leaf.operand)
        case _:
            return bool(value == leaf.operand if op is Op.IS else value in _tuple(leaf))


def _within(leaf: Leaf, value: datetime, now: datetime) -> bool:
    wanted = span(leaf, now)
    return (wanted.start is None or wanted.start <= value) and (wanted.end is None or value < wanted.end)


def _compares(op: Op, value: Decimal, operand: Any) -> bool:
    match op:
        case Op.IS:
            return bool(value == operand)
        case Op.IS_ANY_OF:
            return value in operand
        case Op.BETWEEN:
            return bool(operand[0] <= value <= operand[1])
        case Op.GREATER_THAN:
            return bool(value > operand)
        case Op.AT_LEAST:
            return bool(value >= operand)
        case Op.LESS_THAN:
            return bool(value < operand)
        case _:
            return bool(value <= operand)


def _reads(op: Op, value: str, operand: Any) -> bool:
    match op:
        case Op.IS:
            return bool(value == operand)
        case Op.CONTAINS:
            return operand in value
        case Op.STARTS_WITH:
            return value.startswith(operand)
        case Op.ENDS_WITH:
            return value.endswith(operand)
        case _:
            return value in operand


def _tuple(leaf: Leaf) -> tuple[Any, ...]:
    return leaf.operand if isinstance(leaf.operand, tuple) else ()


def _leaf_turns(leaf: Leaf, facts: Facts) -> Iterator[datetime]:
    value = _value(leaf, facts)
    if value is None:
        return
    for turn in turns(leaf):
        try:
            yield value + turn
        except OverflowError:
            continue


def _shown(leaf: Leaf, facts: Facts) -> Any:
    """The value a condition saw, as JSON: a trait as it is stored, everything else as the API shows it."""
    if leaf.fact.key is not None:
        return facts["traits"].get(leaf.fact.key)
    return shown(facts.get(leaf.fact.path), leaf.fact.type)


def shown(value: Any, type_: Type) -> Any:
    """A fact's value as JSON: instants in UTC to the microsecond, numbers as numbers, ids with their prefix."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, UUID):
        return ids.show(PREFIXES[type_], value)
    return value
