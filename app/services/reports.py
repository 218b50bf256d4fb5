"""Answering a report: a page of places, then the rows for them, then the count if it was asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import facts, reports
from app.db.base import Session
from app.db.reports import Place
from app.domain import ids
from app.domain.fields import Fact, Type, find
from app.domain.filters.meaning import shown
from app.domain.reports import COUNTED, Report

ALWAYS = (find("id"), find("externalId"))


@dataclass(frozen=True, slots=True)
class Count:
    """How many accounts match; `capped` when there are more than the number says."""

    number: int
    capped: bool


async def places(
    db: Session, workspace_id: UUID, report: Report, *, after: Sequence[Any] | None, now: datetime, limit: int
) -> tuple[list[Place], datetime]:
    """A page of places, and the instant it was judged at: that of the first page, which `after` carries along."""
    since: Place | None = None
    if after is not None:
        now, *keys, id_ = after
        since = Place(tuple(keys), id_)
    found = await reports.page(
        db, workspace_id, where=report.filter, order=report.order, after=since, now=now, limit=limit
    )
    return found, now


async def rows(db: Session, workspace_id: UUID, report: Report, found: Sequence[Place]) -> list[dict[str, Any]]:
    """What the report shows of the accounts at these places, as JSON by path."""
    columns = (*ALWAYS, *report.columns)
    loaded = await facts.load(db, workspace_id, [place.id for place in found], columns)
    people = await _people(db, workspace_id, columns, loaded)
    return [
        {fact.path: _cell(fact, loaded[place.id], people) for fact in columns} for place in found if place.id in loaded
    ]


async def count(db: Session, workspace_id: UUID, report: Report, *, now: datetime) -> Count:
    """How many accounts match; counting stops at 10,000."""
    number = await reports.count(db, workspace_id, report.filter, now)
    return Count(min(number, COUNTED), number > COUNTED)


async def _people(
    db: Session, workspace_id: UUID, columns: Sequence[Fact], loaded: Mapping[UUID, Mapping[str, Any]]
) -> Mapping[UUID, Any]:
    paths = [fact.path for fact in columns if fact.type is Type.PERSON]
    wanted = {row[path] for row in loaded.values() for path in paths if row[path] is not None}
    return await facts.members(db, workspace_id, wanted)


def _cell(fact: Fact, row: Mapping[str, Any], people: Mapping[UUID, Any]) -> Any:
    if fact.key is not None:
        return row["traits"].get(fact.key)
    value = row[fact.path]
    if fact.type is Type.PERSON and value in people:
        person = people[value]
        return {"id": ids.show("mem", value), "name": person.name, "email": person.email}
    return shown(value, fact.type)
