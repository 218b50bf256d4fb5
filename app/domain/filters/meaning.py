"""What a filter means: whether it holds for given facts, what each condition saw, and when the clock may change it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

from app.domain import ids
from app.domain.fields import Fact, Op, Quantity, Type
from app.domain.filters.counting import counted, leaving
from app.domain.filters.tree import (
    FAR,
    NEGATIVES,
    AllOf,
    AnyOf,
    Condition,
    Happened,
    Leaf,
    Move,
    Not,
    Related,
    Tree,
    conditions,
    span,
    turns,
)
from app.domain.filters.values import fold, read_as

# By path; a record's traits as one mapping under "traits". Of related records either the facts of each, in a list under
# "related" and the relation's name; or what a condition found, under "found" and the condition. Of events either how
# many were counted on which days, in a list under "days" and the event's name; or how many a condition found. Of a
# value's past either when it became what, in a list under "history" and its path; or what it was, under "found" and the
# condition.
Facts = Mapping[str, Any]
_EXACT = Context(prec=200)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One condition with the value it saw; one on related records saw how many matched."""

    field: str
    label: str
    op: Op | Quantity
    value: Any
    saw: Any
    holds: bool


def holds(tree: Tree, facts: Facts, now: datetime) -> bool:
    """Whether the facts satisfy the filter at `now`; always yes or no."""
    match tree:
        case Leaf():
            return _leaf_holds(tree, facts, now)
        case Related():
            return tree.met(_matching(tree, facts, now))
        case Happened():
            return tree.met(counted(tree, facts, now))
        case Not(part):
            return not holds(part, facts, now)
        case AllOf(parts):
            return all(holds(part, facts, now) for part in parts)
        case AnyOf(parts):
            return any(holds(part, facts, now) for part in parts)


def next_change(tree: Tree, facts: Facts, now: datetime) -> datetime | None:
    """The earliest instant after `now` at which the clock alone may change an answer; before it nothing changes."""
    found = (at for one in conditions(tree) for at in _turns(one, facts, now))
    return min((at for at in found if now < at < FAR), default=None)


def explain(tree: Tree, facts: Facts, now: datetime) -> list[Outcome]:
    """Every condition of the filter with the value it sees at `now`."""
    return [_outcome(one, facts, now) for one in conditions(tree)]


def raw(fact: Fact, facts: Facts) -> Any:
    """A fact's value as it is stored."""
    if fact.key is not None and fact.via is None:
        return facts["traits"].get(fact.key)
    return facts.get(fact.path)


def _value(leaf: Leaf, facts: Facts) -> Any:
    stored = raw(leaf.fact, facts)
    return stored if leaf.fact.key is None else read_as(leaf.reading, stored)


def _related(related: Related, facts: Facts) -> list[Facts]:
    found: list[Facts] = facts.get("related", {}).get(related.relation.name, [])
    return found


def _matching(related: Related, facts: Facts, now: datetime) -> int:
    counted: int | None = facts.get("found", {}).get(related)
    if counted is not None:
        return counted
    return sum(1 for one in _related(related, facts) if holds(related.where, one, now))


def _outcome(one: Condition, facts: Facts, now: datetime) -> Outcome:
    if isinstance(one, Happened):
        found = counted(one, facts, now)
        return Outcome("event", f"Event: {one.event}", one.op, one.value, found, one.met(found))
    if isinstance(one, Related):
        found = _matching(one, facts, now)
        return Outcome(one.relation.name, one.relation.label, one.op, one.value, found, one.met(found))
    saw, answer = _shown(one, facts), _leaf_holds(one, facts, now)
    if isinstance(one.operand, Move):
        saw = {"is": saw, "was": shown(_past(one, one.operand, facts, now), one.fact)}
    return Outcome(one.fact.path, one.fact.label, one.op, one.value, saw, answer)


def _leaf_holds(leaf: Leaf, facts: Facts, now: datetime) -> bool:
    positive = NEGATIVES.get(leaf.op)
    value = _value(leaf, facts)
    if isinstance(leaf.operand, Move):
        was = _past(leaf, leaf.operand, facts, now)
        return value is not None and was is not None and _moved(leaf, leaf.operand, value, was)
    answer = value is not None and _satisfies(leaf, positive or leaf.op, value, now)
    return answer if positive is None else not answer


def _past(leaf: Leaf, move: Move, facts: Facts, now: datetime) -> Any:
    """What the value was at the start of the days, or the first that is known of it."""
    known = facts.get("found", {})
    if leaf in known:
        return known[leaf]
    history = sorted(facts.get("history", {}).get(leaf.fact.path, ()), key=lambda change: change[0])
    before = [was for at, was in history if at <= now - timedelta(days=move.days)]
    return before[-1] if before else next((was for _, was in history), None)


def _moved(leaf: Leaf, move: Move, value: Decimal, was: Decimal) -> bool:
    change = _EXACT.subtract(value, was) if leaf.op is Op.INCREASED_BY else _EXACT.subtract(was, value)
    if not move.percent:
        return change >= move.by
    return was > 0 and _EXACT.multiply(change, Decimal(100)) >= _EXACT.multiply(was, move.by)


def _satisfies(leaf: Leaf, op: Op, value: Any, now: datetime) -> bool:
    if op is Op.IS_ME:
        return False  # nobody, until `bind` says who is asking
    if leaf.reading in (Type.MULTI, Type.LIST):
        return _includes(op, _folded(value, leaf), _tuple(leaf))
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


def _folded(value: Any, leaf: Leaf) -> frozenset[Any]:
    return frozenset(value) if leaf.fact.prefix else frozenset(fold(text) for text in value)


def _includes(op: Op, values: frozenset[Any], operand: tuple[Any, ...]) -> bool:
    match op:
        case Op.IS_SET:
            return bool(values)
        case Op.IS_ALL_OF:
            return values.issuperset(operand)
        case _:
            return not values.isdisjoint(operand)


def _tuple(leaf: Leaf) -> tuple[Any, ...]:
    return leaf.operand if isinstance(leaf.operand, tuple) else ()


def _turns(one: Condition, facts: Facts, now: datetime) -> Iterator[datetime]:
    if isinstance(one, Related):
        found = (next_change(one.where, related, now) for related in _related(one, facts))
        yield from (at for at in found if at is not None)
        return
    if isinstance(one, Happened):
        yield from leaving(one, facts, now)
        return
    if isinstance(one.operand, Move):
        history = facts.get("history", {}).get(one.fact.path, ())
        yield from (at + timedelta(days=one.operand.days) for at, _ in history)
        return
    value = _value(one, facts)
    if value is None:
        return
    for turn in turns(one):
        try:
            yield value + turn
        except OverflowError:
            continue


def _shown(leaf: Leaf, facts: Facts) -> Any:
    """The value a condition saw, as JSON: a trait as it is stored, everything else as the API shows it."""
    stored = raw(leaf.fact, facts)
    return stored if leaf.fact.key is not None else shown(stored, leaf.fact)


def shown(value: Any, fact: Fact) -> Any:
    """A fact's value as JSON: instants in UTC to the microsecond, numbers as numbers, ids with their prefix."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, UUID):
        return ids.show(fact.prefix, value)
    if isinstance(value, list | tuple | frozenset):
        return [shown(one, fact) for one in value]
    return value
