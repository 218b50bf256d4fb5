"""Metrics as SQL: one query says for each record what every metric is, by how much it changed, and until when.

It is put together in layers, each behind a fence: terms, then values, then values as they are kept. So every term is
worked out once, however often it is used.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Numeric,
    Select,
    Subquery,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
)

from app.db import filters, relatives
from app.db.grounds import GROUNDS, Ground, fresh, join
from app.db.metrics.counting import Counts
from app.domain.fields import Fact, Subject, Type
from app.domain.filters import leaves
from app.domain.metrics import (
    Aggregate,
    Equation,
    Events,
    Expression,
    Number,
    Operation,
    Operator,
    People,
    Term,
    Value,
    asks,
)
from app.domain.metrics.tree import LARGEST, PLACES

Column = ColumnElement[Any]
INSTANT: Final = DateTime(timezone=True)
NOW: Final[Column] = bindparam("now", type_=INSTANT)
TODAY: Final[Column] = bindparam("today", type_=Date)
WORKSPACE: Final[Column] = bindparam("workspace", type_=Uuid)
RECORDS: Final[Column] = bindparam("records", type_=ARRAY(Uuid))
UTC: Final[Column] = literal_column("'UTC'", Text)
HUNDRED: Final[Column] = literal_column("100::numeric", Numeric)
_LARGEST: Final[Column] = literal_column(f"{LARGEST:f}::numeric", Numeric)


def fenced(query: Select[Any], name: str) -> Subquery:
    """A query whose columns are worked out where they stand, once."""
    return query.offset(literal_column("0")).subquery(name)


def kept(value: Column) -> Column:
    """A value as it is kept; see `meaning.rounded`."""
    return case((func.abs(value) < _LARGEST, func.trim_scale(func.round(value, PLACES), type_=Numeric)))


def change(now: Column, before: Column) -> Column:
    """By how many hundredths a value differs from another, before it is kept; see `meaning.moved`."""
    return cast((now - before) * HUNDRED, Numeric) / func.abs(func.nullif(before, 0), type_=Numeric)


@dataclass(frozen=True, slots=True)
class Layer:
    """The terms of some metrics beside their records: by term and shift; and when the clock moves any of them."""

    table: Subquery
    columns: Mapping[tuple[Term, int], str]

    def value(self, expression: Expression, shift: int = 0) -> Column:
        """An expression over these terms."""
        if isinstance(expression, Number):
            return bindparam(None, expression.value, type_=Numeric)
        if not isinstance(expression, Operation):
            return self.table.c[self.columns[(expression, shift if isinstance(expression, Events) else 0)]]
        args = [self.value(arg, shift) for arg in expression.args]
        if expression.operator is Operator.COALESCE:
            return func.coalesce(*args, type_=Numeric)
        if expression.operator in (Operator.MIN, Operator.MAX):
            edge = func.least if expression.operator is Operator.MIN else func.greatest
            return case((and_(*(arg.is_not(None) for arg in args)), edge(*args, type_=Numeric)))
        return reduce(JOINS[expression.operator], args)


JOINS: Final[Mapping[Operator, Callable[[Column, Column], Column]]] = {
    Operator.ADD: lambda one, other: cast(one + other, Numeric),
    Operator.SUBTRACT: lambda one, other: cast(one - other, Numeric),
    Operator.MULTIPLY: lambda one, other: cast(one * other, Numeric),
    Operator.DIVIDE: lambda one, other: cast(one / func.nullif(other, 0, type_=Numeric), Numeric),
}
_AGGREGATES: Final[Mapping[Aggregate, Callable[[Column], Column]]] = {
    Aggregate.SUM: func.sum,
    Aggregate.AVERAGE: func.avg,
    Aggregate.MIN: func.min,
    Aggregate.MAX: func.max,
}


class Terms:
    """Puts the first layer together: every term of some equations, beside records of a subject.

    `alone`: without the windows before.
    """

    def __init__(self, subject: Subject, equations: Sequence[Equation], counts: Counts, *, alone: bool = False) -> None:
        self.ground, self.counts = GROUNDS[subject], counts
        self._asked: dict[tuple[Term, int], Column] = {}
        self._facts: list[Fact] = []
        self._clocks: list[Column] = []
        shifting = [(term, one.shifts and not alone) for one in equations for term in asks(one.whole)]
        for term, shifts in shifting:
            if isinstance(term, Events):
                counts.want(term, shifts=shifts)
        self._start = counts.join
        self._shifting = shifting

    def layer(self, more: Sequence[Column], facts: Sequence[Fact], *, beside: FromClause | None = None) -> Layer:
        """The layer, with more columns; `facts` are what those need, `beside` is joined to every record."""
        start = self.ground.start
        if beside is not None:
            start = start.join(beside, literal_column("true"))
        start = self._start(start)
        for term, shifts in self._shifting:
            for shift in range(2 if shifts else 1):
                if (term, shift) not in self._asked:
                    self._asked[(term, shift)] = self._column(term, shift)
        names = {key: f"t{ix}" for ix, key in enumerate(self._asked)}
        columns = [column.label(names[key]) for key, column in self._asked.items()]
        query = select(*more, *columns, self.later().label("later")).select_from(start)
        query = query.where(self.ground.workspace == WORKSPACE, self.ground.id == any_(RECORDS))
        return Layer(fenced(join(query, self.ground, [*facts, *self._facts]), "t"), names)

    def later(self) -> Column:
        """The next instant at which the clock alone moves any of the terms."""
        midnights = [midnight(day) for day in self.counts.instants()]
        return func.least(*midnights, *self._clocks, type_=INSTANT) if midnights or self._clocks else _NEVER

    def _column(self, term: Term, shift: int) -> Column:
        match term:
            case Events():
                return self.counts.value(term, shift=shift)
            case Value():
                self._facts.append(term.fact)
                return cast(self.ground.value(term.fact, Type.NUMBER), Numeric)
            case People():
                self._clocks += _instants(term, self.ground, NOW)
                return _people(term, self.ground, NOW)


_NEVER: Final[Column] = cast(null(), INSTANT)


def midnight(day: Column) -> Column:
    """The instant at which a day begins."""
    return func.timezone(UTC, cast(day, DateTime), type_=INSTANT)


def _people(term: People, here: Ground, now: Column) -> Column:
    there = fresh(Subject.USERS)
    column: Column = func.count()
    if term.fact is not None:
        column = _AGGREGATES[term.aggregate](cast(there.value(term.fact, Type.NUMBER), Numeric))
    needed = [leaf.fact for leaf in leaves(term.where)] + ([] if term.fact is None else [term.fact])
    query = relatives.related(term.relation, here, there, column, needed)
    found = query.where(filters.holds(term.where, now, there.value)).scalar_subquery()
    return cast(found, Numeric)


def _instants(term: People, here: Ground, now: Column) -> Iterator[Column]:
    there = fresh(Subject.USERS)
    at = filters.next_change(term.where, now, there.value)
    if at is not None:
        needed = [leaf.fact for leaf in leaves(term.where)]
        soonest = func.min(at, type_=INSTANT)
        yield relatives.related(term.relation, here, there, soonest, needed).scalar_subquery()
