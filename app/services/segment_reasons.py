"""Why a record is in a segment, or is not: its links, what was decided by hand, and what each condition sees now."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import facts, segment_reads, segments
from app.db.base import Session
from app.domain import ids
from app.domain.fields import Fact, Subject, subject_of
from app.domain.filters import InvalidFilter, Tree, explain
from app.domain.indicators import record
from app.domain.segments import Membership, understand
from app.domain.why import Why

RULE: Final = (
    "A record is in a segment as long as one of its links counts: those made by hand always do, others unless somebody "
    "removed the record by hand."
)
AT_ONCE: Final = 500  # facts in one statement

Seen = Sequence[Mapping[str, Any]]


async def of_record(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """Every segment the record is in or was removed from by hand, with its links and what its conditions see."""
    found = await segment_reads.memberships(db, workspace_id, segments=None, records=[record_id])
    named = await segments.some(db, workspace_id, [segment_id for segment_id, _ in found])
    seen = await conditions(db, workspace_id, subject_of(fact), record_id, named, now=now)
    inputs = [_input(row, found[(row["id"], record_id)], seen.get(row["id"])) for row in named]
    since = max((one.since for one in found.values() if one.member and one.since is not None), default=None)
    return Why(None, RULE, inputs, since)


async def conditions(
    db: Session,
    workspace_id: UUID,
    subject: Subject,
    record_id: UUID,
    named: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
) -> Mapping[UUID, Seen]:
    """What each condition of these segments' filters sees of a record now; nothing of segments without a filter, or
    with one of another release."""
    trees = {row["id"]: tree for row in named if (tree := _tree(row["filter"], subject)) is not None}
    needed = list(dict.fromkeys(need for tree in trees.values() for need in facts.needs(tree)))
    seen: dict[str, Any] = {"traits": {}, "found": {}}
    for first in range(0, len(needed), AT_ONCE):
        part = needed[first : first + AT_ONCE]
        loaded = await facts.load(db, workspace_id, [record_id], part, subject, now=now)
        for name, value in loaded.get(record_id, {}).items():
            seen[name] = {**seen[name], **value} if name in {"traits", "found"} else value
    return {segment_id: record(explain(tree, seen, now)) for segment_id, tree in trees.items()}


def _tree(source: Mapping[str, Any] | None, subject: Subject) -> Tree | None:
    try:
        return None if source is None else understand(source, subject)
    except InvalidFilter:
        return None


def _input(row: Mapping[str, Any], found: Membership, seen: Seen | None) -> Mapping[str, Any]:
    out = found.exclusion
    return {
        "segment": ids.show("seg", row["id"]),
        "name": row["name"],
        "member": found.member,
        "state": found.state.value,
        "since": found.since,
        "sources": [
            {"source": link.source, "since": link.added_at, "heldBack": link.source in found.held_back}
            for link in found.links
        ],
        "excluded": out and {"since": out.excluded_at, "by": out.excluded_by, "holdsBack": out.sources},
        "conditions": seen,
    }
