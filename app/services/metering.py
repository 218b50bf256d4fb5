"""Brings the metrics of records up to date, and works out what they were before they were defined."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from app.db import jobs, marks, measures, metrics, record_marks, records
from app.db.base import Session, unveiled
from app.domain.errors import Rejected
from app.domain.fields import Subject
from app.domain.jobs import TellMetric
from app.domain.matching import digest
from app.domain.metrics import Equation, Events, asks, read
from app.services import measuring, segmenting

SLICE: Final = 100
"""Records whose past is worked out at once."""
PATIENCE: Final = timedelta(seconds=5)
"""How long to wait for stored events to be counted."""


async def settle(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], *, now: datetime
) -> Mapping[UUID, datetime]:
    """Bring the metrics of these records up to date; when the clock alone may next change one.

    The caller holds their facts locked. Metrics of another release leave everything as it is. Safe to repeat.
    """
    if not record_ids:
        return {}
    stored = await metrics.live(db, workspace_id, subject)
    asked = [one for row in stored if (one := as_asked(row, subject)) is not None]
    if len(asked) < len(stored):
        return {}
    known = await measured(db, workspace_id, [one.equation for one in asked])
    return await metrics.settle(db, workspace_id, subject, record_ids, asked, known, now=now)


def as_asked(row: Mapping[str, Any], subject: Subject) -> metrics.Asked | None:
    """A stored metric as it is worked out; None: this release does not understand it."""
    equation = understood(row["equation"], subject)
    if equation is None:
        return None
    return metrics.Asked(row["id"], row["slug"], row["version"], equation, row["told_version"] == row["version"])


def understood(source: Mapping[str, Any], subject: Subject) -> Equation | None:
    """What a stored equation says; None: it uses words this release does not know."""
    return _read(json.dumps(source), subject)


@lru_cache(maxsize=1024)
def _read(source: str, subject: Subject) -> Equation | None:
    """Read once: the same metrics are worked out for every slice of records."""
    try:
        return read(json.loads(source), subject)
    except Rejected:
        return None


async def measured(db: Session, workspace_id: UUID, equations: Iterable[Equation]) -> metrics.Measured:
    """The measures that count what these equations ask about; those that there are."""
    wanted = {_digest(name, where): (name, where or "") for name, where in counted(equations)}
    found = await measures.find(db, workspace_id, wanted.keys()) if wanted else {}
    return {wanted[one]: measure_id for one, measure_id in found.items()}


def counted(equations: Iterable[Equation]) -> set[tuple[str, str | None]]:
    """Names of events with the keys of the filters on their properties."""
    terms = [one for equation in equations for one in asks(equation.whole)]
    return {(name, one.where) for one in terms if isinstance(one, Events) for name in one.names}


@lru_cache(maxsize=4096)
def _digest(name: str, where: str | None) -> UUID:
    return digest(name, None if where is None else json.loads(where))


@dataclass(frozen=True, slots=True)
class Step:
    """How far a telling has come: over, to be gone on with, or waiting for events to be counted."""

    go_on: TellMetric | None = None
    at: datetime | None = None


async def tell(db: Session, workspace_id: UUID, job: TellMetric, *, now: datetime) -> Step:
    """Work out the past of a metric for the next records; what is to be done after that."""
    row = await metrics.one(db, workspace_id, id_=job.metric_id)
    if row is None or row["archived_at"] is not None or row["version"] != job.version:
        return Step()
    subject = Subject(job.subject)
    metric = as_asked(row, subject)
    if metric is None:
        return Step()
    known = await measured(db, workspace_id, [metric.equation])
    if (await measuring.waiting(db, workspace_id))[0] & set(known.values()):
        return Step(job, now + PATIENCE)
    found = await records.slice_after(db, workspace_id, subject, job.after, SLICE)
    await _tell(db, workspace_id, _Telling(subject, metric, known, row["history_days"]), found, now=now)
    if len(found) == SLICE:
        return Step(TellMetric(job.metric_id, job.version, job.subject, found[-1]))
    return await _end(db, workspace_id, job, row["subjects"])


async def _end(db: Session, workspace_id: UUID, job: TellMetric, subjects: Sequence[str]) -> Step:
    """After the records of one subject come those of the next."""
    later = subjects[subjects.index(job.subject) + 1 :]
    if later:
        return Step(TellMetric(job.metric_id, job.version, later[0]))
    await metrics.note_told(db, workspace_id, job.metric_id, job.version)
    return Step()


@dataclass(frozen=True, slots=True)
class _Telling:
    subject: Subject
    metric: metrics.Asked
    known: metrics.Measured
    days: int


async def _tell(db: Session, workspace_id: UUID, telling: _Telling, found: Sequence[UUID], *, now: datetime) -> None:
    """The days before, then the present beside them; what looks back at those days is evaluated again."""
    subject, metric = telling.subject, telling.metric
    async with unveiled(db):
        held = await segmenting.lock(db, workspace_id, subject, found)
        if metric.equation.counts_events_only:
            span = (now.date() - timedelta(days=telling.days), now.date() - timedelta(days=1))
            await metrics.tell(db, workspace_id, subject, held, metric, telling.known, days=span)
        await settle(db, workspace_id, subject, held, now=now)
        if metric.equation.shifts:
            return
        if subject is Subject.ACCOUNTS:
            await marks.mark(db, workspace_id, held)
        else:
            await record_marks.mark(db, workspace_id, subject, held)


async def promise(db: Session, workspace_id: UUID, job: TellMetric, *, at: datetime | None = None) -> None:
    """Have the past of a metric worked out."""
    await jobs.put(db, workspace_id, [job], run_at=at)
