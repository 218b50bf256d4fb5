"""The shape of a filter once it is understood: groups, and conditions whose operands have the type of their fact."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.domain.fields import Fact, Op, Quantity, Relation, Subject, Type

TICK: Final = timedelta(microseconds=1)  # the smallest step of every clock here
FAR: Final = datetime(9000, 1, 1, tzinfo=UTC)  # later instants are never waited for, nor may a filter name them


@dataclass(frozen=True, slots=True)
class Span:
    """Instants from `start` (included) to `end` (excluded); an open side has no bound."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Move:
    """By how much a number changed since it was `days` ago: by that many, or by that many hundredths of what it was."""

    by: Decimal
    percent: bool
    days: int


Operand = str | Decimal | Span | Move | UUID | int | tuple[str, ...] | tuple[Decimal, ...] | tuple[UUID, ...] | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One condition: `operand` is `value` as the fact's type understands it, folded where it is text.

    `value` is only shown, so two conditions with the same operand are equal (and a tree can be a key).
    """

    fact: Fact
    reading: Type
    op: Op
    operand: Operand
    value: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Related:
    """A condition on how many related records satisfy `where`; `value` is only shown."""

    relation: Relation
    op: Quantity
    count: int
    where: "Tree"
    value: Any = field(default=None, compare=False)

    def met(self, found: int) -> bool:
        """Whether this many are as many as asked for."""
        return _met(self.op, self.count, found)


@dataclass(frozen=True, slots=True)
class Happened:
    """A condition on how often an event was counted for a record, ever or in the last `days` days of UTC: today and
    those before it. `value` is only shown."""

    subject: Subject
    event: str
    op: Quantity
    count: int
    days: int | None
    value: Any = field(default=None, compare=False)

    def met(self, found: int) -> bool:
        """Whether this many are as many as asked for."""
        return _met(self.op, self.count, found)

    def first(self, now: datetime) -> date:
        """The first day of the window at `now`; windows move on at midnight."""
        return now.astimezone(UTC).date() - timedelta(days=(self.days or 1) - 1)

    @property
    def falls(self) -> tuple[int, ...]:
        """From which counts on down by one the answer changes. Windows only ever lose days as time goes by."""
        wanted = {Quantity.AT_LEAST: (self.count,), Quantity.EXACTLY: (self.count + 1, self.count)}
        found = wanted.get(self.op, (self.count + 1,))
        return () if self.days is None else tuple(one for one in found if one > 0)


def _met(op: Quantity, wanted: int, found: int) -> bool:
    match op:
        case Quantity.AT_LEAST:
            return found >= wanted
        case Quantity.AT_MOST:
            return found <= wanted
        case _:
            return found == wanted


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Tree"


Condition = Leaf | Related | Happened
Tree = AllOf | AnyOf | Not | Leaf | Related | Happened

# A negative operator is true exactly where its positive is false: on missing values too.
NEGATIVES: Final = {
    Op.IS_NOT: Op.IS,
    Op.IS_NONE_OF: Op.IS_ANY_OF,
    Op.DOES_NOT_CONTAIN: Op.CONTAINS,
    Op.IS_NOT_SET: Op.IS_SET,
}

# Seen from a value, the instants (in days from it) at which each relative condition changes its answer.
TURNS: Final[Mapping[Op, Callable[[int], tuple[int, ...]]]] = {
    Op.MORE_THAN_DAYS_AGO: lambda days: (days,),
    Op.LESS_THAN_DAYS_AGO: lambda days: (0, days),
    Op.IN_LAST_DAYS: lambda days: (0, days),
    Op.MORE_THAN_DAYS_FROM_NOW: lambda days: (-days,),
    Op.LESS_THAN_DAYS_FROM_NOW: lambda days: (-days, 0),
    Op.IN_NEXT_DAYS: lambda days: (-days, 0),
}


def conditions(tree: Tree) -> Iterator[Condition]:
    """Every condition on the records the tree is about, in reading order; not those on records related to them."""
    match tree:
        case Leaf() | Related() | Happened():
            yield tree
        case Not(part):
            yield from conditions(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from conditions(part)


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The conditions that name a fact of the records themselves."""
    return (one for one in conditions(tree) if isinstance(one, Leaf))


def relations(tree: Tree) -> Iterator[Related]:
    """The conditions on related records, those inside them included."""
    for one in conditions(tree):
        if isinstance(one, Related):
            yield one
            yield from relations(one.where)


def happenings(tree: Tree) -> Iterator[Happened]:
    """The conditions on events of the records themselves."""
    return (one for one in conditions(tree) if isinstance(one, Happened))


def parts(tree: Tree) -> Iterator[Tree]:
    """The tree, and those inside its conditions on related records."""
    yield tree
    yield from (one.where for one in relations(tree))


def asks_about(tree: Tree, subject: Subject) -> bool:
    """Whether the answer depends on related records of this kind."""
    return any(one.relation.target is subject for one in relations(tree))


def size(tree: Tree) -> int:
    """How many conditions there are in all."""
    return sum(1 + (size(one.where) if isinstance(one, Related) else 0) for one in conditions(tree))


def looks_back(leaf: Leaf) -> bool:
    """Whether the condition needs to know what the value was."""
    return isinstance(leaf.operand, Move)


def turns(leaf: Leaf) -> tuple[timedelta, ...]:
    """How long after the value (before it, when negative) the clock alone changes the condition's answer."""
    shape = TURNS.get(leaf.op)
    if shape is None or not isinstance(leaf.operand, int):
        return ()
    return tuple(timedelta(days=days) for days in shape(leaf.operand))


def span(leaf: Leaf, now: datetime) -> Span:
    """The instants that satisfy a datetime condition at `now`: N days are N times 24 hours."""
    if isinstance(leaf.operand, Span):
        return leaf.operand
    assert isinstance(leaf.operand, int)  # noqa: S101 - the reader gives datetime conditions a span or a number of days
    days = timedelta(days=leaf.operand)
    match leaf.op:
        case Op.MORE_THAN_DAYS_AGO:
            return Span(None, now - days + TICK)
        case Op.LESS_THAN_DAYS_AGO | Op.IN_LAST_DAYS:
            return Span(now - days + TICK, now + TICK)
        case Op.LESS_THAN_DAYS_FROM_NOW | Op.IN_NEXT_DAYS:
            return Span(now + TICK, now + days + TICK)
        case _:
            return Span(now + days + TICK, None)
