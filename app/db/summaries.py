"""Groups of the records a report keeps, in one statement: the greatest by name, the rest together, and all together.

A set, such as segments, puts a record into as many groups as it has members; nowhere is it counted twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    CompoundSelect,
    Numeric,
    Select,
    Text,
    bindparam,
    case,
    column,
    func,
    literal_column,
    null,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy import cast as sql_cast

from app.db.base import Session
from app.db.filters import Of
from app.db.grounds import GROUNDS
from app.db.reports import matching
from app.db.then import reader
from app.domain.fields import Type
from app.domain.reports import Report
from app.domain.summaries import LONGEST_KEY, Aggregate, Gathering, Grouping, Measure

HALF: Final[ColumnElement[Any]] = literal_column("0.5")
SHOWN_DECIMALS: Final = 6  # of averages, which may have no end


@dataclass(frozen=True, slots=True)
class Line:
    """Numbers over one group: by its key as JSON text, over all that are not shown (no key), or over everything."""

    key: str | None
    everything: bool
    groups: int
    values: tuple[Any, ...]


async def summarise(
    db: Session, workspace_id: UUID, report: Report, gathering: Gathering, *, now: datetime, limit: int
) -> list[Line]:
    """The lines of the `limit` greatest groups by the first aggregate, of the others, and of everything."""
    ask = _overlapping if gathering.overlapping else _question
    found = await db.execute(ask(workspace_id, report, gathering, now, limit))
    return [Line(row[0], bool(row[1]), row[2], tuple(row[3:])) for row in found]


def _question(
    workspace_id: UUID, report: Report, gathering: Gathering, now: datetime, limit: int
) -> Select[*tuple[Any, ...]]:
    of = reader(report)
    key = sql_cast(func.jsonb_build_array(*(_key(one, of) for one in gathering.groupings)), Text)
    numbers = [_number(one, of).label(f"n{ix}") for ix, one in enumerate(gathering.aggregates)]
    base = matching(workspace_id, report, now, gathering.facts, key.label("key"), *numbers).cte("base")
    ranked = _ranked(base, gathering.aggregates).cte("ranked")
    shown = case((ranked.c.place <= limit, ranked.c.key)).label("shown")
    marked = select(*base.c, shown).join_from(base, ranked, base.c.key == ranked.c.key).subquery("marked")
    groups = select(func.count()).select_from(ranked).scalar_subquery()
    lines = [_measured(one, marked.c[f"n{ix}"]) for ix, one in enumerate(gathering.aggregates)]
    query = select(marked.c.shown, func.grouping(marked.c.shown), groups, *lines)
    return query.group_by(func.grouping_sets(tuple_(marked.c.shown), tuple_()))


def _overlapping(
    workspace_id: UUID, report: Report, gathering: Gathering, now: datetime, limit: int
) -> Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]:
    """The totals are those of the records themselves; of a group, also of the rest, each record counts once."""
    of, groupings, aggregates = reader(report), gathering.groupings, gathering.aggregates
    keys = [_members(one, of) if one.is_set else _key(one, of) for one in groupings]
    shown_keys = [key.label(f"k{ix}") for ix, key in enumerate(keys)]
    numbers = [_number(one, of).label(f"n{ix}") for ix, one in enumerate(aggregates)]
    id_ = GROUNDS[report.subject].id.label("id")
    base = matching(workspace_id, report, now, gathering.facts, id_, *shown_keys, *numbers).cte("base")
    place = next(ix for ix, one in enumerate(groupings) if one.is_set)
    each = func.unnest(base.c[f"k{place}"]).table_valued(column("one", Text), name="each").render_derived().lateral()
    parts = [func.left(each.c.one, LONGEST_KEY) if one.is_set else base.c[f"k{ix}"] for ix, one in enumerate(groupings)]
    key = sql_cast(func.jsonb_build_array(*parts), Text).label("key")
    values = [base.c[f"n{ix}"] for ix in range(len(aggregates))]
    spread = select(base.c.id, key, *values).join_from(base, each, true()).distinct().cte("spread")
    ranked = _ranked(spread, aggregates).cte("ranked")
    shown = case((ranked.c.place <= limit, ranked.c.key)).label("shown")
    mine = [spread.c[f"n{ix}"] for ix in range(len(aggregates))]
    marked = (
        select(spread.c.id, shown, *mine).join_from(spread, ranked, spread.c.key == ranked.c.key).distinct()
    ).subquery("marked")
    groups = select(func.count()).select_from(ranked).scalar_subquery()
    per_group = [_measured(one, marked.c[f"n{ix}"]) for ix, one in enumerate(aggregates)]
    overall = [_measured(one, base.c[f"n{ix}"]) for ix, one in enumerate(aggregates)]
    return union_all(
        select(marked.c.shown, literal_column("0"), groups, *per_group).group_by(marked.c.shown),
        select(null(), literal_column("1"), groups, *overall).select_from(base),
    )


def _ranked(records: CTE, aggregates: Sequence[Aggregate]) -> Select[Any]:
    first = _measured(aggregates[0], records.c.n0)
    place = func.row_number().over(order_by=[first.desc().nulls_last(), records.c.key]).label("place")
    return select(records.c.key, place).group_by(records.c.key)


def _members(one: Grouping, of: Of) -> ColumnElement[Any]:
    """What a set has, as texts; one that has nothing has a single null."""
    found = sql_cast(of(one.fact, one.reading), ARRAY(Text))
    nothing = literal_column("array[null]::text[]", ARRAY(Text))
    return case((func.coalesce(func.cardinality(found), 0) == 0, nothing), else_=found)


def _key(one: Grouping, of: Of) -> ColumnElement[Any]:
    value = of(one.fact, one.reading)
    match one.reading:
        case Type.DATETIME:
            start = func.date_trunc(str(one.period), func.timezone("UTC", value))
            return func.to_char(start, "YYYY-MM-DD", type_=Text)
        case Type.NUMBER:
            return _bucket(one, sql_cast(value, Numeric))
        case Type.TEXT:
            return func.left(value, LONGEST_KEY, type_=Text)
        case Type.PERSON:
            return sql_cast(value, Text)
        case _:
            return value


def _bucket(one: Grouping, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """The number of the bucket, or its lower end: without a division, which would round, and written in one way."""
    if one.width is None:
        return func.width_bucket(value, bindparam(None, list(one.edges), type_=ARRAY(Numeric)))
    width = bindparam(None, one.width, type_=Numeric)
    return func.trim_scale(value - func.mod(func.mod(value, width) + width, width))


def _number(one: Aggregate, of: Of) -> ColumnElement[Any]:
    return literal_column("1") if one.fact is None else sql_cast(of(one.fact, Type.NUMBER), Numeric)


def _measured(one: Aggregate, number: ColumnElement[Any]) -> ColumnElement[Any]:
    match one.measure:
        case Measure.COUNT:
            return func.count()
        case Measure.SUM:
            return func.sum(number)
        case Measure.AVERAGE:
            return func.round(func.avg(number), SHOWN_DECIMALS)
        case Measure.MEDIAN:
            middle = (func.percentile_disc(HALF).within_group(way) for way in (number.asc(), number.desc()))
            return cast("ColumnElement[Any]", sum(middle, literal_column("0"))) / literal_column("2.0")
        case Measure.MIN | Measure.MAX:
            return (func.min if one.measure is Measure.MIN else func.max)(number)


def order_of(lines: Sequence[Line]) -> Sequence[Line]:
    """Lines of groups by the first aggregate, the greatest first, missing values last."""
    return sorted(lines, key=lambda line: (line.values[0] is None, -(line.values[0] or 0), line.key or ""))
