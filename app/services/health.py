"""Scores records whose facts are locked: writes what became of their health, and keeps a line a day of how it moved."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from app.db import facts, health, health_scores, verdicts
from app.db.base import Session
from app.db.facts import Need
from app.db.health import Day, Standing, Written
from app.domain import ids
from app.domain.errors import Rejected
from app.domain.fields import Subject
from app.domain.filters import Outcome, Tree, explain
from app.domain.health import POINTS, Condition, Holds, Result, Score, label, results
from app.domain.health import health as overall
from app.domain.health_rules import Rules, read
from app.services import segmenting
from app.services.segmenting import Pass

LONGEST_KEPT: Final = 200
"""Characters of one value in the history."""
NOTHING: Final[Mapping[str, Any]] = {"traits": {}, "found": {}}


@dataclass(frozen=True, slots=True)
class Scored:
    """A record, what each score comes to for it, and when the clock alone may change that."""

    standing: Standing
    results: Sequence[Result]
    next_change: datetime | None


async def between_segments(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], *, now: datetime
) -> Mapping[UUID, datetime]:
    """Bring segments and health of these records up to date; when the clock alone may next change either.

    Health may go by segments, and segments may ask about health: those that do are judged after it. Users have no
    health. The caller holds the records' facts locked. Safe to repeat.
    """
    if subject is Subject.USERS:
        return await segmenting.judge(db, workspace_id, subject, record_ids, now)
    first = await segmenting.judge(db, workspace_id, subject, record_ids, now, only=Pass.BEFORE_HEALTH)
    scored = await apply(db, workspace_id, subject, record_ids, now=now)
    last = await segmenting.judge(db, workspace_id, subject, record_ids, now, only=Pass.AFTER_HEALTH)
    soonest: dict[UUID, datetime] = {}
    for said in (first, scored, last):
        for record_id, at in said.items():
            soonest[record_id] = min(at, soonest.get(record_id, at))
    return soonest


async def apply(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], *, now: datetime
) -> Mapping[UUID, datetime]:
    """Bring the health of these records up to date; when the clock alone may next change it.

    The caller holds their facts locked, and has judged all segments that do not ask about health. Records that agree
    are not written. Scores of another release are left as they are. Safe to repeat.
    """
    stored = await health_scores.of_subject(db, workspace_id, subject) if record_ids else []
    if not stored:
        return {}
    scores = [score for row in stored if row["archived_at"] is None and (score := ready(row)) is not None]
    unread = {row["slug"] for row in stored if row["archived_at"] is None} - {score.slug for score in scores}
    found = await weigh(db, workspace_id, subject, record_ids, scores, now=now)
    differing = {
        one.standing.id: written for one in found if (written := _written(one, unread)) != _as_stored(one.standing)
    }
    await health.write(db, workspace_id, subject, differing)
    moved = [one for one in found if digest(one.results) != (one.standing.digest or digest(()))]
    await _keep(db, workspace_id, subject, moved, now=now)
    return {one.standing.id: one.next_change for one in found if one.next_change is not None}


def ready(row: Mapping[str, Any]) -> Score | None:
    """A stored score as it is judged; None when its rules use words this release does not know."""
    rules = understood(row["rules"], Subject(row["subject"]))
    return None if rules is None else Score(row["id"], row["slug"], row["name"], row["version"], rules.parts)


def understood(rules: Mapping[str, Any], subject: Subject) -> Rules | None:
    """Stored rules; None when they use words this release does not know."""
    return _understood(json.dumps(rules), subject)


@lru_cache(maxsize=1024)
def _understood(source: str, subject: Subject) -> Rules | None:
    """Read once: the same scores are judged for every slice of records. Another release may write another shape."""
    try:
        return read(json.loads(source), subject)
    except (Rejected, LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None


async def weigh(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    scores: Sequence[Score],
    *,
    now: datetime,
) -> list[Scored]:
    """What these scores come to for each record, in two statements for all of them; stores nothing."""
    standings = await health.standings(db, workspace_id, subject, record_ids)
    # By identity: variants share conditions, and comparing filters would cost more than judging them.
    trees = list({id(tree): tree for score in scores for tree in score.trees}.values())
    asked = await verdicts.ask(db, workspace_id, subject, record_ids, trees, now) if trees else []
    answers = {one.record_id: one for one in asked}
    found = []
    for standing in standings:
        answer = answers.get(standing.id)
        held = {id(trees[ix]) for ix in answer.holding} if answer else set()
        judged = results(scores, standing.segments, _holding(held))
        found.append(Scored(standing, judged, answer.next_change if answer else None))
    return found


def _holding(held: set[int]) -> Holds:
    def holds(tree: Tree) -> bool:
        return id(tree) in held

    return holds


def _written(one: Scored, unread: set[str]) -> Written:
    """The overall health and each score's; of scores this release cannot read what is there stays."""
    values = {result.score.slug: value for result in one.results if (value := result.value) is not None}
    names = {slug: name.value for slug, value in values.items() if (name := label(value)) is not None}
    kept = {slug: value for slug, value in one.standing.scores.items() if slug in unread}
    total = overall(one.results)
    name = label(total)
    return Written(
        total,
        None if name is None else name.value,
        {slug: float(value) for slug, value in values.items()} | kept,
        names | {slug: said for slug, said in one.standing.labels.items() if slug in unread},
    )


