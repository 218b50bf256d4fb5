"""Why a metric of an account or organization is what it is: every term of it with its days and its value."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final
from uuid import UUID

from app.db import metrics
from app.db.base import Session
from app.domain.fields import Fact, subject_of
from app.domain.metrics import Equation, Events, Number, Term, terms
from app.domain.metrics.words import said, term
from app.domain.why import Why
from app.services import metering

GONE: Final = "There is no such metric of these records, or this release does not understand it."
DAYS: Final = " Days are those of UTC, today among them. The terms show what they are now."
BEFORE: Final = "By how many hundredths it differs from what it was in the same number of days before: "
AGO: Final = "By how many hundredths it differs from what its history says of {days} days ago: "


async def metric(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """What the metric is made of, with each term's value now, and since which day it is what it is."""
    return await _explained(db, workspace_id, record_id, fact, now, change=False)


async def change(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """What is compared with what: each term now and in the window before, or the value of so many days ago."""
    return await _explained(db, workspace_id, record_id, fact, now, change=True)


async def _explained(
    db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime, *, change: bool
) -> Why:
    subject = subject_of(fact)
    row = await metrics.one(db, workspace_id, slug=fact.slot)
    known = row and subject in row["subjects"] and metering.understood(row["equation"], subject)
    if not row or not isinstance(known, Equation):
        return Why(None, GONE)
    measured = await metering.measured(db, workspace_id, [known])
    wanted = metrics.Wanted(known, measured)
    seen = (await metrics.look(db, workspace_id, subject, [record_id], wanted, now=now)).get(record_id)
    since = await metrics.since(db, workspace_id, record_id, row["id"])
    inputs = [] if seen is None else list(_inputs(known, seen, now.date(), 1 + (change and known.shifts)))
    return Why(
        value=None,
        rule=_rule(known, change=change) + DAYS,
        inputs=inputs,
        since=None if change or since is None else datetime.combine(since, time(), UTC),
        source=f"metric {row['slug']}, version {row['version']}",
    )


def _rule(equation: Equation, *, change: bool) -> str:
    begin = ""
    if change:
        begin = BEFORE if equation.shifts else AGO.format(days=equation.days)
    return f"{begin}{said(equation)}."


def _inputs(equation: Equation, seen: metrics.Seen, today: date, windows: int) -> Iterator[Mapping[str, Any]]:
    for shift in range(windows):
        for part, expression in (("numerator", equation.numerator), ("denominator", equation.denominator)):
            for one in [] if expression is None else terms(expression):
                if (value := _value(one, seen, shift)) is not None:
                    yield {"part": part, **value, **_window(one, today, shift)}


def _value(one: Any, seen: metrics.Seen, shift: int) -> Mapping[str, Any] | None:
    key = (one, shift if isinstance(one, Events) else 0)
    if key not in seen.terms:
        return None  # a number of the expression's own
    return {"term": term(one), "value": seen.terms[key]}


def _window(one: Term | Number, today: date, shift: int) -> Mapping[str, Any]:
    if not isinstance(one, Events):
        return {}
    first, last = one.window(today, shift=shift)
    shown: Sequence[date | None] = (first, last)
    return dict(zip(("firstDay", "lastDay"), [day and day.isoformat() for day in shown], strict=True))
