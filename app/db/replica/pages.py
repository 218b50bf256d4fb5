"""Pages and counts of a report as statements to a copy: the filter by the one compiler, the order by the one pager."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select, table

from app.db import filters
from app.db.places import SORTED_CHARACTERS, Key, Place, Walk, stretches
from app.db.replica import columns
from app.db.replica.columns import ID, Column
from app.db.replica.dialect import compiled
from app.db.replica.store import TABLE, Store
from app.db.replica.values import TEXT, Unanswerable
from app.domain.fields import Fact, Type, find
from app.domain.filters import Tree, leaves
from app.domain.filters.tree import conditions
from app.domain.operators import MOVES
from app.domain.reports import Order, Report

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
class Statements:
    """What to ask one after another until there is enough, what the answers are made of, and which columns it took."""

    asked: Sequence[tuple[str, list[Any]]]
    keys: Sequence[Column]
    used: Sequence[Column]


def page(store: Store, report: Report, *, after: Place | None, now: datetime, limit: int) -> Statements:
    """A report's page. Raises `Unanswerable`, or `Lacking` where columns are missing."""
    reader = _Reader(store)
    pairs = [reader.key(one) for one in report.order]
    sorted_by, keys = [column for column, _ in pairs], [key for _, key in pairs]
    query = _kept(report, reader, now, _ID.there, *(key.value for key in keys))
    since = None if after is None else _read(after, sorted_by)
    asked = [stretch.limit(limit) for stretch in stretches(Walk(query, keys, _ID.there), since)]
    return _statements(store, reader, asked, sorted_by)


def count(store: Store, report: Report, *, now: datetime) -> Statements:
    """How many accounts a report keeps. Raises as `page` does."""
    reader = _Reader(store)
    return _statements(store, reader, [_kept(report, reader, now, func.count())], ())


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
    return select(*shown).select_from(table(TABLE)).where(*kept)


def _check(tree: Tree) -> None:
    """Related records and former values are not here."""
    plain = list(leaves(tree))
    if len(plain) < len(list(conditions(tree))) or any(leaf.op in MOVES for leaf in plain):
        raise Unanswerable


def _read(place: Place, keys: Sequence[Column]) -> Place:
    """A place as the copy takes it; a value the copy could not hold is none of its places."""
    read = [None if text is None else key.shape.read(text) for key, text in zip(keys, place.keys, strict=True)]
    return replace(place, keys=tuple(read))


def _statements(store: Store, reader: _Reader, queries: Sequence[Select[Any]], keys: Sequence[Column]) -> Statements:
    lacking = [column for column in reader.used.values() if store.lacks(column)]
    if lacking:
        raise Lacking(lacking)
    return Statements([compiled(query) for query in queries], keys, list(reader.used.values()))