def _as_stored(standing: Standing) -> Written:
    return Written(standing.health, standing.label, dict(standing.scores), dict(standing.labels))


def digest(found: Sequence[Result]) -> str:
    """What must differ for a new line of history: which conditions found what, for which segment, with which weight."""
    said = "|".join(
        f"{one.score.slug} {one.part.segment_id} {one.part.weight} {','.join(state or '-' for state in one.states)}"
        for one in found
    )
    return sha256(said.encode()).hexdigest()[:32]


async def _keep(db: Session, workspace_id: UUID, subject: Subject, moved: Sequence[Scored], *, now: datetime) -> None:
    """Write today's line for these records, with the values their conditions see."""
    needed = {need for one in moved for result in one.results for need in needs(result.part.conditions)}
    records = [one.standing.id for one in moved]
    seen = await facts.load(db, workspace_id, records, needed, subject, now=now) if needed else {}
    days = [_day(one, seen.get(one.standing.id, NOTHING), now) for one in moved]
    await health.keep(db, workspace_id, subject, days, now=now)


def needs(conditions: Iterable[Condition]) -> list[Need]:
    """What must be loaded of a record to show what these conditions look at."""
    return [need for one in conditions for seen in one.sees for need in facts.needs(seen)]


def _day(one: Scored, seen: Mapping[str, Any], now: datetime) -> Day:
    total = overall(one.results)
    name = label(total)
    return Day(
        record_id=one.standing.id,
        health=total,
        label=None if name is None else name.value,
        scores={result.score.slug: _line(result) for result in one.results},
        inputs=[line for result in one.results for line in _inputs(result, seen, now)],
        digest=digest(one.results),
    )


def _line(result: Result) -> Mapping[str, Any]:
    name = label(result.value)
    segment_id = result.part.segment_id
    return {
        "id": ids.show("hsc", result.score.id),
        "name": result.score.name,
        "version": result.score.version,
        "score": result.value,
        "label": None if name is None else name.value,
        "weight": result.part.weight,
        "segment": None if segment_id is None else ids.show("seg", segment_id),
    }


def _inputs(result: Result, seen: Mapping[str, Any], now: datetime) -> list[Mapping[str, Any]]:
    """One line for each condition and each thing it looks at."""
    return [
        {
            "score": result.score.slug,
            "condition": condition.name,
            "field": one.field,
            "saw": one.saw,
            "state": None if state is None else state.value,
            "points": None if state is None else POINTS[state],
        }
        for condition, state in zip(result.part.conditions, result.states, strict=True)
        for one in saw(condition, seen, now)
    ]


def saw(condition: Condition, seen: Mapping[str, Any], now: datetime) -> list[Outcome]:
    """What a condition looks at in a record, with the values as they are shown."""
    outcomes = (outcome for one in condition.sees for outcome in explain(one, seen, now))
    return [replace(outcome, saw=brief(outcome.saw)) for outcome in outcomes]


def brief(value: Any) -> Any:
    """A value as the history and explanations show it."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if len(text) <= LONGEST_KEPT:
        return value if isinstance(value, str) else text
    return text[: LONGEST_KEPT - 1] + "…"
