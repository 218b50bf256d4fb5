"""Trying a health score before it is saved: what every record would come to, and whose label would change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import facts, health_previews, health_scores, records
from app.db.base import Session
from app.db.health_previews import Answer, Question
from app.domain.fields import Subject, find
from app.domain.health_rules import read
from app.services import health_scores as defining
from app.services.health import ready


@dataclass(frozen=True, slots=True)
class Trial:
    """A score to be tried: a new one on a subject, or (`score`) other rules for one there is.

    With a `sample`, about as many records are looked at, spread evenly over all.
    """

    subject: Subject | None
    score: str | None
    rules: Mapping[str, Any]
    examples: int
    sample: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a score would come to. `named` has external id and name of the examples."""

    subject: Subject
    answer: Answer
    one_in: int
    named: Mapping[UUID, Mapping[str, Any]]


async def preview(db: Session, workspace_id: UUID, trial: Trial, *, now: datetime) -> Preview:
    """Judge every record the caller sees by these rules, storing nothing; before is what was evaluated last.

    Raises `UnknownHealthScore`, `UnusableHealthScore`, `TooManyHealthScores`, `PreviewTooSlow`.
    """
    known = None if trial.score is None else await defining.show(db, workspace_id, trial.score)
    subject = trial.subject or Subject.ACCOUNTS if known is None else Subject(known["subject"])
    rules = read({"weight": 1, **(known["rules"] if known else {}), **trial.rules}, subject)
    live = [row for row in await health_scores.live(db, workspace_id) if known is None or row["id"] != known["id"]]
    await defining.check(db, workspace_id, subject, rules, live)
    question = Question(
        subject=subject,
        parts=rules.parts,
        slug=None if known is None else known["slug"],
        others=[score for row in live if row["subject"] == subject and (score := ready(row)) is not None],
        examples=trial.examples,
        one_in=await _one_in(db, workspace_id, subject, trial.sample),
    )
    answer = await health_previews.ask(db, workspace_id, question, now=now)
    shown = [record_id for record_id, _ in answer.examples]
    return Preview(subject, answer, question.one_in, await _names(db, workspace_id, subject, shown))


async def _one_in(db: Session, workspace_id: UUID, subject: Subject, sample: int | None) -> int:
    if sample is None:
        return 1
    return max(1, round(await records.count(db, workspace_id, subject) / sample))


async def _names(
    db: Session, workspace_id: UUID, subject: Subject, shown: Sequence[UUID]
) -> Mapping[UUID, Mapping[str, Any]]:
    return await facts.load(db, workspace_id, shown, [find("externalId", subject), find("name", subject)], subject)
