"""Places in an order of records, and the queries that go on from one: the pager of every engine.

A page is read in stretches, records with the first sort value and then those without it, so that missing values come
last in both directions and a plain index still gives the order.
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
    """Records in the order of some keys; the id breaks ties, `descending` as the first key of the report does."""

    query: Select[Any]
    keys: Sequence[Key]
    id: ColumnElement[UUID]
    descending: bool = False

    def among(self, *kept: ColumnElement[bool], keys: Sequence[Key] | None = None) -> "Walk":
        """Only these of them, perhaps with fewer keys left to order them by."""
        return replace(self, query=self.query.where(*kept), keys=self.keys if keys is None else keys)

    def order(self) -> list[ColumnElement[Any]]:
        """What its records are ordered by."""
        return [*(key.ordered() for key in self.keys), self.id.desc() if self.descending else self.id.asc()]

    def select(self) -> Select[Any]:
        """The query in this order."""
        return self.query.order_by(*self.order())

    def later(self, place: Place) -> ColumnElement[bool]:
        """Whether a record comes after this one among those with the same keys."""
        id_ = bindparam(None, place.id, type_=Uuid)
        return self.id < id_ if self.descending else self.id > id_

    def beyond(self, place: Place, text: str) -> ColumnElement[bool]:
        """Whether a record comes after this one by the only key, of which it has this value, and the id."""
        (key,) = self.keys
        if not key.present or key.descending is not self.descending:
            return or_(key.beyond(text), and_(key.value == key.at(text), self.later(place)))
        # Said twice: the first form uses an index on the key alone, the second one that has the id too.
        here, there = tuple_(key.value, self.id), tuple_(key.at(text), bindparam(None, place.id, type_=Uuid))
        return and_(key.start(text), here < there if self.descending else here > there)


def stretches(walk: Walk, after: Place | None) -> Iterator[Walk]:
    """The walks that follow one another: records with the first sort value, then records without it.

    After a place with several keys, those come first that share its first values: so each is a plain range, which an
    index, or a table in blocks, can skip to; one condition for all of them would be none.
    """
    yield from _onward(replace(walk, descending=bool(walk.keys) and walk.keys[0].descending), after)


def _onward(walk: Walk, after: Place | None, *, tied: bool = False) -> Iterator[Walk]:
    """`tied`: all share what came before these keys, so that they are few."""
    if not walk.keys:
        yield walk if after is None else walk.among(walk.later(after))
        return
    first, *others = walk.keys
    value = None if after is None else after.keys[0]
    if tied and after is not None and value is not None and not others:
        yield walk.among(walk.beyond(after, value))
        return
    if after is None or value is not None:
        there = [] if first.present else [first.value.is_not(None)]
        yield from _present(walk.among(*there, keys=[replace(first, present=True), *others]), after)
    if not first.present:
        rest = Place(after.keys[1:], after.id) if after is not None and value is None else None
        yield from _onward(walk.among(first.value.is_(None), keys=others), rest, tied=tied)


def _present(walk: Walk, after: Place | None) -> Iterator[Walk]:
    """Where all records have the first value, and the place has it too."""
    if after is None or after.keys[0] is None:
        yield walk
        return
    first, *others = walk.keys
    value = after.keys[0]
    if not others:
        yield walk.among(walk.beyond(after, value))
        return
    same = walk.among(first.value == first.at(value), keys=others)
    yield from _onward(same, Place(after.keys[1:], after.id), tied=True)
    yield walk.among(first.beyond(value))
