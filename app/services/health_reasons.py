"""Why a record's health is what it is: every score, every condition and what it sees, every point and weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.db import facts, health_scores
from app.db.base import Session, unveiled
from app.domain import ids
from app.domain.fields import Fact, Subject
from app.domain.filters import Outcome
from app.domain.filters.text import render_text
from app.domain.health import POINTS, Condition, Result, State, health, label
from app.domain.why import Why
from app.services.health import NOTHING, Scored, needs, ready, saw, weigh

PATHS: Final = ("health", "healthLabel", "healthScores.", "healthLabels.")
OVERALL: Final = (
    "The weighted average of the health scores that have a value; the weight of those that have none is left to them."
)
MEAN: Final = (
    "The mean of its conditions: healthy counts 10, concerning 5, poor 0, of several the worst. Conditions of which no "
    "filter holds are left out."
)
LABEL: Final = "Healthy from 6.67, concerning from 3.33, poor below."


@dataclass(frozen=True, slots=True)
class Line:
    """A condition explained. `share` is its part of the score, `effective` that once the silent ones are left out."""

    condition: Condition
    seen: Sequence[Outcome]
    state: State | None
    share: Decimal
    effective: Decimal
    texts: Mapping[State, str]

    @property
    def points(self) -> int | None:
        """None: it is left out."""
        return None if self.state is None else POINTS[self.state]


@dataclass(frozen=True, slots=True)
class Entry:
    """A score explained. `share` is its part of the health, `effective` that once those without value are left out."""

    result: Result
    share: Decimal
    effective: Decimal
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The health of a record as of now, and as it was evaluated last."""

    entries: Sequence[Entry]
    health: Decimal | None
    evaluated: Decimal | None
    at: datetime


async def explain(db: Session, workspace_id: UUID, subject: Subject, record_id: UUID, *, now: datetime) -> Breakdown:
    """Judge a record now and say how. What holds is asked as evaluation asks it; values are what the caller may see."""
    live = await health_scores.live(db, workspace_id, subject)
    scores = [score for row in live if (score := ready(row)) is not None]
    async with unveiled(db):
        found = await weigh(db, workspace_id, subject, [record_id], scores, now=now)
    if not found:  # never evaluated yet
        return Breakdown([], None, None, now)
    entries = await _entries(db, workspace_id, subject, found[0], now)
    return Breakdown(entries, health(found[0].results), found[0].standing.health, now)


async def _entries(db: Session, workspace_id: UUID, subject: Subject, one: Scored, now: datetime) -> list[Entry]:
    needed = {need for result in one.results for need in needs(result.part.conditions)}
    loaded = await facts.load(db, workspace_id, [one.standing.id], needed, subject, now=now) if needed else {}
    seen = loaded.get(one.standing.id, NOTHING)
    everything = sum((result.part.weight for result in one.results), Decimal(0))
    having = sum((result.part.weight for result in one.results if result.value is not None), Decimal(0))
    return [
        Entry(
            result,
            share=_part(result.part.weight, everything),
            effective=_part(result.part.weight, having) if result.value is not None else Decimal(0),
            lines=_lines(result, seen, subject, now),
        )
        for result in one.results
    ]


def _lines(result: Result, seen: Mapping[str, Any], subject: Subject, now: datetime) -> list[Line]:
    share = _part(Decimal(1), Decimal(len(result.states)))
    effective = _part(Decimal(1), Decimal(result.counted))
    return [
        Line(
            condition=condition,
            seen=saw(condition, seen, now),
            state=state,
            share=share,
            effective=Decimal(0) if state is None else effective,
            texts={one: render_text(source, subject) for one, source in condition.sources.items()},
        )
        for condition, state in zip(result.part.conditions, result.states, strict=True)
    ]


def _part(one: Decimal, of: Decimal) -> Decimal:
    return round(one / of, 4) if of else Decimal(0)


async def of_record(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """Why health, a score or a label of an account or an organization is what it is."""
    subject = Subject.ORGANIZATIONS if fact.table == "organization_facts" else Subject.ACCOUNTS
    found = await explain(db, workspace_id, subject, record_id, now=now)
    named = fact.path.removeprefix("health")
    rule = f"{LABEL} " if named.startswith("Label") else ""
    if fact.slot is None:
        return Why(None, rule + OVERALL, [_told(one) for one in found.entries])
    entry = next((one for one in found.entries if one.result.score.slug == fact.slot), None)
    if entry is None:
        return Why(None, "There is no health score of this name for the record.")
    segment_id = entry.result.part.segment_id
    source = None if segment_id is None else ids.show("seg", segment_id)
    return Why(None, rule + MEAN, [_line_told(line) for line in entry.lines], source=source)


def _told(entry: Entry) -> Mapping[str, Any]:
    name = label(entry.result.value)
    return {
        "score": entry.result.score.slug,
        "name": entry.result.score.name,
        "value": entry.result.value,
        "label": None if name is None else name.value,
        "weight": entry.result.part.weight,
        "share": entry.share,
        "effectiveShare": entry.effective,
    }


def _saw(seen: Sequence[Outcome]) -> Mapping[str, Any]:
    """By what was looked at: events by their name, and what is looked at once more with a number."""
    found: dict[str, Any] = {}
    for one in seen:
        name = one.label if one.field == "event" else one.field
        again = sum(known == name or known.startswith(f"{name} (") for known in found)
        found[f"{name} ({again + 1})" if again else name] = one.saw
    return found


def _line_told(line: Line) -> Mapping[str, Any]:
    return {
        "condition": line.condition.name,
        "saw": _saw(line.seen),
        "state": None if line.state is None else line.state.value,
        "points": line.points,
        "filter": None if line.state is None else line.texts[line.state],
        "share": line.share,
        "effectiveShare": line.effective,
    }
