"""What answers come to: scores of everybody, of a view, of one account or organization; and by month."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import nps
from app.db.base import Session
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.domain.nps import Month, Tally, trend
from app.domain.reports import Asked
from app.services import accounts, organizations, reports

FINDERS: Final = {Subject.ACCOUNTS: accounts.find, Subject.ORGANIZATIONS: organizations.find}


@dataclass(frozen=True, slots=True)
class Figures:
    """A score and how it came about."""

    tally: Tally
    trend: Sequence[Month]


@dataclass(frozen=True, slots=True)
class Limits:
    """Which answers count: of one survey, from an instant, before another; and how many months to tell."""

    survey: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    months: int = 12


async def of_everybody(db: Session, workspace_id: UUID, limits: Limits, *, now: datetime) -> Figures:
    """The score of all users there are."""
    return await _figures(db, workspace_id, None, limits, now=now)


async def of_record(
    db: Session, workspace_id: UUID, subject: Subject, ref: str, limits: Limits, *, now: datetime
) -> Figures:
    """The score of one account or organization, of the answers as they are now. Raises NotFound."""
    record_id = await FINDERS[subject](db, workspace_id, ref)
    return await _figures(db, workspace_id, nps.people_of(workspace_id, subject, record_id), limits, now=now)


async def of_report(
    db: Session, caller: Caller, subject: Subject, asked: Asked, limits: Limits, *, now: datetime
) -> Figures:
    """The score of the users a filter or view is about. Raises what `reports.understood` raises."""
    report = reports.understood(caller, subject, asked)
    whose = nps.people(caller.workspace_id, report, now)
    return await _figures(db, caller.workspace_id, whose, limits, now=now)


async def _figures(db: Session, workspace_id: UUID, whose: Any, limits: Limits, *, now: datetime) -> Figures:
    found = await nps.tally(db, workspace_id, whose, survey=limits.survey, since=limits.since, until=limits.until)
    tally = Tally(found["promoters"], found["passives"], found["detractors"], found["last_at"])
    if not limits.months:
        return Figures(tally, ())
    moves = await nps.months(db, workspace_id, whose, survey=limits.survey)
    return Figures(tally, trend(moves, now.date(), limits.months))
