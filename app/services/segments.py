"""Defining segments; a changed rule is applied to every record of its subject, in the background."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import health_scores, segments
from app.db.base import Session, unveiled
from app.domain import ids
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.domain.reports import Asked
from app.domain.segments import (
    MOST_SEGMENTS,
    SegmentArchived,
    SegmentDecidesHealth,
    SegmentExists,
    TooManySegments,
    UnknownSegment,
    asks_about_health,
    condition,
    understand,
)
from app.services import audit, reports, reprocessing, watching
from app.services.health import understood as understood_rules
from app.services.reports import Count
from app.services.segmenting import judge, set_links, set_members

__all__ = ["judge", "set_links", "set_members"]

CAUSE: Final = "segment"
SAMPLE: Final = 10


@dataclass(frozen=True, slots=True)
class Definition:
    """A segment as someone writes it; without a filter, members come by hand and from automations only."""

    subject: Subject
    name: str
    description: str | None = None
    color: str | None = None
    filter: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a filter would match now."""

    count: Count
    sample: Sequence[Mapping[str, Any]]


async def create(db: Session, workspace_id: UUID, new: Definition, *, now: datetime) -> Mapping[str, Any]:
    """Add a segment; with a filter, look at every record of its subject.

    Raises `InvalidFilter`, `EmptySegmentFilter`, `SegmentExists`, `TooManySegments`.
    """
    if new.filter is not None:
        condition(new.filter, new.subject)
    await segments.lock_definitions(db, workspace_id)
    names = await segments.live_names(db, workspace_id, new.subject)
    if len(names) >= MOST_SEGMENTS:
        raise TooManySegments(f"There are at most {MOST_SEGMENTS} segments of {new.subject}: archive one first.")
    await _check_name(db, workspace_id, new.name, names.values())
    segment_id = ids.new_id()
    values = {
        "id": segment_id,
        "subject": new.subject.value,
        "name": new.name,
        "description": new.description,
        "color": new.color,
        "filter": new.filter,
        "created_at": now,
        "updated_at": now,
    }
    await segments.insert_new(db, workspace_id, values)
    started = None if new.filter is None else await _apply(db, workspace_id, new.subject, new.filter, now=now)
    return {**await show(db, workspace_id, segment_id), "reprocessing": started}


async def change(
    db: Session, workspace_id: UUID, segment_id: UUID | None, wanted: Mapping[str, Any], *, now: datetime
) -> Mapping[str, Any]:
    """Change some of name, description, color and filter; records are looked at again where it matters.

    Taking the filter away ends what the rule made; who was added by hand stays. Raises `UnknownSegment`,
    `SegmentArchived`, `SegmentDecidesHealth` and what `create` raises.
    """
    await segments.lock_definitions(db, workspace_id)
    known = await show(db, workspace_id, segment_id, lock=True)
    if known["archived_at"] is not None:
        raise SegmentArchived("An archived segment stays as it is; make a new one.")
    subject = Subject(known["subject"])
    values = {key: value for key, value in wanted.items() if known[key] != value}
    if values.get("filter") is not None and asks_about_health(condition(values["filter"], subject)):
        await _check_unnamed(db, workspace_id, known)
    if "name" in values:
        names = await segments.live_names(db, workspace_id, subject)
        others = [name for id_, name in names.items() if id_ != known["id"]]
        await _check_name(db, workspace_id, values["name"], others)
    if not values:
        return {**known, "reprocessing": None}
    audit.add(db, before={key: known[key] for key in values})
    await segments.change(db, workspace_id, known["id"], {**values, "updated_at": now})
    started = await _apply(db, workspace_id, subject, values["filter"], now=now) if "filter" in values else None
    return {**await show(db, workspace_id, known["id"]), "reprocessing": started}


async def archive(db: Session, workspace_id: UUID, segment_id: UUID | None, *, now: datetime) -> None:
    """Retire a segment; everybody leaves it, which its history shows. Safe to repeat. Raises `UnknownSegment`."""
    known = await show(db, workspace_id, segment_id, lock=True)
    if known["archived_at"] is None:
        await segments.change(db, workspace_id, known["id"], {"archived_at": now, "updated_at": now})
        await _apply(db, workspace_id, Subject(known["subject"]), None, now=now)


async def show(db: Session, workspace_id: UUID, segment_id: UUID | None, *, lock: bool = False) -> Mapping[str, Any]:
    """One segment, archived or not. Raises `UnknownSegment`."""
    found = None if segment_id is None else await segments.one(db, workspace_id, segment_id, lock=lock)
    if found is None:
        raise UnknownSegment("No segment has this id.")
    return found


async def page(
    db: Session, workspace_id: UUID, *, subject: Subject | None, after: UUID | None, limit: int, archived: bool
) -> Sequence[Mapping[str, Any]]:
    """Segments in the order they were made."""
    return await segments.page(db, workspace_id, subject=subject, after=after, limit=limit, archived=archived)


async def preview(
    db: Session, caller: Caller, subject: Subject, source: Mapping[str, Any], *, now: datetime
) -> Preview:
    """How many records a filter matches now, of those the caller may see, and the first few.

    Raises `InvalidFilter`, `EmptySegmentFilter`.
    """
    condition(source, subject)
    report = reports.understood(caller, subject, Asked(columns=("name",), filter=source))
    found, _ = await reports.places(db, caller.workspace_id, report, after=None, now=now, limit=SAMPLE)
    counted = await reports.count(db, caller.workspace_id, report, now=now)
    return Preview(counted, await reports.rows(db, caller.workspace_id, report, found))


async def _check_name(db: Session, workspace_id: UUID, name: str, others: Collection[str]) -> None:
    if await segments.folded(db, workspace_id, name) in others:
        raise SegmentExists("A segment of this subject has this name already; upper and lower case are the same.")


async def _check_unnamed(db: Session, workspace_id: UUID, segment: Mapping[str, Any]) -> None:
    """Health is decided before segments that ask about it: none of those can decide health."""
    naming = [
        row["name"]
        for row in await health_scores.live(db, workspace_id)
        if (rules := understood_rules(row["rules"], Subject(row["subject"]))) and segment["id"] in rules.named
    ]
    if naming:
        raise SegmentDecidesHealth(
            f"Health goes by this segment ({', '.join(naming)}), so it cannot ask about health: make another segment "
            "for that, or take this one out of the health scores first.",
            healthScores=naming,
        )


async def _apply(
    db: Session, workspace_id: UUID, subject: Subject, source: Mapping[str, Any] | None, *, now: datetime
) -> UUID:
    """Promise to look at every record of a subject because of its segments."""
    if source is not None:
        await watching.attend(db, workspace_id, subject, [understand(source, subject)])
    async with unveiled(db):
        return await reprocessing.start(db, workspace_id, CAUSE, now=now, subject=subject)
