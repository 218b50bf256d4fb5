"""Reading and changing lifecycle rules, and showing who would move before a change is made."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import lifecycle, records, trait_map, verdicts
from app.db.base import Session
from app.db.verdicts import Verdict
from app.domain.fields import Subject
from app.domain.filters.presence import surely
from app.domain.lifecycle import Status
from app.domain.lifecycle_rules import Name, Rules, read
from app.services import audit, reprocessing, watching
from app.services.lifecycle import Weighed, has_moved, weigh_one

CAUSE: Final = "lifecycle"
SLICE: Final = 1_000
MOST_RECORDS: Final = 20_000
EMPTY: Final[Mapping[str, Any]] = {
    "track": None,
    "subscribed": None,
    "trial": None,
    "churned": None,
    "keepMrrWhenChurned": True,
}

Move = tuple[Status, Status, bool]
"""From which status to which, and whether that is an unconverted trial."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The rules in force; with the reprocessing that a change of them has started. Version 0: there were never any."""

    rules: Mapping[str, Any]
    version: int = 0
    updated_at: datetime | None = None
    updated_by: str | None = None
    reprocessing: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Preview:
    """What rules would do. `partial`: only the records known longest were looked at.

    `matching` counts the records that meet each condition, `lacking` those of them that do so only because a value is
    missing.
    """

    total: int = 0
    looked_at: int = 0
    moves: Counter[Move] = field(default_factory=Counter)
    examples: dict[Move, list[Weighed]] = field(default_factory=dict)
    matching: Counter[Name] = field(default_factory=Counter)
    lacking: Counter[Name] = field(default_factory=Counter)

    @property
    def partial(self) -> bool:
        """Whether there are more records than were looked at."""
        return self.looked_at < self.total

    def count(self, one: Weighed, most: int) -> None:
        """Add a record that was weighed; the first few of each move are kept as examples."""
        if not has_moved(one):
            return
        move = (one.standing.status, one.decision.status, one.decision.unconverted)
        self.moves[move] += 1
        examples = self.examples.setdefault(move, [])
        if len(examples) < most:
            examples.append(one)


async def show(db: Session, workspace_id: UUID, subject: Subject) -> Shown:
    """The rules of a subject in force."""
    found = await lifecycle.rules(db, workspace_id, subject)
    return Shown(EMPTY) if found is None else Shown(**found)


async def change(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    written: Mapping[str, Any],
    *,
    reprocess: bool,
    by: str | None,
    now: datetime,
) -> Shown:
    """Replace the rules of a subject. Records follow when they are next evaluated, or all of them with `reprocess`.

    Raises `InvalidFilter`, `UnusableRules`.
    """
    wanted = read(written, subject)
    if subject is Subject.USERS:
        await records.watch_users(db, workspace_id)
    await watching.attend(db, workspace_id, subject, wanted.trees.values())
    await trait_map.lock(db, workspace_id)
    old = await show(db, workspace_id, subject)
    if old.rules != written:
        audit.add(db, before=dict(old.rules))
        await lifecycle.write_rules(db, workspace_id, subject, written, by=by, now=now)
    if not reprocess:
        return await show(db, workspace_id, subject)
    started = await reprocessing.start(db, workspace_id, CAUSE, now=now, subject=subject)
    new = await show(db, workspace_id, subject)
    going = await reprocessing.show(db, workspace_id, started)
    return Shown(new.rules, new.version, new.updated_at, new.updated_by, going)


async def preview(
    db: Session, workspace_id: UUID, subject: Subject, written: Mapping[str, Any], *, examples: int, now: datetime
) -> Preview:
    """Decide the status of every record under these rules, storing nothing.

    The rule is the one that evaluation follows. Looks at `MOST_RECORDS` records at most, in slices. Raises
    `InvalidFilter`, `UnusableRules`.
    """
    rules = read(written, subject)
    mapped, _ = await trait_map.read(db, workspace_id, subject)
    found = Preview(total=await records.count(db, workspace_id, subject))
    after: UUID | None = None
    while found.looked_at < MOST_RECORDS:
        part = await records.slice_after(db, workspace_id, subject, after, SLICE)
        standings = await lifecycle.standings(db, workspace_id, subject, part, mapped)
        answers = await _ask(db, workspace_id, subject, part, rules, now)
        for standing in standings:
            found.count(weigh_one(subject, standing, rules, answers.get(standing.id), now), examples)
        _count_matches(found, rules, list(answers.values()))
        found.looked_at += len(part)
        if len(part) < SLICE:
            break
        after = part[-1]
    found.total = max(found.total, found.looked_at)
    return found


async def _ask(
    db: Session, workspace_id: UUID, subject: Subject, part: Sequence[UUID], rules: Rules, now: datetime
) -> dict[UUID, Verdict]:
    """The conditions, then each of them as it reads where missing values never count."""
    trees = [*rules.trees.values(), *(surely(tree) for tree in rules.trees.values())]
    asked = await verdicts.ask(db, workspace_id, subject, part, trees, now) if trees and part else []
    return {one.record_id: one for one in asked}


def _count_matches(found: Preview, rules: Rules, answers: Sequence[Verdict]) -> None:
    for ix, name in enumerate(rules.trees):
        holding = [one for one in answers if ix in one.holding]
        found.matching[name] += len(holding)
        found.lacking[name] += sum(1 for one in holding if ix + len(rules.trees) not in one.holding)
