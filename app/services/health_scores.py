"""Defining health scores; changed rules are applied to every record of their subject, in the background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import health_scores, segments
from app.db.base import Session, unveiled
from app.domain import ids
from app.domain.fields import Subject
from app.domain.filters import InvalidFilter
from app.domain.health import (
    MOST_LEAVES,
    MOST_SCORES,
    HealthScoreArchived,
    HealthScoreExists,
    TooManyHealthScores,
    UnknownHealthScore,
)
from app.domain.health_rules import Rules, read, refused
from app.domain.segments import asks_about_health, understand
from app.domain.slugs import slug_of
from app.services import audit, reprocessing, watching
from app.services.health import understood

CAUSE: Final = "health_score"
PATHS: Final = ("healthScores.", "healthLabels.")
"""How the facts of a score begin."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A health score as someone writes it; without a slug, its name makes one."""

    subject: Subject
    name: str
    slug: str | None
    description: str | None
    rules: Mapping[str, Any]


async def create(db: Session, workspace_id: UUID, new: Wanted, *, by: str | None, now: datetime) -> Mapping[str, Any]:
    """Define a score and have every record of its subject scored.

    Raises `UnusableHealthScore`, `HealthScoreExists`, `TooManyHealthScores`.
    """
    rules = read(new.rules, new.subject)
    await segments.lock_definitions(db, workspace_id)  # no segment it names comes to ask about health meanwhile
    live = await health_scores.live(db, workspace_id)
    if len(live) >= MOST_SCORES:
        raise TooManyHealthScores(f"There are at most {MOST_SCORES} health scores: archive one first.")
    slug = new.slug or slug_of(new.name, "score")
    if any(row["slug"] == slug for row in live):
        raise HealthScoreExists(f"There is a health score `{slug}`: give this one another slug.", slug=slug)
    await check(db, workspace_id, new.subject, rules, live)
    score_id = ids.new_id()
    values = {"name": new.name, "slug": slug, "description": new.description, "rules": new.rules}
    made = {"id": score_id, "subject": new.subject.value, "created_at": now, "updated_at": now}
    await health_scores.insert_new(db, workspace_id, {**made, **values})
    await health_scores.keep(db, workspace_id, score_id, 1, new.rules, by=by, now=now)
    started = await _apply(db, workspace_id, new.subject, rules, now=now)
    return {**await show(db, workspace_id, ids.show("hsc", score_id)), "reprocessing": started}


async def change(
    db: Session,
    workspace_id: UUID,
    ref: str,
    wanted: Mapping[str, Any],
    said: Mapping[str, Any],
    *,
    by: str | None,
    now: datetime,
) -> Mapping[str, Any]:
    """Change name or description, or what is `said` of the rules; other rules are a new version, applied to all.

    Raises `UnknownHealthScore`, `HealthScoreArchived` and what `create` raises.
    """
    await segments.lock_definitions(db, workspace_id)
    known = await show(db, workspace_id, ref, lock=True)
    if known["archived_at"] is not None:
        raise HealthScoreArchived("An archived health score stays as it is; make a new one.")
    values = {**wanted, "rules": {**known["rules"], **said}}
    fresh = {key: value for key, value in values.items() if known[key] != value}
    if not fresh:
        return {**known, "reprocessing": None}
    audit.add(db, before={key: known[key] for key in fresh})
    started = None
    if "rules" in fresh:
        subject, version = Subject(known["subject"]), known["version"] + 1
        rules = read(fresh["rules"], subject)
        others = [row for row in await health_scores.live(db, workspace_id) if row["id"] != known["id"]]
        await check(db, workspace_id, subject, rules, others)
        await health_scores.keep(db, workspace_id, known["id"], version, fresh["rules"], by=by, now=now)
        fresh["version"] = version
        started = await _apply(db, workspace_id, subject, rules, now=now)
    await health_scores.change(db, workspace_id, known["id"], {**fresh, "updated_at": now})
    return {**await show(db, workspace_id, ids.show("hsc", known["id"])), "reprocessing": started}


