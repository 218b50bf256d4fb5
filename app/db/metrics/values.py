"""Works out the metrics of records in one statement, which stores what differs and notes it in their history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    Date,
    Integer,
    Numeric,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy import cast as as_type
from sqlalchemy.dialects.postgresql import JSONB, insert

from app.db.base import Session
from app.db.grounds import GROUNDS
from app.db.metrics.counting import Counts, Measured, whole
from app.db.metrics.figuring import INSTANT, TODAY, WORKSPACE, Column, Layer, Terms, change, fenced, kept, midnight
from app.domain.fields import FAMILIES, Subject
from app.domain.metrics import Equation
from app.domain.models import AccountFacts, MetricDay, OrganizationFacts

FACTS: Final[Mapping[Subject, tuple[Table, str]]] = {
    Subject.ACCOUNTS: (cast("Table", AccountFacts.__table__), "account_id"),
    Subject.ORGANIZATIONS: (cast("Table", OrganizationFacts.__table__), "organization_id"),
}
DAYS: Final = cast("Table", MetricDay.__table__)
FOREVER: Final[Column] = literal_column("'infinity'::date", Date)
MOST_ARGUMENTS: Final = 100
"""What PostgreSQL's functions take."""
NOTHING: Final[Column] = literal_column("'{}'::jsonb", JSONB)


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric to be worked out; `is_told`: whether its past was worked out already, and what is stored is its own."""

    id: UUID
    slug: str
    version: int
    equation: Equation
    is_told: bool = True


async def settle(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    asked: Sequence[Asked],
    measured: Measured,
    *,
    now: datetime,
) -> Mapping[UUID, datetime]:
    """Bring the metrics of these records up to date; when the clock may next change any. The caller holds their facts.

    Whatever is stored of other metrics than these goes. Safe to repeat.
    """
    if not asked:
        await db.execute(_CLEAR[subject], {"workspace": workspace_id, "records": list(record_ids)})
        return {}
    statement = _settling(subject, tuple((one.slug, one.equation) for one in asked), tuple(sorted(measured.items())))
    values = {  # a name that a column of the facts has would be taken for a value to be stored
        "workspace": workspace_id,
        "records": list(record_ids),
        "now": now,
        "today": now.date(),
        "ids": [one.id for one in asked],
        "slugs": [one.slug for one in asked],
        "versions": [one.version for one in asked],
        "own": [one.is_told for one in asked],
        **{f"metric{ix}": one.id for ix, one in enumerate(asked) if not one.equation.shifts},
        **{f"own{ix}": one.is_told for ix, one in enumerate(asked) if not one.equation.shifts},
    }
    return {row[0]: row[1] for row in await db.execute(statement, values)}


_CLEAR: Final = {
    subject: text(
        f"update {table.name} set metrics = '{{}}', metric_changes = '{{}}', metric_pasts = '{{}}' "  # noqa: S608 - constants
        f"where workspace_id = :workspace and {id_} = any(cast(:records as uuid[])) "
        "and (metrics <> '{}' or metric_changes <> '{}' or metric_pasts <> '{}')"
    )
    for subject, (table, id_) in FACTS.items()
}


@lru_cache(maxsize=64)
def _settling(
    subject: Subject, equations: tuple[tuple[str, Equation], ...], measured: tuple[tuple[tuple[str, str], int], ...]
) -> Select[Any]:
    """Building the statement takes longer than many an evaluation, so it is built once."""
    found = _found(subject, equations, dict(measured)).cte("found")
    table, id_ = FACTS[subject]
    put = {"metrics": found.c.metrics, "metric_changes": found.c.changes, "metric_pasts": found.c.pasts}
    differs = or_(*(table.c[name].is_distinct_from(value) for name, value in put.items()))
    moved = (
        update(table)
        .where(table.c.workspace_id == WORKSPACE, table.c[id_] == found.c.id, differs)
        .values(**put)
        .cte("moved")
    )
    return (
        select(found.c.id, found.c.later)
        .where(found.c.later.is_not(None))
        .add_cte(moved, nest_here=False)
        .add_cte(_noting(found), nest_here=False)
    )


def _noting(found: Any) -> Any:
    """A day of history for each metric that is another than it was: than what is stored or, where that may be of
    another metric, than the last day."""
    asked = (
        func.unnest(
            bindparam("ids", type_=ARRAY(Uuid)),
            bindparam("slugs", type_=ARRAY(Text)),
            bindparam("versions", type_=ARRAY(Integer)),
            bindparam("own", type_=ARRAY(Boolean)),
        )
        .table_valued("id", "slug", "version", "told", name="m")
        .render_derived()
    )
    last = (
        select(DAYS.c.value)
        .where(DAYS.c.workspace_id == WORKSPACE, DAYS.c.record_id == found.c.id, DAYS.c.metric_id == asked.c.id)
        .order_by(DAYS.c.day.desc())
        .limit(1)
        .correlate(found, asked)
        .scalar_subquery()
    )
    value = _slot(found.c.metrics, asked.c.slug)
    was = case((asked.c.told, _slot(found.c.was, asked.c.slug)), else_=last)
    rows = (
        select(WORKSPACE, found.c.id, asked.c.id, TODAY, value, asked.c.version)
        .select_from(found.join(asked, literal_column("true")))
        .where(or_(asked.c.told.is_not(True), found.c.moved), value.is_distinct_from(was))
        .order_by(found.c.id, asked.c.id)
    )
    names = ["workspace_id", "record_id", "metric_id", "day", "value", "version"]
    new = insert(DAYS).from_select(names, rows)
    key = ["workspace_id", "record_id", "metric_id", "day"]
    put = {"value": new.excluded.value, "version": new.excluded.version, "is_told": False}
    return new.on_conflict_do_update(index_elements=key, set_=put).cte("noted")


def _slot(column: Any, slug: Column) -> Column:
    return as_type(column.op("->>", return_type=Text())(slug), Numeric)


def _found(subject: Subject, equations: Sequence[tuple[str, Equation]], measured: Measured) -> Select[Any]:
    """Each record with what is stored of its metrics, what they are, how they changed, and when to look again."""
    ground, (table, _) = GROUNDS[subject], FACTS[subject]
    terms = Terms(subject, [one for _, one in equations], Counts(ground, TODAY, measured))
    past = [
        column
        for ix, (slug, one) in enumerate(equations)
        if not one.shifts
        for column in _past(ground.id, table.c.metric_pasts, ix, slug, one)
    ]
    layer = terms.layer(
        [ground.id.label("id"), table.c.metrics.label("was"), *past], [FAMILIES["metrics."].fact("any", subject)]
    )
    raw = fenced(_raw(layer, equations), "v")
    figures = fenced(_figures(raw, equations), "r")
    return _shown(fenced(_changes(figures, equations), "c"), equations)


def _past(record: Column, pasts: Column, ix: int, slug: str, equation: Equation) -> tuple[Column, Column]:
    """What a metric was so many days ago, and on which day another of its days will be that long ago.

    Until then what is stored of both holds; so the history is rarely read.
    """
    own = and_(
        DAYS.c.workspace_id == WORKSPACE,
        DAYS.c.record_id == record,
        DAYS.c.metric_id == bindparam(f"metric{ix}", type_=Uuid),
    )
    start = TODAY - whole(equation.days)
    before = select(DAYS.c.value).where(own, DAYS.c.day <= start).order_by(DAYS.c.day.desc()).limit(1)
    coming = select(func.min(DAYS.c.day) + whole(equation.days)).where(own, DAYS.c.day > start, DAYS.c.day <= TODAY)
    stored = pasts.op("->", return_type=JSONB())(_quoted(slug))
    until = as_type(stored.op("->>", return_type=Text())(1), Date)
    holds = and_(bindparam(f"own{ix}", type_=Boolean), stored.is_not(None), func.coalesce(until, FOREVER) > TODAY)
    return (
        case(
            (holds, as_type(stored.op("->>", return_type=Text())(0), Numeric)),
            else_=before.correlate_except(DAYS).scalar_subquery(),
        ).label(f"before{ix}"),
        case((holds, until), else_=coming.correlate_except(DAYS).scalar_subquery()).label(f"coming{ix}"),
    )


def _raw(layer: Layer, equations: Sequence[tuple[str, Equation]]) -> Select[Any]:
    below = layer.table.c
    columns: list[Column] = [below.id, below.was, below.later]
    for ix, (_, equation) in enumerate(equations):
        columns.append(layer.value(equation.whole).label(f"now{ix}"))
        if equation.shifts:
            columns.append(layer.value(equation.whole, 1).label(f"before{ix}"))
        else:
            columns += [below[f"before{ix}"], below[f"coming{ix}"]]
    return select(*columns)


def _figures(raw: Any, equations: Sequence[tuple[str, Equation]]) -> Select[Any]:
    """Values as they are kept; and what will be compared with another day, and when."""
    columns: list[Column] = [raw.c.id, raw.c.was, raw.c.later]
    for ix, (_, equation) in enumerate(equations):
        columns += [kept(raw.c[f"now{ix}"]).label(f"now{ix}"), kept(raw.c[f"before{ix}"]).label(f"before{ix}")]
        if not equation.shifts:
            columns.append(raw.c[f"coming{ix}"])
    return select(*columns)


def _changes(figures: Any, equations: Sequence[tuple[str, Equation]]) -> Select[Any]:
    """The changes, and when what is compared with meets another day of the past: today's, where that is new."""
    below = figures.c
    columns: list[Column] = [below.id, below.was, below.later]
    for ix, (slug, equation) in enumerate(equations):
        now, before = below[f"now{ix}"], below[f"before{ix}"]
        columns += [now, before, change(now, before).label(f"change{ix}")]
        if not equation.shifts:
            moved = now.is_distinct_from(_slot(below.was, _quoted(slug)))
            meets = func.least(below[f"coming{ix}"], case((moved, TODAY + whole(equation.days))), type_=Date)
            columns.append(meets.label(f"coming{ix}"))
    return select(*columns)


