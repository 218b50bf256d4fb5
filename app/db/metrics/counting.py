"""Counts of events as SQL: the days of a record are gone through once, however much is counted in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Numeric,
    Table,
    Uuid,
    any_,
    case,
    func,
    literal_column,
    select,
)

from app.db.grounds import Ground
from app.domain.fields import Subject
from app.domain.metrics import Counted, Events
from app.domain.models import AccountParent, MeasureDay, MeasureTotal

DAYS: Final = cast("Table", MeasureDay.__table__)
TOTALS: Final = cast("Table", MeasureTotal.__table__)
PARENTS: Final = cast("Table", AccountParent.__table__)
NOBODY: Final[ColumnElement[UUID]] = literal_column("'00000000-0000-0000-0000-000000000000'::uuid", Uuid)
NOTHING: Final[ColumnElement[Any]] = literal_column("0::numeric", Numeric)

Measures = tuple[int, ...]
Measured = Mapping[tuple[str, str], int]
"""The measure of a name and the key of its filter."""
Number = ColumnElement[Any]
Day = ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Want:
    """One number over a set of measures; `shift`: over the window before."""

    count: Counted
    days: int | None
    shift: int = 0

    @property
    def reach(self) -> int | None:
        """How many days must be looked at; None: all there are."""
        return None if self.days is None else self.days * (self.shift + 1)


REACHES: Final = (62, 200, 800)
"""Windows that reach about as far back are read together: a record's days are gone through a few times at most."""


@dataclass(slots=True)
class _Part:
    """What is counted in one going through the days: numbers, and measures whose windows the clock moves alike."""

    wants: dict[tuple[Measures, Want], str] = field(default_factory=dict)
    clocks: dict[tuple[tuple[int, bool], ...], list[int]] = field(default_factory=dict)
    reach: int | None = 0

    @property
    def measures(self) -> Measures:
        found = {one for measures, _ in self.wants for one in measures}
        return tuple(sorted(found.union(*self.clocks.values())))


