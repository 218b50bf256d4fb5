"""Who is in which segment: what rules say, what was decided by hand, and what automations add and remove."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from app.db import evaluation, marks, record_marks, records, segment_links, segments, verdicts
from app.db.base import Session, unveiled
from app.db.segment_links import Cause, Change
from app.domain.fields import Subject
from app.domain.filters import InvalidFilter, Tree
from app.domain.segments import (
    RULE,
    Outcome,
    SegmentArchived,
    State,
    UnknownSegment,
    asks_about_health,
    is_automation,
    understand,
)

HANDED_BACK: Final = "handed_back"


@dataclass(frozen=True, slots=True)
class Rule:
    """A live segment as it is judged; without a tree it has no rule, and no links of one."""

    id: UUID
    tree: Tree | None

    @property
    def is_late(self) -> bool:
        """Whether it is judged after health."""
        return self.tree is not None and asks_about_health(self.tree)


class Pass(Enum):
    """Segments that ask about health are judged after it, since health may go by all others."""

    BEFORE_HEALTH = auto()
    AFTER_HEALTH = auto()


async def judge(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_ids: Sequence[UUID],
    now: datetime,
    *,
    only: Pass | None = None,
) -> Mapping[UUID, datetime]:
    """Bring these records' membership in rule-based segments up to date; when the clock alone may next change it.

    `only` the segments whose turn it is in an evaluation; all of them unless told. The caller holds the records' facts
    locked. All rules are asked in one statement, and what differs is written in two more, however many enter. Filters
    of another release and links of other sources are left alone. Safe to repeat.
    """
    late = only is Pass.AFTER_HEALTH
    stored = await segments.to_judge(db, workspace_id, subject, late=late) if record_ids else []
    rules = [rule for rule in _rules(stored, subject) if only is None or rule.is_late is late]
    if not (rules or any(row["archived"] for row in stored)):
        return {}
    asked = [(rule.id, rule.tree) for rule in rules if rule.tree is not None]
    judged = await verdicts.ask(db, workspace_id, subject, record_ids, [tree for _, tree in asked], now)
    held = [(one.record_id, asked[ix][0]) for one in judged for ix in one.holding]
    cause = Cause(RULE, "filter_holds", "filter_no_longer_holds", now)
    moved = await segment_links.relink(db, workspace_id, record_ids, [rule.id for rule in rules], held, cause)
    if archived := [row["id"] for row in stored if row["archived"]]:
        moved += await segment_links.clear(db, workspace_id, record_ids, archived)
    if moved:
        await segment_links.settle(db, workspace_id, subject, sorted(set(moved)), cause)
    return {one.record_id: one.next_change for one in judged if one.next_change is not None}


def _rules(stored: Iterable[Mapping[str, Any]], subject: Subject) -> Iterable[Rule]:
    """Live segments whose filter this release understands, and those that have none."""
    for row in stored:
        if row["archived"]:
            continue
        if row["filter"] is None:
            yield Rule(row["id"], None)
        elif (tree := _tree(json.dumps(row["filter"]), subject)) is not None:
            yield Rule(row["id"], tree)


@lru_cache(maxsize=1024)
def _tree(source: str, subject: Subject) -> Tree | None:
    """Read once: the same segments are judged for every slice of records."""
    try:
        return understand(json.loads(source), subject)
    except InvalidFilter:
        return None


async def set_members(
    db: Session,
    workspace_id: UUID,
    segment_id: UUID | None,
    states: Mapping[UUID, State],
    *,
    source: str,
    by: str | None,
    now: datetime,
) -> Mapping[UUID, Outcome]:
    """Include records by hand, exclude them, or hand them back to what is automatic; the outcome by record.

    Records that do not exist are left out of the answer. `source` is `manual` or `api`. What depends on their segments
    is evaluated soon after. Safe to repeat. Raises `UnknownSegment`, `SegmentArchived`.
    """
    segment, existing = await _hold(db, workspace_id, segment_id, states)
    wanted = {record: states[record] for record in existing}
    changes: list[Change] = []
    await segment_links.decide(db, workspace_id, segment["id"], wanted, Cause(source, "", "", now, by))
    for state in State:
        reason = HANDED_BACK if state is State.AUTOMATIC else state.value
        part = [record for record in existing if wanted[record] is state]
        cause = Cause(source, reason, reason, now, by)
        changes += await _settle(db, workspace_id, Subject(segment["subject"]), part, cause)
    moved = {record: change for record, changed, change in changes if changed == segment["id"]}
    members = await segment_links.members_among(db, workspace_id, segment["id"], existing)
    return {record: Outcome(wanted[record], record in members, moved.get(record)) for record in existing}


async def set_links(
    db: Session,
    workspace_id: UUID,
    segment_id: UUID | None,
    record_ids: Sequence[UUID],
    *,
    linked: bool,
    source: str,
    now: datetime,
) -> Sequence[UUID]:
    """Add an automation's own link to these records, or remove it; those that entered or left by it.

    Records removed by hand do not come back, and those added by hand or linked by others stay. `source` is
    `playbook:` and 32 hex digits. Safe to repeat. Raises `UnknownSegment`, `SegmentArchived`.
    """
    if not is_automation(source):
        raise ValueError(source)
    segment, existing = await _hold(db, workspace_id, segment_id, record_ids)
    held = [(record, segment["id"]) for record in existing] if linked else []
    cause = Cause(source, "linked", "unlinked", now)
    moved = await segment_links.relink(db, workspace_id, existing, [segment["id"]], held, cause)
    changes = await _settle(db, workspace_id, Subject(segment["subject"]), sorted(moved), cause)
    return [record for record, changed, _ in changes if changed == segment["id"]]


async def _hold(
    db: Session, workspace_id: UUID, segment_id: UUID | None, record_ids: Iterable[UUID]
) -> tuple[Mapping[str, Any], Sequence[UUID]]:
    """The segment, and those of the records that exist, with their facts locked against evaluations."""
    found = None if segment_id is None else await segments.one(db, workspace_id, segment_id)
    if found is None:
        raise UnknownSegment("No segment has this id.")
    if found["archived_at"] is not None:
        raise SegmentArchived("Nobody enters or leaves an archived segment; make a new one.")
    subject = Subject(found["subject"])
    return found, await lock(db, workspace_id, subject, sorted(set(record_ids)))


async def lock(db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID]) -> Sequence[UUID]:
    """The records of these that exist, by id, with their facts locked until the transaction ends."""
    if not record_ids:
        return []
    if subject is Subject.ACCOUNTS:
        return await evaluation.lock_facts(db, workspace_id, record_ids)
    return await records.lock_facts(db, workspace_id, subject, record_ids)


async def _settle(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], cause: Cause
) -> Sequence[Change]:
    """What changed; those records are evaluated soon, since other rules may ask about their segments."""
    if not record_ids:
        return []
    async with unveiled(db):  # what follows of it may be more than who decides may see
        return await _carry(db, workspace_id, subject, record_ids, cause)


async def _carry(
    db: Session, workspace_id: UUID, subject: Subject, record_ids: Sequence[UUID], cause: Cause
) -> Sequence[Change]:
    changes = await segment_links.settle(db, workspace_id, subject, record_ids, cause)
    moved = sorted({record for record, _, _ in changes})
    if subject is Subject.ACCOUNTS:
        await marks.mark(db, workspace_id, moved)
    else:
        await record_marks.mark(db, workspace_id, subject, moved)
        if subject is Subject.USERS:  # an organization's accounts hear of it when it is evaluated
            await records.mark_homes(db, workspace_id, moved)
    return changes
