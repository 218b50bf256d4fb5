"""Whether somebody may be asked by a survey now: the rules for when it shows itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final


@dataclass(frozen=True, slots=True)
class Display:
    """When a survey shows itself. `again_months`: how long after an answer, a dismissal or the last of
    `most_sessions` in which it was shown; None: never again. `gated`: only those whom a playbook lets in are asked.
    """

    minimum_age_days: int = 0
    minimum_sessions: int = 0
    most_sessions: int | None = None
    again_months: int | None = 3
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of somebody who might be asked. `shown` are the UTC days on which they saw the survey."""

    joined_at: datetime | None
    sessions: int
    answered_at: datetime | None = None
    dismissed_at: datetime | None = None
    shown: Sequence[date] = ()
    enrolled: bool = False


class Reason(StrEnum):
    """Why somebody is asked, or not."""

    DUE = "due"
    ARCHIVED = "archived"
    NOT_ENROLLED = "not_enrolled"
    TOO_YOUNG = "too_young"
    TOO_FEW_SESSIONS = "too_few_sessions"
    ANSWERED = "answered"
    DISMISSED = "dismissed"
    SHOWN_ENOUGH = "shown_enough"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether somebody is asked, why, and from when on the clock alone would let them be."""

    reason: Reason
    since: datetime | None = None

    @property
    def ask(self) -> bool:
        """Whether they are asked now."""
        return self.reason is Reason.DUE


DUE: Final = Verdict(Reason.DUE)


def may_ask(display: Display, person: Person, *, now: datetime) -> Verdict:
    """Whether somebody may be asked now: the rules in the order in which they are told."""
    if display.gated and not person.enrolled:
        return Verdict(Reason.NOT_ENROLLED)
    if display.minimum_age_days:
        grown = person.joined_at and _days_after(person.joined_at, display.minimum_age_days)
        if grown is None or now < grown:
            return Verdict(Reason.TOO_YOUNG, grown)
    if person.sessions < display.minimum_sessions:
        return Verdict(Reason.TOO_FEW_SESSIONS)
    for reason, at in _rests(display, person, now):
        again = None if display.again_months is None else months_after(at, display.again_months)
        if again is None or now < again:
            return Verdict(reason, again)
    return DUE


def _rests(display: Display, person: Person, now: datetime) -> list[tuple[Reason, datetime]]:
    """After what a survey rests, and since when; of two the later, which rests longer."""
    found: list[tuple[Reason, datetime]] = []
    if person.answered_at is not None:
        found.append((Reason.ANSWERED, person.answered_at))
    if person.dismissed_at is not None:
        found.append((Reason.DISMISSED, person.dismissed_at))
    if (enough := _shown_enough(display, person, now)) is not None:
        found.append((Reason.SHOWN_ENOUGH, enough))
    return [max(found, key=lambda one: one[1])] if found else []


def _shown_enough(display: Display, person: Person, now: datetime) -> datetime | None:
    """The last of as many sessions in a row as it may be shown in, at its end; days of an earlier round do not count.

    A round begins anew after an answer, a dismissal, or the rest that follows the last session of a round. The session
    under way is not over: the survey stays for the rest of it.
    """
    if display.most_sessions is None:
        return None
    settled = max((at for at in (person.answered_at, person.dismissed_at) if at is not None), default=None)
    since = settled and settled.date()
    count, ended = 0, None
    for day in sorted(set(person.shown)):
        if day >= now.date() or (since is not None and day <= since):
            continue
        if ended is not None and display.again_months is not None and _rested(ended, display.again_months, day):
            count, ended = 0, None
        count += 1
        if count >= display.most_sessions:
            ended = _end_of(day, now)
    return ended


def _rested(ended: datetime, months: int, day: date) -> bool:
    return day >= months_after(ended, months).date()


def _end_of(day: date, now: datetime) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=now.tzinfo) + timedelta(days=1)


def _days_after(at: datetime, days: int) -> datetime:
    try:
        return at + timedelta(days=days)
    except OverflowError:  # traits say years such as 9999
        return datetime.max.replace(tzinfo=at.tzinfo)


def months_after(at: datetime, months: int) -> datetime:
    """The same day and hour some months later; where that month is shorter, its last day."""
    place = at.year * 12 + at.month - 1 + months
    year, month = divmod(place, 12)
    if year > 9999:
        return datetime.max.replace(tzinfo=at.tzinfo)
    return at.replace(year=year, month=month + 1, day=min(at.day, _days_in(year, month + 1)))


def _days_in(year: int, month: int) -> int:
    if month == 12:
        return 31
    return (date(year, month + 1, 1) - date(year, month, 1)).days