def _shown(changes: Any, equations: Sequence[tuple[str, Equation]]) -> Select[Any]:
    below, slugs = changes.c, [slug for slug, _ in equations]
    back = [ix for ix, (_, equation) in enumerate(equations) if not equation.shifts]
    later = [below.later, *(midnight(below[f"coming{ix}"]) for ix in back)]
    pasts = {slugs[ix]: func.jsonb_build_array(below[f"before{ix}"], below[f"coming{ix}"]) for ix in back}
    objects = select(
        below.id,
        below.was,
        _object({slug: below[f"now{ix}"] for ix, slug in enumerate(slugs)}).label("metrics"),
        _object({slug: kept(below[f"change{ix}"]) for ix, slug in enumerate(slugs)}).label("changes"),
        _object(pasts).label("pasts"),
        func.least(*later, type_=INSTANT).label("later"),
    )
    found = fenced(objects, "o")
    return select(*found.c, (found.c.was != found.c.metrics).label("moved"))


def _quoted(slug: str) -> Column:
    """A slug in the statement itself; it is small letters, digits and `_`."""
    return literal_column(f"'{slug}'", Text)


def _object(values: Mapping[str, Column]) -> Column:
    """The values that there are, by slug."""
    pairs = [part for slug, value in values.items() for part in (_quoted(slug), value)]
    found: Column = NOTHING
    for first in range(0, len(pairs), MOST_ARGUMENTS):
        some = func.jsonb_build_object(*pairs[first : first + MOST_ARGUMENTS], type_=JSONB)
        found = some if first == 0 else found.op("||", return_type=JSONB())(some)
    return func.jsonb_strip_nulls(found, type_=JSONB)
