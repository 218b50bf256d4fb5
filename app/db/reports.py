"""Pages of record ids in any order, found before anything is joined; and how many records a filter keeps.

A page is read in stretches (see `places`), so that a plain index still gives the order.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    select,
    text,
    true,
)

from app.db import facts, filters
from app.db.base import Session
from app.db.places import SORTED_CHARACTERS, Key, Place, Walk, stretches
from app.db.then import reader
from app.domain.fields import Fact, Type, find
from app.domain.filters import leaves
from app.domain.reports import COUNTED, Order, Report

STREAMED: Final = 500  # how many rows a cursor fetches at a time


async def page(
    db: Session, workspace_id: UUID, report: Report, *, after: Place | None, now: datetime, limit: int
) -> list[Place]:
    """The places of up to `limit` records that come after `after` in the report's order."""
    walk = _walk(workspace_id, report, now)
    found: list[Place] = []
    for stretch in stretches(walk, after):
        part = stretch.select().limit(limit - len(found))
        found += [Place(tuple(row[1:]), row[0]) for row in await db.execute(part)]
        if len(found) >= limit:
            break
    return found


async def walk(db: Session, workspace_id: UUID, report: Report, *, now: datetime) -> AsyncIterator[Sequence[Place]]:
    """All places of the report in its order, through a cursor on the server: memory does not grow with the report."""
    for stretch in stretches(_walk(workspace_id, report, now), None):
        rows = await db.stream(stretch.select().execution_options(yield_per=STREAMED))
        async for part in rows.partitions(STREAMED):
            yield [Place(tuple(row[1:]), row[0]) for row in part]


async def allow_time(db: Session, workspace_id: UUID) -> None:  # noqa: ARG001 - every query names its workspace
    """Let the statements of this transaction take as long as a whole report may: sorting comes before the first row."""
    await db.execute(text("set local statement_timeout = '60s'"))


async def count(db: Session, workspace_id: UUID, report: Report, *, now: datetime, most: int | None = None) -> int:
    """How many records the report keeps; counting stops one above `most`, or `COUNTED`."""
    stop = (COUNTED if most is None else most) + 1
    kept = matching(workspace_id, report, now, (), true().label("kept")).limit(stop).subquery()
    return (await db.execute(select(func.count()).select_from(kept))).scalar_one()


async def load(
    db: Session, workspace_id: UUID, report: Report, record_ids: Sequence[UUID], columns: Iterable[Fact]
) -> Mapping[UUID, Mapping[str, Any]]:
    """The given facts of each record, by path, as of the report's instant."""
    wanted = list({fact.path: fact for fact in columns}.values())
    of, ground = reader(report), facts.GROUNDS[report.subject]
    values = [of(fact, Type.TRAIT if fact.key else fact.type).label(f"f{ix}") for ix, fact in enumerate(wanted)]
    query = facts.joined(select(ground.id, *values).select_from(ground.start), report.subject, wanted).where(
        ground.workspace == workspace_id,
        ground.id == any_(bindparam(None, list(record_ids), type_=ARRAY(Uuid))),
    )
    paths = [fact.path for fact in wanted]
    return {row[0]: dict(zip(paths, row[1:], strict=True)) for row in await db.execute(query)}


def matching(workspace_id: UUID, report: Report, now: datetime, named: Iterable[Fact], *columns: Any) -> Select[Any]:
    """These columns of the records a report keeps, with the tables in place that its filter and `named` need."""
    ground = facts.GROUNDS[report.subject]
    used = [leaf.fact for tree in (report.filter, report.within) for leaf in leaves(tree)]
    kept = [
        filters.holds(report.filter, report.as_of or now, reader(report), whole=True, past=report.as_of is not None),
        filters.holds(report.within, now),
    ]
    if report.as_of is not None:
        made = find("createdAt", report.subject)
        used.append(made)
        kept.append(filters.value(made) <= bindparam(None, report.as_of, type_=DateTime(timezone=True)))
    query = facts.joined(select(*columns).select_from(ground.start), report.subject, [*used, *named])
    return query.where(ground.workspace == workspace_id, *kept)


def _walk(workspace_id: UUID, report: Report, now: datetime) -> Walk:
    ground = facts.GROUNDS[report.subject]
    keys = [_key(one, report) for one in report.order]
    shown = [cast(key.value, Text).label(f"k{ix}") for ix, key in enumerate(keys)]
    named = [key.fact for key in report.order]
    return Walk(matching(workspace_id, report, now, named, ground.id, *shown), keys, ground.id)


def _key(order: Order, report: Report) -> Key:
    value = reader(report)(order.fact, order.reading)
    if order.reading is Type.TEXT and not order.fact.column.endswith("external_id"):
        value = func.lower(func.left(value, SORTED_CHARACTERS), type_=Text)
    return Key(value, order.descending, present=not order.fact.nullable and report.as_of is None)
