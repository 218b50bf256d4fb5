"""How often an event was counted for a record, as SQL beside the tables of its subject.

Windows are read from the counts per day, all time from the totals. What an organization's accounts did counts for it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
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
    out = func.least(*last, type_=Date) + literal(happened.days, Integer)
    at = func.timezone("UTC", cast(out, DateTime()), type_=DateTime(timezone=True))
    yield select(case((and_(at > now, at < far), at))).correlate_except(days).scalar_subquery()


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
