"""Places in an order of records, and the queries that go on from one: the pager of every engine.

A page is read in two stretches, records with the first sort value and then those without it, so that missing values
come last in both directions and a plain index still gives the order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, Uuid, and_, bindparam, cast, or_, tuple_

SORTED_CHARACTERS: Final = 100  # text is ordered by its beginning, so that a place in a report stays small


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands in a report: its sort values as PostgreSQL writes them, and its id."""

    keys: tuple[str | None, ...]
    id: UUID


@dataclass(frozen=True, slots=True)
class Key:
    """A sort key as SQL; `present` when its value is known not to be missing."""

    value: ColumnElement[Any]
    descending: bool
    present: bool

    def at(self, text: str | None) -> ColumnElement[Any]:
        """A place's value for this key, in the key's own type."""
        return cast(bindparam(None, text, type_=Text), self.value.type)

    def start(self, text: str | None) -> ColumnElement[bool]:
        """Whether a row's value is this one or comes after it: what an index, or a table in blocks, can skip to."""
        return self.value <= self.at(text) if self.descending else self.value >= self.at(text)

    def beyond(self, text: str) -> ColumnElement[bool]:
        """Whether a row's value comes after this one; a missing value does."""
        later = self.value < self.at(text) if self.descending else self.value > self.at(text)
        return later if self.present else or_(later, self.value.is_(None))

    def ordered(self) -> ColumnElement[Any]:
        """Missing values last, said only where there may be some: a plain index has the other order."""
        way = self.value.desc() if self.descending else self.value.asc()
        return way if self.present else way.nulls_last()


@dataclass(frozen=True, slots=True)
class Walk:
    """A report's records in its order: the query, its keys, and the id that breaks ties."""

    query: Select[Any]
    keys: Sequence[Key]
    id: ColumnElement[UUID]


def stretches(walk: Walk, after: Place | None) -> Iterator[Select[Any]]:
    """The queries that follow one another: records with the first sort value, then records without it."""
    keys = walk.keys
    descending = bool(keys) and keys[0].descending
    if not keys or keys[0].present:
        yield _ordered(walk, after, descending=descending)
        return
    first, *others = keys
    missing = after is not None and after.keys[0] is None
    if not missing:
        known = replace(first, present=True)
        there = replace(walk, query=walk.query.where(first.value.is_not(None)), keys=[known, *others])
        yield _ordered(there, after, descending=descending)
    rest = Place(after.keys[1:], after.id) if after is not None and missing else None
    yield _ordered(
        replace(walk, query=walk.query.where(first.value.is_(None)), keys=others), rest, descending=descending
    )


def _ordered(walk: Walk, after: Place | None, *, descending: bool) -> Select[Any]:
    """In the order of the keys; the id breaks ties in the first key's direction, as its index does."""
    query = walk.query
    if after is not None:
        query = query.where(_after(walk, after, descending=descending))
    return query.order_by(*(key.ordered() for key in walk.keys), walk.id.desc() if descending else walk.id.asc())


def _after(walk: Walk, after: Place, *, descending: bool) -> ColumnElement[bool]:
    """Strictly after a place. A missing value is beyond every present one, and nothing is beyond it."""
    keys, id_, place = walk.keys, walk.id, bindparam(None, after.id, type_=Uuid)
    if len(keys) == 1 and keys[0].present:
        # Said twice: the first form uses an index on the key alone, the second one that has the id too.
        here, there = tuple_(keys[0].value, id_), tuple_(keys[0].at(after.keys[0]), place)
        return and_(keys[0].start(after.keys[0]), here < there if descending else here > there)
    same: list[ColumnElement[bool]] = []
    ways: list[ColumnElement[bool]] = []
    for key, text in zip(keys, after.keys, strict=True):
        if text is None:
            same.append(key.value.is_(None))
            continue
        ways.append(and_(*same, key.beyond(text)))
        same.append(key.value == key.at(text))
    further = or_(*ways, and_(*same, id_ < place if descending else id_ > place))
    return and_(keys[0].start(after.keys[0]), further) if keys and keys[0].present else further
