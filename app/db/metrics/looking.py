"""Looks at single metrics of a few records, with every term: for those who try one out, or ask why it is what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Numeric,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy import cast as as_type

from app.db.base import Session
from app.db.grounds import GROUNDS
from app.db.metrics.counting import DAYS, PARENTS, Counts, Measured
from app.db.metrics.figuring import TODAY, WORKSPACE, Terms, fenced, kept
from app.db.metrics.values import FACTS
from app.domain.fields import Subject
from app.domain.metrics import Equation, Term
from app.domain.models import Event

_EVENTS: Final = cast("Table", Event.__table__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A metric of a record: what it is, what it was a window ago, and its terms, each now (0) and then (1)."""

    now: Decimal | None
    before: Decimal | None
    terms: Mapping[tuple[Term, int], Decimal | None]


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many events there were of a user on a day, of what nobody counts yet."""

    record_id: UUID
    measure_id: int
    day: date
    user_id: UUID
    count: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A metric to look at; with `more`, which is counted besides, what is stored is read by day."""

    equation: Equation
    measured: Measured
    more: Sequence[Bucket] | None = None


async def look(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    wanted: Wanted,
    *,
    now: datetime,
) -> Mapping[UUID, Seen]:
    """A metric of each record with its terms."""
    equation, more = wanted.equation, wanted.more
    ground = GROUNDS[subject]
    buckets = DAYS if more is None else _with(more)
    counts = Counts(ground, TODAY, wanted.measured, past=more is not None, buckets=buckets)
    layer = Terms(subject, [equation], counts).layer([ground.id.label("id")], [])
    before = layer.value(equation.whole, 1) if equation.shifts else as_type(null(), Numeric)
    keys = list(layer.columns)
    below = layer.table.c
    terms = [below[layer.columns[key]].label(f"t{ix}") for ix, key in enumerate(keys)]
    raw = fenced(select(below.id, layer.value(equation.whole).label("now"), before.label("before"), *terms), "v")
    each = [kept(raw.c[f"t{ix}"]) for ix in range(len(keys))]
    query = select(raw.c.id, kept(raw.c.now), kept(raw.c.before), *each)
    asked = {"workspace": workspace_id, "records": list(record_ids), "now": now, "today": now.date()}
    found = await db.execute(query, asked)
    return {row[0]: Seen(row[1], row[2], dict(zip(keys, row[3:], strict=True))) for row in found}


def _with(more: Sequence[Bucket]) -> FromClause:
    """The stored counts by day, and these."""
    types: dict[str, Any] = {
        "record_id": Uuid,
        "measure_id": BigInteger,
        "day": Date,
        "user_id": Uuid,
        "count": BigInteger,
    }
    names = list(types)
    lists: list[Any] = [
        bindparam(None, [getattr(one, name) for one in more], type_=ARRAY(type_)) for name, type_ in types.items()
    ]
    given = func.unnest(*lists).table_valued(*names, name="given").render_derived()
    columns: list[Any] = [as_type(given.c[name], type_).label(name) for name, type_ in types.items()]
    stored = select(DAYS.c.workspace_id, *(DAYS.c[name] for name in names)).where(DAYS.c.workspace_id == WORKSPACE)
    return union_all(stored, select(WORKSPACE.label("workspace_id"), *columns)).subquery()


async def events(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], names: Sequence[str], *, most: int
) -> Sequence[Any]:
    """The newest events of these names about these records, each with its record, day, user and properties."""
    those = any_(bindparam(None, list(record_ids), type_=ARRAY(Uuid)))
    record: ColumnElement[Any] = _EVENTS.c.account_id
    start: FromClause = _EVENTS
    about = _EVENTS.c.account_id == those
    if subject is Subject.ORGANIZATIONS:
        met = and_(PARENTS.c.workspace_id == workspace_id, PARENTS.c.account_id == _EVENTS.c.account_id)
        start = _EVENTS.outerjoin(PARENTS, met)
        record = func.coalesce(PARENTS.c.organization_id, _EVENTS.c.organization_id, type_=Uuid)
        own = and_(_EVENTS.c.account_id.is_(None), _EVENTS.c.organization_id == those)
        about = or_(PARENTS.c.organization_id == those, own)
    day = as_type(_EVENTS.c.occurred_at, Date)
    query = (
        select(record.label("record_id"), day.label("day"), _EVENTS.c.user_id, _EVENTS.c.name, _EVENTS.c.properties)
        .select_from(start)
        .where(_EVENTS.c.workspace_id == workspace_id, about, _EVENTS.c.name.in_(names))
        .order_by(_EVENTS.c.occurred_at.desc())
        .limit(most)
    )
    return list(await db.execute(query))


async def stored(
    db: Session, workspace_id: UUID, subject: Subject, record_id: UUID
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The metrics of a record as evaluated last, and how they changed, by slug."""
    table, id_ = FACTS[subject]
    query = select(table.c.metrics, table.c.metric_changes).where(
        table.c.workspace_id == workspace_id, table.c[id_] == record_id
    )
    row = (await db.execute(query)).one_or_none()
    return ({}, {}) if row is None else (row[0], row[1])
