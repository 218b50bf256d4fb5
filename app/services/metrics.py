"""Defining metrics; a changed one is worked out for every record of its subjects, in the background."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import metrics, watching
from app.db.base import Session, unveiled
from app.domain import ids
from app.domain.fields import SLUG, Subject
from app.domain.filters import Related, conditions
from app.domain.filters.watching import Watch
from app.domain.jobs import TellMetric
from app.domain.metrics import (
    Equation,
    InvalidExpression,
    MetricArchived,
    MetricExists,
    People,
    TooManyMetrics,
    UnknownMetric,
    Value,
    asks,
    read,
    weight,
)
from app.domain.operators import Quantity
from app.domain.slugs import LONGEST, slug_of
from app.services import audit, measuring, metering, reprocessing
from app.services.watching import attend

CAUSE: Final = "metric"
PARTS: Final = ("numerator", "denominator", "percent")
MOST_METRICS: Final = 100
"""Live ones of a workspace."""
MOST_WEIGHT: Final = 1000
"""Terms, names of events and conditions in all live metrics together: what one statement may be made of."""
PREFIX: Final = "met"
PATHS: Final = ("metrics.", "metricChanges.")


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric as someone writes it; without a slug it gets one made of its name."""

    name: str
    subjects: Sequence[Subject]
    equation: Mapping[str, Any]
    slug: str | None = None
    description: str | None = None
    history_days: int = 90


async def create(db: Session, workspace_id: UUID, new: Definition, *, now: datetime) -> Mapping[str, Any]:
    """Add a metric, and work it out for every record of its subjects, now and for days before.

    Raises `InvalidExpression`, `MetricExists`, `TooManyMetrics`, `TooManyMeasures`.
    """
    equations = read_all(new.equation, new.subjects)
    if new.slug is not None and not SLUG.match(new.slug):
        raise InvalidExpression(
            f"A slug is 1 to {LONGEST} small letters, digits and `_`, and begins with a letter.",
            errors=[{"pointer": "#/slug", "detail": "cannot be the name of a fact"}],
        )
    await _measure(db, workspace_id, equations.values())
    await metrics.lock(db, workspace_id)
    live = await metrics.live(db, workspace_id)
    _check_room(live, equations.values())
    await _check_name(db, workspace_id, new.name)
    metric_id = ids.new_id()
    values = {
        "id": metric_id,
        "slug": _slug(new, {row["slug"] for row in live}),
        "name": new.name,
        "description": new.description,
        "subjects": [one.value for one in new.subjects],
        "equation": new.equation,
        "history_days": new.history_days,
        "created_at": now,
        "updated_at": now,
    }
    await metrics.insert_new(db, workspace_id, values)
    started = await _apply(db, workspace_id, metric_id, 1, equations, now=now)
    return {**await show(db, workspace_id, ids.show(PREFIX, metric_id)), "reprocessings": started}


def _slug(new: Definition, taken: set[str]) -> str:
    """The slug asked for, or the first free one of the name's."""
    if new.slug is not None:
        if new.slug in taken:
            raise MetricExists("Another metric has this slug; choose another.", slug=new.slug)
        return new.slug
    made = slug_of(new.name, "metric")
    further = (f"{made[: LONGEST - 4]}_{number}" for number in range(2, MOST_METRICS + 2))
    return next(one for one in (made, *further) if one not in taken)


async def change(
    db: Session, workspace_id: UUID, ref: str, wanted: Mapping[str, Any], *, now: datetime
) -> Mapping[str, Any]:
    """Change some of name, description, subjects, equation and days of history.

    What was seen of the metric stays as it was seen; what had been worked out of stored events is worked out anew.
    Raises `UnknownMetric`, `MetricArchived` and what `create` raises.
    """
    known = await show(db, workspace_id, ref)
    equation = {**known["equation"], **{part: wanted[part] for part in PARTS if part in wanted}}
    subjects = [Subject(one) for one in wanted.get("subjects", known["subjects"])]
    equations = read_all(equation, subjects)
    await _measure(db, workspace_id, equations.values())
    await metrics.lock(db, workspace_id)
    known = await show(db, workspace_id, ids.show(PREFIX, known["id"]))
    if known["archived_at"] is not None:
        raise MetricArchived("An archived metric stays as it is; make a new one.")
    rest = {key: value for key, value in wanted.items() if key not in PARTS}
    values = {key: value for key, value in {**rest, "equation": equation}.items() if known[key] != value}
    if not values:
        return {**known, "reprocessings": []}
    others = [row for row in await metrics.live(db, workspace_id) if row["id"] != known["id"]]
    _check_room(others, equations.values())
    if "name" in values:
        await _check_name(db, workspace_id, values["name"], but=known["id"])
    audit.add(db, before={key: known[key] for key in values})
    moved = values.keys() & {"equation", "subjects", "history_days"}
    version = known["version"] + (1 if moved else 0)
    await metrics.change(db, workspace_id, known["id"], {**values, "version": version, "updated_at": now})
    left = [Subject(one) for one in known["subjects"] if Subject(one) not in subjects]
    started = await _apply(db, workspace_id, known["id"], version, equations, left, now=now) if moved else []
    return {**await show(db, workspace_id, ids.show(PREFIX, known["id"])), "reprocessings": started}


