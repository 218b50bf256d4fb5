"""Pages and counts of a report as statements to a copy: the filter by the one compiler, the order by the one pager."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, literal_column, or_, select, table

from app.db import filters
from app.db.places import SORTED_CHARACTERS, Key, Place, Walk, stretches
from app.db.replica import columns
from app.db.replica.columns import ID, Column
from app.db.replica.dialect import compiled, loosely
from app.db.replica.store import TABLE, Store
from app.db.replica.values import TEXT, Unanswerable
from app.domain.fields import Fact, Type, find
from app.domain.filters import Tree, leaves
from app.domain.filters.tree import conditions
from app.domain.operators import MOVES
from app.domain.reports import Order, Report

ROW: Final[ColumnElement[Any]] = literal_column("rowid")
Rows = list[tuple[Any, ...]]
_ID: Final = columns.Column(find(ID), Type.ID)


class Lacking(Unanswerable):
    """The copy could answer, had it these columns."""

    def __init__(self, lacking: Sequence[Column]) -> None:
        self.columns = lacking


class _Reader:
    """Where a report's values come from: the columns of a copy."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.used: dict[str, Column] = {}

    def __call__(self, fact: Fact, reading: Type | None = None) -> ColumnElement[Any]:
        return self.at(columns.of(fact, reading or fact.type))

    def at(self, column: Column | None) -> ColumnElement[Any]:
        if column is None or not (self._store.has(column) or self._store.lacks(column)):
            raise Unanswerable
        self.used[column.name] = column
        return column.there

    def key(self, order: Order) -> tuple[Column, Key]:
        """A sort key as the copy has it."""
        column = columns.ordering(order.fact, order.reading)
        value = self.at(column)
        if column is None or (column.shape.stored == TEXT.stored and not self._store.by_bytes):
            raise Unanswerable
        if self._store.is_long(column) and not column.exact:
            value = func.left(value, SORTED_CHARACTERS, type_=column.shape.type)
        return column, Key(value, order.descending, present=not order.fact.nullable)


@dataclass(frozen=True, slots=True)
class Edge:
    """A value of the last row of another answer, by its position there."""

    position: int


@dataclass(frozen=True, slots=True)
class Question:
    """A query, written out when it is its turn. With an `edge`, that is asked first; where it finds a whole page and
    its last row misses nothing, `near` gives the same rows sooner."""

    query: Select[Any]
    edge: Select[Any] | None = None
    near: Select[Any] | None = None

    def answer(self, ask: Callable[[str, list[Any]], Rows], limit: int) -> Rows:
        """The rows, asked for in one way or the other. Raises `Unanswerable`."""
        if self.edge is not None and self.near is not None:
            found = ask(*compiled(self.edge))
            if len(found) == limit and None not in found[-1]:
                statement, values = compiled(self.near)
                return ask(statement, [found[-1][one.position] if isinstance(one, Edge) else one for one in values])
        return ask(*compiled(self.query))


@dataclass(frozen=True, slots=True)
class Statements:
    """What to ask one after another until there is enough, what the answers are made of, and which columns it took."""

    asked: Sequence[Question]
    keys: Sequence[Column]
    used: Sequence[Column]


def page(store: Store, report: Report, *, after: Place | None, now: datetime, limit: int) -> Statements:
    """A report's page. Raises `Unanswerable`, or `Lacking` where columns are missing."""
    reader = _Reader(store)
    pairs = [reader.key(one) for one in report.order]
    sorted_by, keys = [column for column, _ in pairs], [key for _, key in pairs]
    query = _kept(report, reader, now, _ID.there, *(key.value for key in keys))
    since = None if after is None else _read(after, sorted_by)
    walked = stretches(Walk(query, keys, _ID.there), since)
    asked = (_question(one, sorted_by[len(keys) - len(one.keys) :], limit) for one in walked)
    return _statements(store, reader, asked, sorted_by)


def count(store: Store, report: Report, *, now: datetime) -> Statements:
    """How many accounts a report keeps. Raises as `page` does."""
    reader = _Reader(store)
    return _statements(store, reader, [Question(_kept(report, reader, now, func.count()))], ())


def places(rows: Sequence[Sequence[Any]], keys: Sequence[Column]) -> list[Place]:
    """The rows of a page as places, their values as PostgreSQL writes them."""
    shows = [column.shape.show for column in keys]
    return [
        Place(tuple(None if v is None else show(v) for show, v in zip(shows, row[1:], strict=True)), row[0])
        for row in rows
    ]


def _kept(report: Report, reader: _Reader, now: datetime, *shown: Any) -> Select[Any]:
    for tree in (report.filter, report.within):
        _check(tree)
    kept = [filters.holds(tree, now, of=reader) for tree in (report.filter, report.within)]
    return select(*shown).select_from(table(TABLE)).where(*map(loosely, kept))


def _check(tree: Tree) -> None:
    """Related records and former values are not here."""
    plain = list(leaves(tree))
    if len(plain) < len(list(conditions(tree))) or any(leaf.op in MOVES for leaf in plain):
        raise Unanswerable


def _read(place: Place, keys: Sequence[Column]) -> Place:
    """A place as the copy takes it; a value the copy could not hold is none of its places."""
    read = [None if text is None else key.shape.read(text) for key, text in zip(keys, place.keys, strict=True)]
    return replace(place, keys=tuple(read))


def _question(stretch: Walk, columns: Sequence[Column], limit: int) -> Question:
    """Where texts come after other things to sort by, they are only read for rows that those let onto the page."""
    query = stretch.select().limit(limit)
    plain = takewhile(lambda pair: pair[1].shape is not TEXT, zip(stretch.keys, columns, strict=True))
    leading = [key for key, _ in plain]
    if not 0 < len(leading) < len(stretch.keys):
        return Question(query)
    edge = stretch.query.with_only_columns(*(key.value for key in leading))
    edge = edge.order_by(*(key.ordered() for key in leading)).limit(limit)
    rows = stretch.query.where(_up_to(leading)).with_only_columns(ROW)
    near = select(*stretch.query.selected_columns).select_from(table(TABLE)).where(ROW.in_(rows))
    return Question(query, edge, near.order_by(*stretch.order()).limit(limit))


def _up_to(keys: Sequence[Key]) -> ColumnElement[bool]:
    """Whether a row comes before the edge by these keys, or with it."""
    edge = [bindparam(None, Edge(ix), type_=key.value.type) for ix, key in enumerate(keys)]
    same = [key.value == at for key, at in zip(keys, edge, strict=True)]
    within = [key.value >= at if key.descending else key.value <= at for key, at in zip(keys, edge, strict=True)]
    closer = [key.value > at if key.descending else key.value < at for key, at in zip(keys, edge, strict=True)]
    ways = [and_(*same[:ix], one) for ix, one in enumerate([*closer[:-1], within[-1]])]
    return and_(within[0], or_(*ways))


def _statements(store: Store, reader: _Reader, asked: Iterable[Question], keys: Sequence[Column]) -> Statements:
    lacking = [column for column in reader.used.values() if store.lacks(column)]
    if lacking:
        raise Lacking(lacking)
    return Statements(list(asked), keys, list(reader.used.values()))
