"""Pages of account ids in any order, found before anything is joined; and how many accounts a filter keeps.

A page is read in two stretches, accounts with the first sort value and then those without it, so that missing values
come last in both directions and a plain index still gives the order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, Uuid, and_, bindparam, cast, func, or_, select, true, tuple_

from app.db import facts, filters
from app.db.base import Session
from app.domain.fields import Subject, Type
from app.domain.filters import Tree, leaves
from app.domain.models import AccountFacts
from app.domain.reports import COUNTED, Order

SORTED_CHARACTERS = 100  # text is ordered by its beginning, so that a place in a report stays small


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account stands in a report: its sort values as PostgreSQL writes them, and its id."""

    keys: tuple[str | None, ...]
    id: UUID


@dataclass(frozen=True, slots=True)
class _Key:
    """A sort key as SQL; `present` when its value is known not to be missing."""

    value: ColumnElement[Any]
    descending: bool
    present: bool

    def at(self, text: str | None) -> ColumnElement[Any]:
        """A place's value for this key, in the key's own type."""
        return cast(bindparam(None, text, type_=Text), self.value.type)

    def beyond(self, text: str) -> ColumnElement[bool]:
        """Whether a row's value comes after this one; a missing value does."""
        later = self.value < self.at(text) if self.descending else self.value > self.at(text)
        return later if self.present else or_(later, self.value.is_(None))

    def ordered(self) -> ColumnElement[Any]:
        """Missing values last, said only where there may be some: a plain index has the other order."""
        way = self.value.desc() if self.descending else self.value.asc()
        return way if self.present else way.nulls_last()


async def page(
    db: Session,
    workspace_id: UUID,
    *,
    where: Tree,
    order: Sequence[Order],
    after: Place | None,
    now: datetime,
    limit: int,
) -> list[Place]:
    """The places of up to `limit` accounts that come after `after` in this order."""
    keys = [_key(one) for one in order]
    shown = [cast(key.value, Text).label(f"k{ix}") for ix, key in enumerate(keys)]
    query = _matching(workspace_id, where, order, now, AccountFacts.account_id, *shown)
    found: list[Place] = []
    for stretch in _stretches(query, keys, after):
        part = stretch.limit(limit - len(found))
        found += [Place(tuple(row[1:]), row[0]) for row in await db.execute(part)]
        if len(found) >= limit:
            break
    return found


async def count(db: Session, workspace_id: UUID, where: Tree, now: datetime) -> int:
    """How many accounts the filter keeps; counting stops one above `COUNTED`."""
    kept = _matching(workspace_id, where, (), now, true().label("kept")).limit(COUNTED + 1).subquery()
    return (await db.execute(select(func.count()).select_from(kept))).scalar_one()


def _matching(workspace_id: UUID, where: Tree, order: Sequence[Order], now: datetime, *columns: Any) -> Select[Any]:
    named = [leaf.fact for leaf in leaves(where)] + [key.fact for key in order]
    query = facts.joined(select(*columns).select_from(AccountFacts), Subject.ACCOUNTS, named)
    return query.where(AccountFacts.workspace_id == workspace_id, filters.holds(where, now))


def _key(order: Order) -> _Key:
    value = filters.value(order.fact, order.reading)
    if order.reading is Type.TEXT and not order.fact.column.endswith("external_id"):
        value = func.lower(func.left(value, SORTED_CHARACTERS), type_=Text)
    return _Key(value, order.descending, present=not order.fact.nullable)


def _stretches(query: Select[Any], keys: Sequence[_Key], after: Place | None) -> Iterator[Select[Any]]:
    """The queries that follow one another: accounts with the first sort value, then accounts without it."""
    descending = bool(keys) and keys[0].descending
    if not keys or keys[0].present:
        yield _ordered(query, keys, after, descending=descending)
        return
    first, *others = keys
    missing = after is not None and after.keys[0] is None
    if not missing:
        known = replace(first, present=True)
        yield _ordered(query.where(first.value.is_not(None)), [known, *others], after, descending=descending)
    rest = Place(after.keys[1:], after.id) if after is not None and missing else None
    yield _ordered(query.where(first.value.is_(None)), others, rest, descending=descending)


def _ordered(query: Select[Any], keys: Sequence[_Key], after: Place | None, *, descending: bool) -> Select[Any]:
    """In the order of the keys; the id breaks ties in the first key's direction, as its index does."""
    id_ = AccountFacts.account_id
    if after is not None:
        query = query.where(_after(keys, after, descending=descending))
    return query.order_by(*(key.ordered() for key in keys), id_.desc() if descending else id_.asc())


def _after(keys: Sequence[_Key], after: Place, *, descending: bool) -> ColumnElement[bool]:
    """Strictly after a place. A missing value is beyond every present one, and nothing is beyond it."""
    id_, place = AccountFacts.account_id, bindparam(None, after.id, type_=Uuid)
    if len(keys) == 1 and keys[0].present:
        # Said twice: the first form uses an index on the key alone, the second one that has the id too.
        start = keys[0].value <= keys[0].at(after.keys[0]) if descending else keys[0].value >= keys[0].at(after.keys[0])
        here, there = tuple_(keys[0].value, id_), tuple_(keys[0].at(after.keys[0]), place)
        return and_(start, here < there if descending else here > there)
    same: list[ColumnElement[bool]] = []
    ways: list[ColumnElement[bool]] = []
    for key, text in zip(keys, after.keys, strict=True):
        if text is None:
            same.append(key.value.is_(None))
            continue
        ways.append(and_(*same, key.beyond(text)))
        same.append(key.value == key.at(text))
    return or_(*ways, and_(*same, id_ < place if descending else id_ > place))
