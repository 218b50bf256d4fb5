"""Reading segments: who is in one and why, which ones a record is in, what happened, and key figures.

Members of data-access groups see what those let them see, in counts and sums too: the database itself hides the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Self
from uuid import UUID

from app.db import segment_reads, segments
from app.db.base import Session
from app.db.segment_reads import Asked
from app.domain import ids
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.domain.reports import COUNTED
from app.domain.segments import Membership, Outcome, State
from app.services import accounts, organizations, segment_reasons, users
from app.services.reports import Count
from app.services.segmenting import set_members
from app.services.segments import show

DIRECTORIES: Final = {
    Subject.ACCOUNTS: accounts.find,
    Subject.USERS: users.find,
    Subject.ORGANIZATIONS: organizations.find,
}
PREFIXES: Final = {Subject.ACCOUNTS: "acc", Subject.USERS: "usr", Subject.ORGANIZATIONS: "org"}
NOTHING: Final = Membership((), None, None)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hand:
    """Whose hand decides: a person of the team (`manual`) or a program (`api`), and who it is for the record."""

    source: str
    by: str

    @classmethod
    def of(cls, caller: Caller) -> Self:
        """The hand of whoever calls."""
        return cls("api" if caller.member_id is None else "manual", caller.actor)


@dataclass(frozen=True, slots=True)
class Figures:
    """Key figures of a segment's members, by status and in all; revenue is None for users."""

    members: int
    statuses: Sequence[Row]
    mrr: Decimal | None
    with_mrr: int | None
    quiet: int
    never_seen: int
    entered: int
    left: int


async def page(
    db: Session, workspace_id: UUID, segment_id: UUID | None, *, excluded: bool, after: UUID | None, limit: int
) -> tuple[Subject, Sequence[Row]]:
    """Members in the order of their ids, each with its `membership`; or who was removed by hand.

    Raises `UnknownSegment`.
    """
    asked = await _asked(db, workspace_id, segment_id)
    read = segment_reads.excluded if excluded else segment_reads.members
    found = await read(db, workspace_id, asked, after=after, limit=limit)
    return asked.subject, await _with_membership(db, workspace_id, asked, found)


async def one(
    db: Session, workspace_id: UUID, segment_id: UUID | None, ref: str, *, now: datetime
) -> tuple[Subject, Row]:
    """One record, with its `membership` of the segment, and in `conditions` what the rule sees of it now.

    Raises `UnknownSegment`, and NotFound for the record.
    """
    segment = await show(db, workspace_id, segment_id)
    asked = Asked(segment["id"], Subject(segment["subject"]))
    record_id = await DIRECTORIES[asked.subject](db, workspace_id, ref)
    found = await segment_reads.named(db, workspace_id, asked, [record_id])
    row = (await _with_membership(db, workspace_id, asked, found))[0]
    seen = await segment_reasons.conditions(db, workspace_id, asked.subject, record_id, [segment], now=now)
    return asked.subject, {**row, "conditions": seen.get(asked.segment_id)}


async def decide(
    db: Session, workspace_id: UUID, segment_id: UUID | None, ref: str, state: State, hand: Hand, *, now: datetime
) -> tuple[Subject, Row]:
    """Include a record by hand, exclude it, or hand it back to what is automatic; the record as it is then.

    Raises `UnknownSegment`, `SegmentArchived`, and NotFound for the record.
    """
    asked = await _asked(db, workspace_id, segment_id)
    record_id = await DIRECTORIES[asked.subject](db, workspace_id, ref)
    await set_members(db, workspace_id, segment_id, {record_id: state}, source=hand.source, by=hand.by, now=now)
    return await one(db, workspace_id, segment_id, ref, now=now)


