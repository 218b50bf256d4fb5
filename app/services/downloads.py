"""All rows of a report, for a file: read through a cursor, as of one moment, and never more than agreed."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from app.db import reports
from app.db.base import Session
from app.domain.downloads import Cell, TooManyRows, cell
from app.domain.reports import Report
from app.services.reports import persons


async def rows(
    db: Session, workspace_id: UUID, report: Report, *, now: datetime, most: int
) -> AsyncIterator[Sequence[Sequence[Cell]]]:
    """The report's rows in its order, some at a time. For a frozen transaction. Raises `TooManyRows` before the first.

    Nothing is left out: whoever gets to the end has all of them.
    """
    await reports.allow_time(db, workspace_id)
    if await reports.count(db, workspace_id, report, now=now, most=most) > most:
        raise TooManyRows(
            f"A file has at most {most:,} rows: narrow the filter, or page through the report.", most=most
        )
    yield []
    async for places in reports.walk(db, workspace_id, report, now=now):
        loaded = await reports.load(db, workspace_id, report, [place.id for place in places], report.columns)
        people = await persons(db, workspace_id, report.columns, loaded.values())
        yield [[cell(fact, loaded[place.id][fact.path], people) for fact in report.columns] for place in places]
