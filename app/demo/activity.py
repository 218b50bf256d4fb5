"""What the people of the demo story do, day by day: they work on weekdays, in office hours, at their account's pace."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from app.demo.cast import Firm, Person
from app.demo.words import ACTIONS, DAY_BEGINS

RHYTHM: Final = (1.0, 1.05, 1.05, 1.0, 0.85, 0.12, 0.08)  # Monday to Sunday
MOST_A_DAY: Final = 3
RECENTLY: Final = (1.0, 5.5 * 24)
"""Hours ago that an owner who has not gone quiet was seen last, at most."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One event of the story."""

    at: datetime
    person: Person
    name: str
    properties: dict[str, object]


def deeds(rng: Random, firm: Firm, anchor: datetime) -> Iterator[Deed]:
    """Everything that happens at an account, none of it after `anchor`."""
    for person in (*firm.people, *firm.guests):
        yield from _life(rng, firm, person)
    for owner in firm.owners:
        recently = anchor - timedelta(hours=rng.uniform(*RECENTLY))
        yield Deed(owner.until if owner.until < anchor else max(recently, owner.joined_at), owner, DAY_BEGINS, {})
        yield from _letters(rng, owner)


def _life(rng: Random, firm: Firm, person: Person) -> Iterator[Deed]:
    span = max((firm.until - firm.joined_at) / timedelta(days=1), 1.0)
    early, late = firm.plot.pace
    day = person.joined_at
    while day < person.until:
        age = (day - firm.joined_at) / timedelta(days=1) / span
        pace = early + (late - early) * age
        if rng.random() < person.engagement * pace * RHYTHM[day.weekday()]:
            yield from _day(rng, firm, person, day)
        day += timedelta(days=1)


def _day(rng: Random, firm: Firm, person: Person, day: datetime) -> Iterator[Deed]:
    at = day.replace(hour=7, minute=0, second=0, microsecond=0) + timedelta(minutes=rng.randint(0, 240))
    name = DAY_BEGINS
    for _ in range(rng.randint(1, MOST_A_DAY)):
        if person.joined_at <= at <= person.until:
            yield Deed(at, person, name, _properties(rng, name, firm))
        at += timedelta(minutes=rng.expovariate(1 / 50) + 1)
        name = rng.choice(ACTIONS)


def _properties(rng: Random, name: str, firm: Firm) -> dict[str, object]:
    if name == "Report Exported":
        return {"format": rng.choice(("pdf", "csv", "xlsx")), "rows": rng.randint(10, 4000)}
    if name == DAY_BEGINS:
        return {"plan": firm.plan, "device": rng.choice(("web", "web", "web", "phone"))}
    return {}


def _letters(rng: Random, owner: Person) -> Iterator[Deed]:
    """Every few weeks we write to the owner, who mostly answers within two days."""
    at = owner.joined_at + timedelta(days=rng.uniform(1, 10))
    while at < owner.until:
        yield Deed(at, owner, "$message.sent", {})
        answered = at + timedelta(hours=rng.uniform(0.5, 48))
        if rng.random() < 0.7 and answered < owner.until:
            yield Deed(answered, owner, "$message.received", {})
        at += timedelta(days=rng.uniform(12, 40))
