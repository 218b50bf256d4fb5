"""Metrics of single records: what they are, what they were day by day, and what a metric not yet defined would be."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.db import metrics
from app.db import records as every
from app.db.base import Session
from app.domain import ids
from app.domain.errors import Rejected
from app.domain.fields import Subject
from app.domain.matching import matches
from app.domain.metrics import Equation, Events, asks, read
from app.domain.metrics.meaning import moved
from app.services import accounts, metering, organizations
from app.services import metrics as definitions

MOST_DAYS: Final = 400
"""Days of history in one answer."""
USUAL_DAYS: Final = 30
MOST_TRIED: Final = 10
"""Records a metric is tried on."""
MOST_EVENTS: Final = 20_000
"""Stored events that are read where what a metric asks about is not counted yet."""
NOBODY: Final = UUID(int=0)
PREFIXES: Final[Mapping[Subject, str]] = {Subject.ACCOUNTS: "acc", Subject.ORGANIZATIONS: "org"}

_FINDERS: Final[Mapping[Subject, Callable[[Session, UUID, str], Awaitable[UUID]]]] = {
    Subject.ACCOUNTS: accounts.find,
    Subject.ORGANIZATIONS: organizations.find,
}
_SHOWN: Final[Mapping[Subject, Callable[[Session, UUID, str], Awaitable[Any]]]] = {
    Subject.ACCOUNTS: accounts.show,
    Subject.ORGANIZATIONS: organizations.show,
}


class InvalidDays(Rejected):
    """The days asked for cannot be shown."""

    code = "invalid_days"


@dataclass(frozen=True, slots=True)
class Day:
    """What a metric was on a day; `is_told`: worked out afterwards. Without a version nothing is known of the day."""

    day: date
    value: Decimal | None
    version: int | None
    is_told: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """What a metric would be for a record."""

    record_id: UUID
    external_id: str
    name: str | None
    value: Decimal | None
    change: Decimal | None


async def find(db: Session, workspace_id: UUID, subject: Subject, ref: str) -> UUID:
    """The record behind a reference. Raises `UnknownAccount`, `UnknownOrganization`."""
    return await _FINDERS[subject](db, workspace_id, ref)


async def of_record(db: Session, workspace_id: UUID, subject: Subject, ref: str) -> Sequence[Mapping[str, Any]]:
    """Every live metric of the record's kind with its value and change, as evaluated last."""
    record_id = await find(db, workspace_id, subject, ref)
    values, changes = await metrics.stored(db, workspace_id, subject, record_id)
    live = await metrics.live(db, workspace_id, subject)
    return [{**row, "value": values.get(row["slug"]), "change": changes.get(row["slug"])} for row in live]


async def history(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    ref: str,
    metric: str,
    *,
    days: tuple[date | None, date | None],
    now: datetime,
) -> tuple[Mapping[str, Any], Sequence[Day]]:
    """What the metric of a record was on each day; no day comes after today.

    Raises `InvalidDays`, `UnknownMetric` and what `find` raises.
    """
    record_id = await find(db, workspace_id, subject, ref)
    row = await definitions.show(db, workspace_id, metric)
    first, last = _span(days, now.date())
    found = await metrics.days(db, workspace_id, record_id, row["id"], first=first, last=last)
    return row, list(_carried({one[0]: one for one in found}, first, last))


def _span(days: tuple[date | None, date | None], today: date) -> tuple[date, date]:
    last = min(days[1] or today, today)
    first = days[0] or last - timedelta(days=USUAL_DAYS - 1)
    if first > last or (last - first).days >= MOST_DAYS:
        detail = f"Give a first day that is not after the last one (or today), and at most {MOST_DAYS} days."
        raise InvalidDays(detail, errors=[{"pointer": "#/query/from", "detail": detail}])
    return first, last


def _carried(known: Mapping[date, Any], first: date, last: date) -> Sequence[Day]:
    """One value per day: each holds until the next one."""
    before = max((day for day in known if day < first), default=None)
    holding = None if before is None else known[before]
    found = []
    for ahead in range((last - first).days + 1):
        day = first + timedelta(days=ahead)
        holding = known.get(day, holding)
        value, version, is_told = (None, None, False) if holding is None else holding[1:]
        found.append(Day(day, value, version, is_told))
    return found


async def preview(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    source: Mapping[str, Any],
    refs: Sequence[str] | None,
    *,
    now: datetime,
) -> tuple[Sequence[Tried], bool]:
    """What a metric would be for these records, or for the first few; and whether all their events were read.

    Nothing is stored. Raises `InvalidExpression` and what `find` raises.
    """
    equation = read(source, subject)
    if refs is None:
        first = await every.slice_after(db, workspace_id, subject, None, MOST_TRIED)
        refs = [ids.show(PREFIXES[subject], one) for one in first]
    named = [await _named(db, workspace_id, subject, ref) for ref in refs]
    known = {one["id"]: one for one in named}
    wanted, whole = await _wanted(db, workspace_id, subject, list(known), equation)
    seen = await metrics.look(db, workspace_id, subject, list(known), wanted, now=now)
    return [_tried(one, seen.get(id_)) for id_, one in known.items()], whole


async def _named(db: Session, workspace_id: UUID, subject: Subject, ref: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = await _SHOWN[subject](db, workspace_id, ref)
    return found


def _tried(row: Mapping[str, Any], seen: metrics.Seen | None) -> Tried:
    value, before = (None, None) if seen is None else (seen.now, seen.before)
    return Tried(row["id"], row["external_id"], row["name"], value, moved(value, before))


async def _wanted(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], equation: Equation
) -> tuple[metrics.Wanted, bool]:
    """The metric with what is counted for it; what is not counted yet is counted here, of these records."""
    known = await metering.measured(db, workspace_id, [equation])
    lacking = sorted((name, where or "") for name, where in metering.counted([equation]))
    made = {one: -1 - ix for ix, one in enumerate(lacking) if one not in known and one[1]}
    if not made:
        return metrics.Wanted(equation, known), True
    names = sorted({name for name, _ in made})
    found = await metrics.events(db, workspace_id, subject, record_ids, names, most=MOST_EVENTS)
    more = _buckets(found, equation, made)
    return metrics.Wanted(equation, {**known, **made}, more), len(found) < MOST_EVENTS


def _buckets(found: Sequence[Any], equation: Equation, made: metrics.Measured) -> list[metrics.Bucket]:
    """The events that fit the filters of the equation, by day and user."""
    filters = {
        (name, one.where): one.filter for one in asks(equation.whole) if isinstance(one, Events) for name in one.names
    }
    counts: Counter[tuple[UUID, int, date, UUID]] = Counter()
    for row in found:
        for (name, where), filter_ in filters.items():
            measure = made.get((name, where or ""))
            if measure is not None and filter_ is not None and name == row.name and matches(filter_, row.properties):
                counts[(row.record_id, measure, row.day, row.user_id or NOBODY)] += 1
    return [metrics.Bucket(*key, count) for key, count in counts.items()]
