"""What the accounts of the demo story have connected, and what their people say of the product. The same for a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from app.demo.cast import Firm, Person

INTEGRATIONS: Final = ("billing", "calendar", "chat", "crm", "files", "sso")
CONNECTED: Final = "Integration Connected"
DISCONNECTED: Final = "Integration Disconnected"
SCORES: Final = {"growing": (8, 10), "steady": (7, 10), "trial": (7, 9), "declining": (3, 8), "churned": (0, 6)}
"""What people of a plot answer, from and to; of all others: something in the middle."""
MIDDLING: Final = (4, 9)
WORDS: Final = {
    "promoter": ("Saves us an hour a day.", "The boards keep us honest.", "I have told two friends."),
    "passive": ("Does what it should.", "Good, but slow on Mondays."),
    "detractor": ("Nobody here uses it any more.", "Too many clicks.", "We still keep a spreadsheet beside it."),
}


@dataclass(frozen=True, slots=True)
class Setup:
    """An integration that was connected, or disconnected."""

    at: datetime
    integration: str
    event: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody answered to how likely they are to recommend the product."""

    person: Person
    at: datetime
    score: int
    feedback: str


def setups(seed: int, firm: Firm) -> Iterator[Setup]:
    """Up to four integrations; those who are on their way out let go of most of theirs."""
    rng = Random(f"{seed} integrations {firm.external_id}")  # noqa: S311 - a story, not a secret
    life = firm.until - firm.joined_at
    leaving = firm.plot.name in {"declining", "churned", "trial ran out"}
    for integration in sorted(rng.sample(INTEGRATIONS, rng.choice((0, 1, 1, 2, 2, 3, 4)))):
        at = _workday(firm.joined_at + life * rng.uniform(0.02, 0.4), firm.joined_at)
        yield Setup(at, integration, CONNECTED)
        if rng.random() < (0.7 if leaving else 0.1):
            yield Setup(_workday(at + life * rng.uniform(0.2, 0.5), at), integration, DISCONNECTED)


def _workday(at: datetime, earliest: datetime) -> datetime:
    """The Friday before a weekend, unless that is too early."""
    return max(at - timedelta(days=max(0, at.weekday() - 4)), earliest)


def answers(seed: int, firm: Firm) -> Iterator[Answer]:
    """Some people of most accounts are asked once, while they use the product."""
    rng = Random(f"{seed} answers {firm.external_id}")  # noqa: S311 - a story, not a secret
    if firm.plot.status == "ignored" or rng.random() < 0.3:
        return
    for person in firm.people[: rng.choice((1, 1, 2, 3))]:
        low, high = SCORES.get(firm.plot.name, MIDDLING)
        score = rng.randint(low, high)
        at = person.joined_at + (person.until - person.joined_at) * rng.uniform(0.3, 0.9)
        yield Answer(person, at, score, rng.choice(WORDS[_group(score)]))


def _group(score: int) -> str:
    return "promoter" if score >= 9 else "passive" if score >= 7 else "detractor"
