"""What metrics were, day by day: worked out of stored counts for days before they were defined, and read."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Date,
    Integer,
    Interval,
    Uuid,
    and_,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session
from app.db.grounds import GROUNDS, TABLES
from app.db.metrics.counting import Counts, Measured
from app.db.metrics.definitions import METRICS
from app.db.metrics.figuring import WORKSPACE, Column, Terms, fenced, kept
from app.db.metrics.values import DAYS, FACTS, FOREVER, Asked
from app.domain.fields import FAMILIES, Fact, Subject
from app.domain.metrics import Equation

METRIC: Final[Column] = bindparam("metric", type_=Uuid)
FIRST: Final[Column] = bindparam("first", type_=Date)
LAST: Final[Column] = bindparam("last", type_=Date)


async def tell(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    metric: Asked,
    measured: Measured,
    *,
    days: tuple[date, date],
) -> None:
    """Work out what a metric was on these days for each of these records, as far as nobody saw it then.

    What was worked out before goes; what was seen stays. The caller holds the records' facts.
    """
    own = DAYS.c.workspace_id == workspace_id, DAYS.c.metric_id == metric.id, DAYS.c.record_id.in_(record_ids)
    await db.execute(delete(DAYS).where(*own, DAYS.c.is_told))
    values = {
        "workspace": workspace_id,
        "records": list(record_ids),
        "metric": metric.id,
        "told_version": metric.version,
        "first": days[0],
        "last": days[1],
    }
    await db.execute(_telling(subject, metric.equation, tuple(sorted(measured.items()))), values)


@lru_cache(maxsize=16)
def _telling(subject: Subject, equation: Equation, measured: tuple[tuple[tuple[str, str], int], ...]) -> Any:
    """One row per record and day, of which those are kept that differ from the day before."""
    ground = GROUNDS[subject]
    each = func.generate_series(FIRST, LAST, literal_column("'1 day'", Interval))
    day = each.table_valued("day", name="g").render_derived().c.day
    days = select(cast(day, Date).label("day")).subquery("d")
    counts = Counts(ground, days.c.day, dict(measured), past=True, beside=[days])
    terms = Terms(subject, [equation], counts, alone=True)
    facts = [FAMILIES["metrics."].fact("any", subject)]
    layer = terms.layer(
        [ground.id.label("id"), days.c.day, _began(subject).label("began")],
        facts,
        beside=days,
    )
    below = layer.table.c
    raw = fenced(select(below.id, below.day, below.began, layer.value(equation.whole).label("value")), "v")
    value = kept(raw.c.value).label("value")
    span = and_(raw.c.day >= raw.c.began, raw.c.day < func.coalesce(_seen(raw.c.id), FOREVER))
    figures = fenced(select(raw.c.id, raw.c.day, value).where(span), "f")
    before = func.lag(figures.c.value).over(partition_by=figures.c.id, order_by=figures.c.day)
    steps = select(figures.c.id, figures.c.day, figures.c.value, before.label("before")).subquery("s")
    rows = select(
        WORKSPACE,
        steps.c.id,
        METRIC,
        steps.c.day,
        steps.c.value,
        bindparam("told_version", type_=Integer),
        literal_column("true"),
    ).where(steps.c.value.is_distinct_from(steps.c.before))
    names = ["workspace_id", "record_id", "metric_id", "day", "value", "version", "is_told"]
    return insert(DAYS).from_select(names, rows.order_by(steps.c.id, steps.c.day)).on_conflict_do_nothing()


def _began(subject: Subject) -> Column:
    """The day from which there is anything to say of a record: it was made, or seen before."""
    facts, records = FACTS[subject][0], TABLES[subject.value]
    made = select(records.c.created_at).where(records.c.workspace_id == WORKSPACE, records.c.id == GROUNDS[subject].id)
    if subject is Subject.ORGANIZATIONS:
        return cast(func.least(records.c.created_at, facts.c.first_seen_at), Date)
    return cast(func.least(made.correlate_except(records).scalar_subquery(), facts.c.first_seen_at), Date)


def _seen(record: Column) -> Column:
    """The first day on which the metric was seen."""
    seen = DAYS.alias()
    first = select(func.min(seen.c.day)).where(
        seen.c.workspace_id == WORKSPACE,
        seen.c.record_id == record,
        seen.c.metric_id == METRIC,
        seen.c.is_told.is_(False),
    )
    return first.correlate_except(seen).scalar_subquery()


def was(fact: Fact, at: datetime, subject: Subject) -> Column:
    """What a metric was on the day of an instant: the last value of that day, or of the one before it with any."""
    about, metric, day = GROUNDS[subject], METRICS.alias(), DAYS.alias()
    found = (
        select(day.c.value)
        .select_from(
            metric.join(day, and_(day.c.workspace_id == metric.c.workspace_id, day.c.metric_id == metric.c.id))
        )
        .where(metric.c.workspace_id == about.workspace, metric.c.slug == fact.slot, metric.c.archived_at.is_(None))
        .where(day.c.record_id == about.id, day.c.day <= at.astimezone(UTC).date())
        .order_by(day.c.day.desc())
        .limit(1)
    )
    return found.correlate_except(metric, day).scalar_subquery()


async def days(
    db: Session, workspace_id: UUID, record_id: UUID, metric_id: UUID, *, first: date, last: date
) -> list[Any]:
    """The days of a metric's history between these, and the last one before them: (day, value, version, told)."""
    own = and_(DAYS.c.workspace_id == workspace_id, DAYS.c.record_id == record_id, DAYS.c.metric_id == metric_id)
    columns = (DAYS.c.day, DAYS.c.value, DAYS.c.version, DAYS.c.is_told)
    before = select(*columns).where(own, DAYS.c.day < first).order_by(DAYS.c.day.desc()).limit(1).subquery()
    within = select(*columns).where(own, DAYS.c.day.between(first, last))
    found = select(*before.c).union_all(within).order_by(column("day"))
    return list(await db.execute(found))


async def since(db: Session, workspace_id: UUID, record_id: UUID, metric_id: UUID) -> date | None:
    """The day since which the metric has been what it is."""
    own = and_(DAYS.c.workspace_id == workspace_id, DAYS.c.record_id == record_id, DAYS.c.metric_id == metric_id)
    found: date | None = await db.scalar(select(func.max(DAYS.c.day)).where(own))
    return found
