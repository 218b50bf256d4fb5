"""How often an event was counted for a record, as SQL beside the tables of its subject.

Windows are read from the counts per day, all time from the totals. What an organization's accounts did counts for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Integer,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.types import TypeEngine

from app.db.grounds import GROUNDS, Ground, value
from app.domain.fields import Fact, Quantity, Subject
from app.domain.filters.tree import Happened
from app.domain.matching import digest
from app.domain.models import AccountParent, Measure, MeasureDay, MeasureTotal

_PARENTS: Final = AccountParent.__table__
_MEASURES: Final = Measure.__table__
_DAYS: Final = MeasureDay.__table__
_TOTALS: Final = MeasureTotal.__table__

# Said without the record, so that PostgreSQL looks the measure up once per statement instead of once per record.
_WORKSPACE: Final = literal_column("(select nullif(current_setting('steward.workspace', true), '')::uuid)", Uuid)


def counted(happened: Happened, here: Ground, now: ColumnElement[datetime], *, past: bool) -> ColumnElement[int]:
    """How often by `now`. `past`: what was counted since is left out, by whole days."""
    today = _day(now)
    if happened.days is not None:
        day = _DAYS.alias()
        return _sum(day, happened, here, _window(happened, day, today), day.c.day <= today if past else true())
    total, later = _TOTALS.alias(), _DAYS.alias()
    found = _sum(total, happened, here)
    return found - _sum(later, happened, here, later.c.day > today) if past else found


def as_of(fact: Fact, at: datetime, subject: Subject) -> ColumnElement[Any] | None:
    """What was counted of the events of a name by the end of a day; when the first of them was, if it was by then."""
    asked = Happened(subject, fact.slot or "", Quantity.AT_LEAST, 1, None)
    then = bindparam(None, at, type_=DateTime(timezone=True))
    if fact.column == "count":
        return counted(asked, GROUNDS[subject], then, past=True)
    first = value(fact)
    return case((first <= then, first)) if fact.column == "first_at" else None


def leaving(
    happened: Happened, here: Ground, now: ColumnElement[datetime], far: ColumnElement[datetime]
) -> Iterator[ColumnElement[Any]]:
    """The midnights at which the window has lost so much that the answer changes; see `Happened.falls`."""
    if not happened.falls:
        return
    day = _DAYS.alias()
    held = func.sum(day.c.count).over(order_by=day.c.day.desc()).label("held")
    days = (
        select(day.c.day, held)
        .where(*_of(day, happened, here), _window(happened, day, _day(now)))
        .correlate_except(day)
        .subquery()
    )
    last = [func.max(days.c.day).filter(days.c.held >= wanted) for wanted in happened.falls]
    yield select(_midnight(last, happened, now, far)).correlate_except(days).scalar_subquery()


def _midnight(
    last: Iterable[ColumnElement[Any]],
    happened: Happened,
    now: ColumnElement[datetime],
    far: ColumnElement[datetime],
) -> ColumnElement[Any]:
    """When the first of these days leaves the window, if that is to come."""
    out = func.least(*last, type_=Date) + literal(happened.days, Integer)
    at = func.timezone("UTC", cast(out, DateTime()), type_=DateTime(timezone=True))
    return case((and_(at > now, at < far), at))


REACHES: Final = (62, 200)
"""Windows that reach about as far back are read together."""


class Tally:
    """What many conditions on events ask about a record, worked out together: its counts are gone through once.

    It says what `counted` and `leaving` say of each; `join` puts it beside the records of a query.
    """

    def __init__(self, asked: Iterable[Happened], here: Ground, now: ColumnElement[datetime]) -> None:
        every = sorted(set(asked), key=lambda one: (one.event, one.days or 0, one.falls))
        self._here, self._today = here, _day(now)
        self._found: dict[tuple[str, int | None], ColumnElement[int]] = {}
        self._last: dict[tuple[str, int | None, int], ColumnElement[Any]] = {}
        self._parts = _parted(every)

    def join(self, start: FromClause) -> FromClause:
        """The records, with what is counted of each beside them."""
        for reach, part in self._parts.items():
            events = {event: place for place, event in enumerate(dict.fromkeys(one.event for one in part), 1)}
            if reach is None:
                start = self._beside(start, "ever", _TOTALS, part, events)
            else:
                start = self._beside(start, f"last{reach}", _DAYS, part, events)
        return start

    def counted(self, happened: Happened) -> ColumnElement[int]:
        """How often by now."""
        return self._found[(happened.event, happened.days)]

    def leaving(
        self, happened: Happened, now: ColumnElement[datetime], far: ColumnElement[datetime]
    ) -> Iterator[ColumnElement[Any]]:
        """The midnight at which the window has lost so much that the answer changes."""
        if happened.falls:
            last = [self._last[(happened.event, happened.days, wanted)] for wanted in happened.falls]
            yield _midnight(last, happened, now, far)

    def _beside(
        self, start: FromClause, name: str, table: Any, part: Iterable[Happened], events: Mapping[str, int]
    ) -> FromClause:
        """The records, with each sum, and the last days on which so many had come, going back from now."""
        rows = self._rows(table, part, events)
        wanted = {_key(one): self._number(rows, one, events) for one in part}
        falls = {(*_key(one), fall): self._day_of(rows, one, fall, events) for one in part for fall in one.falls}
        names = {key: f"n{ix}" for ix, key in enumerate([*wanted, *falls])}
        columns = [column.label(names[key]) for key, column in [*wanted.items(), *falls.items()]]
        beside = select(*columns).select_from(rows).lateral(name)
        self._found |= {key: beside.c[names[key]] for key in wanted}
        self._last |= {key: beside.c[names[key]] for key in falls}
        return start.join(beside, true())

    def _rows(self, table: Any, part: Iterable[Happened], events: Mapping[str, int]) -> Any:
        """The counts of the record that matter, each with the place of its event."""
        counts = table.alias()
        ids = _ids(events)
        columns = [func.array_position(ids, counts.c.measure_id, type_=Integer).label("place"), counts.c.count]
        query = select(*columns).where(
            counts.c.workspace_id == self._here.workspace,
            _whose(counts.c.record_id, self._here),
            counts.c.measure_id == any_(ids),
        )
        if table is _DAYS:
            longest = max(one.days or 0 for one in part)
            later = func.sum(counts.c.count).over(partition_by=counts.c.measure_id, order_by=counts.c.day.desc())
            query = query.add_columns(counts.c.day, later.label("held"))
            query = query.where(counts.c.day > self._today - literal(longest, Integer))
        return query.correlate(*self._here.tables.values()).subquery()

    def _within(self, rows: Any, happened: Happened, events: Mapping[str, int]) -> Iterator[ColumnElement[bool]]:
        yield rows.c.place == literal_column(str(events[happened.event]), Integer)
        if happened.days is not None:
            yield _window(happened, rows, self._today)

    def _number(self, rows: Any, happened: Happened, events: Mapping[str, int]) -> ColumnElement[int]:
        found = func.sum(rows.c.count).filter(*self._within(rows, happened, events))
        return cast(func.coalesce(found, literal_column("0")), BigInteger)

    def _day_of(self, rows: Any, happened: Happened, wanted: int, events: Mapping[str, int]) -> ColumnElement[Any]:
        enough = rows.c.held >= literal_column(str(wanted), BigInteger)
        return func.max(rows.c.day).filter(*self._within(rows, happened, events), enough)


def _key(happened: Happened) -> tuple[str, int | None]:
    return happened.event, happened.days


def _parted(asked: Iterable[Happened]) -> Mapping[int | None, list[Happened]]:
    parts: dict[int | None, list[Happened]] = {}
    for one in asked:
        days = one.days
        reach = None if days is None else next((reach for reach in REACHES if days <= reach), 0)
        parts.setdefault(reach, []).append(one)
    return parts


def _ids(events: Iterable[str]) -> ColumnElement[Any]:
    """The measures of these events in their order; null for one that nobody has heard of."""
    measure = _MEASURES.alias()
    digests: TypeEngine[Any] = ARRAY(Uuid)
    named = bindparam(None, [digest(event) for event in events], type_=digests)
    wanted = func.unnest(named).table_valued("digest", with_ordinality="place", name="k").render_derived()
    link = and_(measure.c.workspace_id == _WORKSPACE, measure.c.digest == wanted.c.digest)
    found = select(measure.c.id).select_from(wanted.outerjoin(measure, link)).order_by(wanted.c.place)
    return func.array(found.correlate_except(measure, wanted).scalar_subquery(), type_=ARRAY(BigInteger))


def _day(now: ColumnElement[datetime]) -> ColumnElement[Any]:
    return cast(func.timezone("UTC", now, type_=DateTime()), Date)


def _window(happened: Happened, day: Any, today: ColumnElement[Any]) -> ColumnElement[bool]:
    column: ColumnElement[Any] = day.c.day
    return column > today - literal(happened.days, Integer)


def _sum(table: Any, happened: Happened, here: Ground, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
    found = cast(func.coalesce(func.sum(table.c.count), 0), BigInteger)
    return select(found).where(*_of(table, happened, here), *conditions).correlate_except(table).scalar_subquery()


def _of(table: Any, happened: Happened, here: Ground) -> tuple[ColumnElement[bool], ...]:
    measure = _MEASURES.alias()
    named = bindparam(None, digest(happened.event), type_=Uuid)
    asked = select(measure.c.id).where(measure.c.workspace_id == _WORKSPACE, measure.c.digest == named)
    return (
        table.c.workspace_id == here.workspace,
        table.c.measure_id == asked.correlate_except(measure).scalar_subquery(),
        _whose(table.c.record_id, here),
    )


def _whose(record: ColumnElement[UUID], here: Ground) -> ColumnElement[bool]:
    if here.subject is not Subject.ORGANIZATIONS:
        return record == here.id
    parent = _PARENTS.alias()
    accounts = (
        select(parent.c.account_id)
        .where(parent.c.workspace_id == here.workspace, parent.c.organization_id == here.id)
        .correlate_except(parent)
    )
    return record == any_(func.array_append(func.array(accounts.scalar_subquery()), here.id))