async def decide_many(
    db: Session,
    workspace_id: UUID,
    segment_id: UUID | None,
    wanted: Sequence[tuple[str, State]],
    hand: Hand,
    *,
    now: datetime,
) -> tuple[Subject, Sequence[tuple[str, UUID | None, Outcome | None]]]:
    """The same for many: each with its id and outcome, or None for one that is unknown.

    Of two that name one record the later counts. Raises `UnknownSegment`, `SegmentArchived`.
    """
    asked = await _asked(db, workspace_id, segment_id)
    refs = {ref: ids.read(PREFIXES[asked.subject], ref) for ref, _ in wanted}
    known = await segment_reads.resolve(db, workspace_id, asked.subject, refs)
    states = {known[ref]: state for ref, state in wanted if ref in known}
    outcomes = await set_members(db, workspace_id, segment_id, states, source=hand.source, by=hand.by, now=now)
    found = {ref: outcomes.get(id_) for ref, id_ in known.items()}
    return asked.subject, [(ref, known.get(ref), found.get(ref)) for ref, _ in wanted]


async def history(
    db: Session,
    workspace_id: UUID,
    segment_id: UUID | None,
    ref: str | None,
    *,
    before: tuple[datetime, int] | None,
    limit: int,
) -> tuple[Subject, Sequence[Row]]:
    """Who entered and left, the newest first; of one record, where one is named.

    Raises `UnknownSegment`, and NotFound for the record.
    """
    asked = await _asked(db, workspace_id, segment_id)
    record_id = None if ref is None else await DIRECTORIES[asked.subject](db, workspace_id, ref)
    found = await segment_reads.history(db, workspace_id, asked, record_id=record_id, before=before, limit=limit)
    return asked.subject, found


async def of_record(db: Session, workspace_id: UUID, subject: Subject, ref: str) -> Sequence[Row]:
    """The live segments a record is in or was removed from by hand, each with its `membership`, in their order.

    Raises NotFound for the record.
    """
    record_id = await DIRECTORIES[subject](db, workspace_id, ref)
    found = await segment_reads.memberships(db, workspace_id, segments=None, records=[record_id])
    named = await segments.some(db, workspace_id, [segment_id for segment_id, _ in found])
    return [{**segment, "membership": found[(segment["id"], record_id)]} for segment in named]


async def counts(db: Session, workspace_id: UUID, segment_ids: Sequence[UUID]) -> Mapping[UUID, Count]:
    """How many members these segments have; counting stops at 10,000."""
    if not segment_ids:
        return {}
    found = await segment_reads.counts(db, workspace_id, segment_ids, most=COUNTED + 1)
    return {id_: Count(min(number, COUNTED), number > COUNTED) for id_, number in found.items()}


async def figures(
    db: Session, workspace_id: UUID, segment_id: UUID | None, *, quiet_days: int, moved_days: int, now: datetime
) -> Figures:
    """Key figures of the members, from one statement. Raises `UnknownSegment`."""
    asked = await _asked(db, workspace_id, segment_id)
    quiet, moved = now - timedelta(days=quiet_days), now - timedelta(days=moved_days)
    found = await segment_reads.figures(db, workspace_id, asked, quiet_before=quiet, moved_after=moved)
    statuses = [row for row in found if row["members"] is not None]
    has_revenue = asked.subject is not Subject.USERS
    members = sum(row["members"] for row in statuses)
    return Figures(
        members=members,
        statuses=statuses,
        mrr=sum((row["mrr"] or Decimal(0) for row in statuses), Decimal(0)) if has_revenue else None,
        with_mrr=sum(row["with_mrr"] for row in statuses) if has_revenue else None,
        quiet=sum(row["quiet"] for row in statuses),
        never_seen=members - sum(row["ever_seen"] for row in statuses),
        entered=found[0]["entered"],
        left=found[0]["left"],
    )


async def _asked(db: Session, workspace_id: UUID, segment_id: UUID | None) -> Asked:
    segment = await show(db, workspace_id, segment_id)
    return Asked(segment["id"], Subject(segment["subject"]))


async def _with_membership(db: Session, workspace_id: UUID, asked: Asked, found: Sequence[Row]) -> Sequence[Row]:
    records = [row["id"] for row in found]
    known = await segment_reads.memberships(db, workspace_id, segments=[asked.segment_id], records=records)
    return [{**row, "membership": known.get((asked.segment_id, row["id"]), NOTHING)} for row in found]
