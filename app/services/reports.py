"""Answering a report: a page of places, then the rows for them, then the count if it was asked for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import facts, reports, then
from app.db.base import Session
from app.db.places import Place
from app.db.replica import Replicas
from app.domain import ids
from app.domain.fields import Fact, Subject, Type, find
from app.domain.filters.meaning import shown
from app.domain.keys import Caller
from app.domain.reports import COUNTED, Asked, Report, prepare
from app.services.access import visible

ALWAYS: Final[Mapping[Subject, tuple[Fact, ...]]] = {
    subject: (find("id", subject), find("externalId", subject)) for subject in Subject
}


@dataclass(frozen=True, slots=True)
class Count:
    """How many records match; `capped` when there are more than the number says."""

    number: int
    capped: bool


def understood(caller: Caller, subject: Subject, asked: Asked) -> Report:
    """The report as this caller may see it. Raises `InvalidFilter`, `InvalidReport`, `NeedsMember`, `NoHistory`."""
    if asked.as_of is not None and asked.columns is None:
        asked = replace(asked, columns=then.columns(subject, asked.as_of))
    # Only accounts are ever answered from memory; of the rest the database hides what is not for this caller.
    seen = visible(caller, subject) if subject is Subject.ACCOUNTS else None
    report = prepare(asked, subject, me=caller.member_id, visible=seen)
    then.check(report)
    return report


async def places(
    db: Session,
    workspace_id: UUID,
    report: Report,
    *,
    after: Sequence[Any] | None,
    now: datetime,
    limit: int,
    columns: Replicas | None = None,
) -> tuple[list[Place], datetime]:
    """A page of places, and the instant it was judged at: that of the first page, which `after` carries along.

    `columns` answers where it can, PostgreSQL otherwise; the answer is the same.
    """
    since: Place | None = None
    if after is not None:
        now, *keys, id_ = after
        since = Place(tuple(keys), id_)
    return await _page(db, workspace_id, report, since, now=now, limit=limit, columns=columns), now


async def _page(
    db: Session,
    workspace_id: UUID,
    report: Report,
    since: Place | None,
    *,
    now: datetime,
    limit: int,
    columns: Replicas | None,
) -> list[Place]:
    if columns is not None:
        found = await columns.page(db, workspace_id, report, after=since, now=now, limit=limit)
        if found is not None:
            return found
    return await reports.page(db, workspace_id, report, after=since, now=now, limit=limit)


async def count(
    db: Session, workspace_id: UUID, report: Report, *, now: datetime, columns: Replicas | None = None
) -> Count:
    """How many records match: exactly where the columns know, else counting stops at 10,000."""
    exact = None if columns is None else await columns.count(db, workspace_id, report, now=now)
    if exact is not None:
        return Count(exact, capped=False)
    number = await reports.count(db, workspace_id, report, now=now)
    return Count(min(number, COUNTED), number > COUNTED)


async def rows(db: Session, workspace_id: UUID, report: Report, found: Sequence[Place]) -> list[dict[str, Any]]:
    """What the report shows of the records at these places, as JSON by path; id and external id come first."""
    columns = (*ALWAYS[report.subject], *report.columns)
    loaded = await reports.load(db, workspace_id, report, [place.id for place in found], columns)
    people = await persons(db, workspace_id, columns, loaded.values())
    return [
        {fact.path: cell(fact, loaded[place.id][fact.path], people) for fact in columns}
        for place in found
        if place.id in loaded
    ]


async def persons(
    db: Session, workspace_id: UUID, columns: Sequence[Fact], loaded: Iterable[Mapping[str, Any]]
) -> Mapping[UUID, Any]:
    """The members these rows name."""
    paths = [fact.path for fact in columns if fact.type is Type.PERSON]
    wanted = {row[path] for row in loaded for path in paths if row[path] is not None}
    return await facts.members(db, workspace_id, wanted)


def cell(fact: Fact, value: Any, people: Mapping[UUID, Any]) -> Any:
    """A value as JSON: people with name and address, ids with their prefix, a trait as it is stored."""
    if fact.key is not None or value is None:
        return value
    if fact.type is Type.PERSON and value in people:
        person = people[value]
        return {"id": ids.show("mem", value), "name": person.name, "email": person.email}
    return shown(value, fact)