async def archive(db: Session, workspace_id: UUID, ref: str, *, now: datetime) -> None:
    """Retire a score: records lose it in the background, what it was stays known. Safe to repeat.

    Raises `UnknownHealthScore`.
    """
    await segments.lock_definitions(db, workspace_id)
    known = await show(db, workspace_id, ref, lock=True)
    if known["archived_at"] is None:
        await health_scores.change(db, workspace_id, known["id"], {"archived_at": now, "updated_at": now})
        await _apply(db, workspace_id, Subject(known["subject"]), None, now=now)


async def show(db: Session, workspace_id: UUID, ref: str, *, lock: bool = False) -> Mapping[str, Any]:
    """One score by its id, archived or not, or by the slug of a live one. Raises `UnknownHealthScore`."""
    score_id = ids.read("hsc", ref)
    if score_id is None:
        live = await health_scores.live(db, workspace_id)
        score_id = next((row["id"] for row in live if row["slug"] == ref), None)
    found = None if score_id is None else await health_scores.one(db, workspace_id, score_id, lock=lock)
    if found is None:
        raise UnknownHealthScore("No health score has this id or slug.")
    return found


async def page(
    db: Session, workspace_id: UUID, *, subject: Subject | None, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Health scores in the order they were made."""
    return await health_scores.page(db, workspace_id, subject=subject, after=after, limit=limit, archived=archived)


async def versions(
    db: Session, workspace_id: UUID, ref: str, *, before: int | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """What a score was made of, the newest version first. Raises `UnknownHealthScore`."""
    known = await show(db, workspace_id, ref)
    return await health_scores.versions(db, workspace_id, known["id"], before=before, limit=limit)


async def labels(db: Session, workspace_id: UUID, subject: Subject) -> Mapping[str, str]:
    """The names of the live scores of a subject, by slug."""
    return {row["slug"]: row["name"] for row in await health_scores.live(db, workspace_id, subject)}


async def check(
    db: Session, workspace_id: UUID, subject: Subject, rules: Rules, others: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse rules that go by what is not there or decided after health, or that are too many with those of others.

    Raises `UnusableHealthScore`, `TooManyHealthScores`.
    """
    found = {row["id"]: row for row in await segments.some(db, workspace_id, list(rules.named))}
    variants = {part.segment_id for part in rules.parts}
    for segment_id, pointer in rules.named.items():
        row = found.get(segment_id)
        if segment_id in variants and (row is None or row["archived_at"] or row["subject"] != subject):
            raise refused(pointer, f"Name a segment of {subject} that is not archived.")
        if row is not None and row["archived_at"] is None and row["filter"] is not None and _is_late(row):
            raise refused(
                pointer, f"The segment {row['name']!r} asks about health, so health cannot go by it: name another."
            )
    many = rules.leaves + sum(_leaves(row) for row in others)
    if many > MOST_LEAVES:
        raise TooManyHealthScores(
            f"The filters of all health scores hold at most {MOST_LEAVES} conditions together: archive a score first."
        )


def _is_late(segment: Mapping[str, Any]) -> bool:
    """A filter of another release is not judged at all."""
    try:
        tree = understand(segment["filter"], Subject(segment["subject"]))
    except InvalidFilter:
        return False
    return asks_about_health(tree)


def _leaves(row: Mapping[str, Any]) -> int:
    rules = understood(row["rules"], Subject(row["subject"]))
    return 0 if rules is None else rules.leaves


async def _apply(db: Session, workspace_id: UUID, subject: Subject, rules: Rules | None, *, now: datetime) -> UUID:
    """Promise to look at every record of a subject because of its scores."""
    if rules is not None:
        await watching.attend(db, workspace_id, subject, rules.trees)
    async with unveiled(db):
        return await reprocessing.start(db, workspace_id, CAUSE, now=now, subject=subject)