class Counts:
    """Collects what is to be counted; then joins it to a query about records.

    With `past`, all that was ever counted means: up to `today`. `buckets` stand in for the counts by day.
    """

    def __init__(
        self,
        ground: Ground,
        today: Day,
        measured: Measured,
        *,
        past: bool = False,
        buckets: FromClause = DAYS,
        beside: Sequence[FromClause] = (),
    ) -> None:
        self._ground, self._today, self._measured = ground, today, measured
        self._past, self._buckets, self._beside = past, buckets, beside
        self._wants: dict[tuple[Measures, Want], None] = {}
        self._clocks: dict[int, dict[int, bool]] = {}
        self._found: dict[tuple[Measures, Want], Number] = {}
        self._later: list[Day] = []

    def want(self, term: Events, *, shifts: bool) -> None:
        """Ask for a term, and for its window before."""
        measures = self._of(term)
        if not measures:
            return
        for shift in range(2 if shifts else 1):
            self._wants[(measures, Want(term.count, term.days, shift))] = None
        for one in measures if term.days is not None else ():
            clock = self._clocks.setdefault(one, {})
            clock[term.days or 0] = clock.get(term.days or 0, False) or shifts

    def _of(self, term: Events) -> Measures:
        asked = (self._measured.get((name, term.where or "")) for name in term.names)
        return tuple(sorted({one for one in asked if one is not None}))

    def join(self, start: FromClause) -> FromClause:
        """The records with what is counted of each beside them."""
        totals = [key for key in self._wants if self._is_total(key[1])]
        if totals:
            start = start.join(self._totals(totals), literal_column("true"))
        for ix, part in enumerate(self._parts()):
            counted = self._lateral(part).lateral(f"s{ix}")
            self._found |= {key: counted.c[name] for key, name in part.wants.items()}
            self._later += [counted.c[f"later{place}"] for place in range(len(part.clocks))]
            start = start.join(counted, literal_column("true"))
        return start

    def _is_total(self, want: Want) -> bool:
        return want.days is None and want.count is Counted.EVENTS and not self._past

    def _parts(self) -> Iterator[_Part]:
        parts: dict[int | None, _Part] = {}
        for key in self._wants:
            if not self._is_total(key[1]):
                part = _put(parts, key[1].reach)
                part.wants[key] = f"n{len(part.wants)}"
        for measure, clock in self._clocks.items():
            part = _put(parts, max(days * (2 if back else 1) for days, back in clock.items()))
            part.clocks.setdefault(tuple(sorted(clock.items())), []).append(measure)
        yield from parts.values()

    def value(self, term: Events, *, shift: int = 0) -> Number:
        """A term's value beside a record; what was never counted is nothing."""
        measures = self._of(term)
        return self._found[(measures, Want(term.count, term.days, shift))] if measures else NOTHING

    def instants(self) -> Iterator[Day]:
        """The days that next change a count."""
        yield from self._later

    def _lateral(self, part: _Part) -> Any:
        bucket = self._buckets.alias()
        columns = [self._number(measures, bucket, want).label(name) for (measures, want), name in part.wants.items()]
        for place, (clock, measures) in enumerate(part.clocks.items()):
            turns = [self._turn(bucket.c.day, days, back=back) for days, back in clock]
            soonest = func.min(func.least(*turns, type_=Date), type_=Date).filter(_is(bucket, measures))
            columns.append(soonest.label(f"later{place}"))
        query = select(*columns).where(*self._own(bucket, part.measures))
        if part.reach is not None:
            query = query.where(bucket.c.day > self._today - whole(part.reach))
        if self._past:
            query = query.where(bucket.c.day <= self._today)
        return query.correlate(*self._ground.tables.values(), *self._beside)

    def _totals(self, asked: Sequence[tuple[Measures, Want]]) -> FromClause:
        total = TOTALS.alias()
        numbers = [func.sum(total.c.count).filter(_is(total, measures)) for measures, _ in asked]
        columns = [func.coalesce(one, NOTHING, type_=Numeric).label(f"n{ix}") for ix, one in enumerate(numbers)]
        every = tuple(sorted({one for measures, _ in asked for one in measures}))
        query = select(*columns).where(*self._own(total, every)).correlate(*self._ground.tables.values())
        found = query.lateral("e")
        self._found |= {key: found.c[f"n{ix}"] for ix, key in enumerate(asked)}
        return found

    def _own(self, counted: FromClause, measures: Measures) -> tuple[ColumnElement[bool], ...]:
        """Counts of the record itself, and of the accounts of an organization."""
        named = any_(_listed(measures))
        here = counted.c.workspace_id == self._ground.workspace
        if self._ground.subject is not Subject.ORGANIZATIONS:
            return here, counted.c.record_id == self._ground.id, counted.c.measure_id == named
        parent = PARENTS.alias()
        inside = select(parent.c.account_id).where(
            parent.c.workspace_id == self._ground.workspace, parent.c.organization_id == self._ground.id
        )
        accounts = inside.correlate(*self._ground.tables.values()).scalar_subquery()
        those = func.array_append(func.array(accounts, type_=ARRAY(Uuid)), self._ground.id, type_=ARRAY(Uuid))
        return here, counted.c.record_id == any_(those), counted.c.measure_id == named

    def _total(self, measures: Measures) -> Any:
        total = TOTALS.alias()
        number = func.coalesce(func.sum(total.c.count), NOTHING, type_=Numeric).label("count")
        return select(number).where(*self._own(total, measures)).correlate(*self._ground.tables.values())

    def _number(self, measures: Measures, bucket: FromClause, want: Want) -> Number:
        conditions = [_is(bucket, measures), *self._within(bucket.c.day, want)]
        if want.count is Counted.EVENTS:
            return func.coalesce(func.sum(bucket.c.count).filter(*conditions), NOTHING, type_=Numeric)
        if want.count is Counted.DAYS:
            return func.count(bucket.c.day.distinct()).filter(*conditions).cast(Numeric)
        those = bucket.c.user_id != NOBODY
        return func.count(bucket.c.user_id.distinct()).filter(*conditions, those).cast(Numeric)

    def _within(self, day: Day, want: Want) -> Iterator[ColumnElement[bool]]:
        if want.days is None:
            return
        yield day > self._today - whole(want.days * (want.shift + 1))
        yield day <= self._today - whole(want.days * want.shift)

    def _turn(self, day: Day, days: int, *, back: bool) -> Day:
        """The next day on which an event of `day` enters a window or leaves it; going back to the window before too."""
        turns = [day, day + whole(days), *([day + whole(2 * days)] if back else [])]
        return case(*((turn > self._today, turn) for turn in turns))


def _put(parts: dict[int | None, _Part], reach: int | None) -> _Part:
    """The part for windows that reach so far back."""
    part = parts.setdefault(None if reach is None else next(one for one in REACHES if reach <= one), _Part())
    part.reach = None if reach is None or part.reach is None else max(part.reach, reach)
    return part


def _listed(measures: Sequence[int]) -> ColumnElement[Any]:
    return literal_column(f"'{{{','.join(map(str, measures))}}}'::bigint[]", ARRAY(BigInteger))


def _is(counted: FromClause, measures: Sequence[int]) -> ColumnElement[bool]:
    """Whether it is one of these measures."""
    if len(measures) == 1:
        return counted.c.measure_id == literal_column(str(measures[0]), BigInteger)
    return counted.c.measure_id == any_(_listed(measures))


def whole(days: int) -> ColumnElement[int]:
    """A number of ours in the statement itself: parameters are few."""
    return literal_column(str(days), Integer)