async def archive(db: Session, workspace_id: UUID, ref: str, *, now: datetime) -> None:
    """Retire a metric: records lose it, its history stays. Safe to repeat. Raises `UnknownMetric`."""
    await metrics.lock(db, workspace_id)
    known = await show(db, workspace_id, ref)
    if known["archived_at"] is None:
        await metrics.change(db, workspace_id, known["id"], {"archived_at": now, "updated_at": now})
        await _look_anew(db, workspace_id, map(Subject, known["subjects"]), now=now)


async def show(db: Session, workspace_id: UUID, ref: str) -> Mapping[str, Any]:
    """One metric by its slug, or by its id, archived or not. Raises `UnknownMetric`."""
    found = await metrics.one(db, workspace_id, slug=ref) if SLUG.match(ref) else None
    if found is None and (metric_id := ids.read(PREFIX, ref)) is not None:
        found = await metrics.one(db, workspace_id, id_=metric_id)
    if found is None:
        raise UnknownMetric("No metric has this slug or id; GET /api/v1/metrics lists them.")
    return found


async def page(
    db: Session, workspace_id: UUID, *, subject: Subject | None, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Metrics in the order they were made."""
    return await metrics.page(db, workspace_id, subject=subject, after=after, limit=limit, archived=archived)


async def labels(db: Session, workspace_id: UUID, subject: Subject) -> Mapping[str, str]:
    """What the live metrics of a subject are called, by slug."""
    return {row["slug"]: row["name"] for row in await metrics.live(db, workspace_id, subject)}


def read_all(equation: Mapping[str, Any], subjects: Iterable[Subject]) -> Mapping[Subject, Equation]:
    """What an equation says of each subject. Raises `InvalidExpression`."""
    return {subject: read(equation, subject) for subject in subjects}


def _check_room(others: Iterable[Mapping[str, Any]], equations: Iterable[Equation]) -> None:
    """Raises `TooManyMetrics`."""
    known = list(others)
    if len(known) >= MOST_METRICS:
        raise TooManyMetrics(f"There are at most {MOST_METRICS} metrics: archive one first.")
    stored = (metering.understood(row["equation"], Subject(row["subjects"][0])) for row in known)
    used = sum(weight(one) for one in stored if one is not None)
    if used + max(map(weight, equations)) > MOST_WEIGHT:
        raise TooManyMetrics(
            f"All metrics together have at most {MOST_WEIGHT} terms, names of events and conditions on users: archive "
            "some, or simplify this one."
        )


async def _check_name(db: Session, workspace_id: UUID, name: str, *, but: UUID | None = None) -> None:
    if await metrics.named(db, workspace_id, name) not in (None, but):
        raise MetricExists("A metric has this name already; upper and lower case are the same.")


async def _measure(db: Session, workspace_id: UUID, equations: Iterable[Equation]) -> None:
    """Have everything counted that is asked about. Flushes may be waited for, so it comes before all else."""
    wanted = metering.counted(equations)
    if wanted:
        asked = [(name, None if where is None else json.loads(where)) for name, where in sorted(wanted, key=str)]
        await measuring.ensure(db, workspace_id, asked)


async def _apply(
    db: Session,
    workspace_id: UUID,
    metric_id: UUID,
    version: int,
    equations: Mapping[Subject, Equation],
    left: Sequence[Subject] = (),
    *,
    now: datetime,
) -> list[UUID]:
    """Promise to look at every record of the subjects, and of those it was about before."""
    for subject, equation in equations.items():
        await _hear(db, workspace_id, subject, equation)
    started = await _look_anew(db, workspace_id, [*equations, *left], now=now)
    await metering.promise(db, workspace_id, TellMetric(metric_id, version, next(iter(equations)).value))
    return started


async def _look_anew(db: Session, workspace_id: UUID, subjects: Iterable[Subject], *, now: datetime) -> list[UUID]:
    async with unveiled(db):
        return [await reprocessing.start(db, workspace_id, CAUSE, now=now, subject=one) for one in subjects]


async def _hear(db: Session, workspace_id: UUID, subject: Subject, equation: Equation) -> None:
    """From now on mark what the metric must hear of: its users, and its organization."""
    people = [one for one in asks(equation.whole) if isinstance(one, People)]
    asking = [one for one in people if one.fact is not None or next(conditions(one.where), None) is not None]
    await attend(db, workspace_id, subject, [Related(one.relation, Quantity.AT_LEAST, 1, one.where) for one in asking])
    if any(isinstance(one, Value) and one.fact.via is not None for one in asks(equation.whole)):
        await watching.watch(db, workspace_id, {Watch.ORGANIZATIONS})
