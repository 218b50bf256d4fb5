"""Asks of some records whether a filter held at each of many instants: a statement per instant for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.db import facts, filters, then
from app.db.base import Session
from app.domain.backtests import Backtest
from app.domain.fields import Subject, find
from app.domain.filters import Tree, leaves, relations
from app.domain.reports import Report

Question = Select[str]


def unknown(tree: Tree, at: datetime, subject: Subject) -> tuple[list[str], list[str]]:
    """What the filter asks that has no history: facts by path, and relations by name."""
    related = sorted({one.relation.name for one in relations(tree)})
    return then.lacking((leaf.fact for leaf in leaves(tree)), at, subject), related


def known(at: datetime, subject: Subject) -> list[str]:
    """What has a history."""
    return then.having(subject, at)


async def records(
    db: Session, workspace_id: UUID, report: Report, *, now: datetime, after: UUID | None, limit: int
) -> list[UUID]:
    """The next records, in the order of their ids, of those that whoever asks may and wants to see."""
    ground = facts.GROUNDS[report.subject]
    used = [leaf.fact for leaf in leaves(report.within)]
    query = facts.joined(select(ground.id).select_from(ground.start), report.subject, used)
    query = query.where(ground.workspace == workspace_id, filters.holds(report.within, now))
    if after is not None:
        query = query.where(ground.id > after)
    return list(await db.scalars(query.order_by(ground.id).limit(limit)))


def _question(workspace_id: UUID, report: Report, at: datetime) -> Question:
    """The answers of many records as one text, in the order of their ids: a row for each would take longer to read than
    to find. For every day it is the same statement but for its values, so it is planned once."""
    ground, made = facts.GROUNDS[report.subject], find("createdAt", report.subject)
    named = [made, *(leaf.fact for leaf in leaves(report.filter))]
    held = case((_held(report, at), "1"), else_="0")
    said = func.string_agg(held, aggregate_order_by(literal_column("''"), ground.id), type_=Text)
    query = facts.joined(select(said).select_from(ground.start), report.subject, named)
    return query.where(ground.workspace == workspace_id, ground.id == any_(bindparam("records", type_=ARRAY(Uuid))))


def _held(report: Report, at: datetime) -> ColumnElement[bool]:
    """A record that was not there yet satisfies nothing."""
    there = filters.value(find("createdAt", report.subject)) <= bindparam(None, at, type_=DateTime(timezone=True))
    then_ = then.reader(replace(report, as_of=at))
    return and_(there, filters.holds(report.filter, at, then_, past=True))


async def count(db: Session, workspace_id: UUID, test: Backtest) -> int:
    """How many records there are to go through."""
    ground = facts.GROUNDS[test.report.subject]
    query = select(func.count()).select_from(ground.start).where(ground.workspace == workspace_id)
    return (await db.execute(query)).scalar_one()


async def answers(
    db: Session, workspace_id: UUID, test: Backtest, record_ids: Sequence[UUID], asked: list[Question]
) -> list[str]:
    """For each of these records, given in the order of their ids, a 0 or 1 per instant. The caller holds one moment
    (see `frozen_transaction`), and keeps for the next records what was `asked`."""
    said = []
    for ix, at in enumerate(test.instants):
        if ix == len(asked):
            asked.append(_question(workspace_id, test.report, at))
        said.append(await db.scalar(asked[ix], {"records": list(record_ids)}) or "")
    return ["".join(held) for held in zip(*said, strict=True)]


async def names(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID]
) -> Mapping[UUID, Mapping[str, Any]]:
    """External ids and names of these records."""
    wanted = [find(path, subject) for path in ("externalId", "name")]
    return await facts.load(db, workspace_id, record_ids, wanted, subject)
