"""Reads of membership: who is in a segment and why, which segments a record is in, what happened, and key figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    Uuid,
    all_,
    and_,
    any_,
    bindparam,
    desc,
    func,
    or_,
    select,
    true,
    tuple_,
)

from app.db import facts, filters, grounds
from app.db.base import Session, rows
from app.domain.fields import Fact, Subject, find
from app.domain.models import Segment, SegmentChange, SegmentExclusion, SegmentLink
from app.domain.segments import BY_HAND, Exclusion, Link, Membership

_LINK, _OUT, _CHANGE = SegmentLink, SegmentExclusion, SegmentChange
LAST_SEEN: Final = {Subject.ACCOUNTS: "owner.lastSeenAt", Subject.USERS: "lastSeenAt"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A segment, and where its records are."""

    segment_id: UUID
    subject: Subject


def _members(workspace_id: UUID, segment_id: UUID | ColumnElement[UUID], after: UUID | None = None) -> Select[Any]:
    """The records of a segment in the order of their ids, which its key gives without sorting."""
    excluded = and_(
        _OUT.workspace_id == _LINK.workspace_id,
        _OUT.segment_id == _LINK.segment_id,
        _OUT.record_id == _LINK.record_id,
    )
    counts = or_(_LINK.source.in_(sorted(BY_HAND)), _OUT.record_id.is_(None), _LINK.source != all_(_OUT.sources))
    query = (
        select(_LINK.record_id)
        .outerjoin(_OUT, excluded)
        .where(_LINK.workspace_id == workspace_id, _LINK.segment_id == segment_id, counts)
        .group_by(_LINK.record_id)
        .order_by(_LINK.record_id)
    )
    return query if after is None else query.where(_LINK.record_id > after)


def _over(
    workspace_id: UUID,
    asked: Asked,
    columns: Iterable[Any],
    source: FromClause,
    record: ColumnElement[UUID],
    wanted: Iterable[Fact] = (),
) -> Select[Any]:
    """A query of the records that `source` names, beside their names and the facts it wants."""
    ground = facts.GROUNDS[asked.subject]
    start = source.join(ground.start, and_(ground.workspace == workspace_id, ground.id == record))
    return facts.joined(select(*columns).select_from(start), asked.subject, [*_names(asked.subject), *wanted])


def _names(subject: Subject) -> list[Fact]:
    return [find(path, subject) for path in ("externalId", "name")]


def _named(subject: Subject) -> list[ColumnElement[Any]]:
    external_id, name = _names(subject)
    return [filters.value(external_id).label("external_id"), filters.value(name).label("name")]


async def members(
    db: Session, workspace_id: UUID, asked: Asked, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Members in the order of their ids."""
    found = _members(workspace_id, asked.segment_id, after).subquery("m")
    columns = [found.c.record_id.label("id"), *_named(asked.subject)]
    query = _over(workspace_id, asked, columns, found, found.c.record_id)
    return rows(await db.execute(query.order_by(found.c.record_id).limit(limit)))


async def excluded(
    db: Session, workspace_id: UUID, asked: Asked, *, after: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Records that were removed by hand, in the order of their ids."""
    kept = [_OUT.workspace_id == workspace_id, _OUT.segment_id == asked.segment_id]
    if after is not None:
        kept.append(_OUT.record_id > after)
    found = select(_OUT.record_id).where(*kept).order_by(_OUT.record_id).subquery("m")
    columns = [found.c.record_id.label("id"), *_named(asked.subject)]
    query = _over(workspace_id, asked, columns, found, found.c.record_id)
    return rows(await db.execute(query.order_by(found.c.record_id).limit(limit)))


async def counts(db: Session, workspace_id: UUID, segments: Sequence[UUID], *, most: int) -> Mapping[UUID, int]:
    """How many members each of these segments has, in one statement; counting stops at `most`."""
    given = func.unnest(bindparam(None, list(segments), ARRAY(Uuid))).table_valued("id", name="g").render_derived()
    each = _members(workspace_id, given.c.id).correlate(given).limit(most).lateral("m")
    query = select(given.c.id, func.count(each.c.record_id)).select_from(given.outerjoin(each, true()))
    return {row[0]: row[1] for row in await db.execute(query.group_by(given.c.id))}


async def resolve(
    db: Session, workspace_id: UUID, subject: Subject, refs: Mapping[str, UUID | None]
) -> Mapping[str, UUID]:
    """The records behind these names: each an id of ours, where the text is one, or else an external id."""
    table = grounds.TABLES[subject.value]
    texts, ids = list(refs), [id_ for id_ in refs.values() if id_ is not None]
    query = select(table.c.id, table.c.external_id).where(
        table.c.workspace_id == workspace_id,
        or_(
            table.c.external_id == any_(bindparam(None, texts, ARRAY(Text))),
            table.c.id == any_(bindparam(None, ids, ARRAY(Uuid))),
        ),
    )
    found = (await db.execute(query)).all()
    existing, named = {row[0] for row in found}, {row[1]: row[0] for row in found}
    settled = {ref: id_ if id_ in existing else named.get(ref) for ref, id_ in refs.items()}
    return {ref: id_ for ref, id_ in settled.items() if id_ is not None}


async def named(
    db: Session, workspace_id: UUID, asked: Asked, record_ids: Sequence[UUID]
) -> Sequence[Mapping[str, Any]]:
    """Those of these records that exist, by id."""
    given = func.unnest(bindparam(None, list(record_ids), ARRAY(Uuid))).table_valued("id", name="g").render_derived()
    columns = [given.c.id, *_named(asked.subject)]
    return rows(await db.execute(_over(workspace_id, asked, columns, given, given.c.id).order_by(given.c.id)))


async def memberships(
    db: Session, workspace_id: UUID, *, segments: Iterable[UUID] | None, records: Iterable[UUID]
) -> Mapping[tuple[UUID, UUID], Membership]:
    """All there is between these records and these segments (all live ones by default), by (segment, record)."""
    wanted = sorted(set(records))
    links: dict[tuple[UUID, UUID], list[Link]] = {}
    for row in rows(await db.execute(_between(workspace_id, _LINK, segments, wanted))):
        pair = (row["segment_id"], row["record_id"])
        links.setdefault(pair, []).append(Link(row["source"], row["added_at"], row["added_by"]))
    out = {
        (row["segment_id"], row["record_id"]): Exclusion(tuple(row["sources"]), row["excluded_at"], row["excluded_by"])
        for row in rows(await db.execute(_between(workspace_id, _OUT, segments, wanted)))
    }
    entered = {
        (row["segment_id"], row["record_id"]): row["at"]
        for row in rows(await db.execute(_last_entered(workspace_id, sorted({*links, *out}))))
    }
    return {
        pair: Membership(tuple(links.get(pair, ())), out.get(pair), entered.get(pair))
        for pair in sorted({*links, *out})
    }


def _between(
    workspace_id: UUID,
    table: type[SegmentLink] | type[SegmentExclusion],
    segments: Iterable[UUID] | None,
    records: Sequence[UUID],
) -> Select[Any]:
    live = (Segment.workspace_id == table.workspace_id) & (Segment.id == table.segment_id)
    query = (
        select(*_table(table).c)
        .join(Segment, live)
        .where(
            table.workspace_id == workspace_id,
            table.record_id == any_(bindparam(None, list(records), ARRAY(Uuid))),
            Segment.archived_at.is_(None),
        )
    )
    if segments is not None:
        query = query.where(table.segment_id == any_(bindparam(None, list(segments), ARRAY(Uuid))))
    return query.order_by(*_table(table).primary_key)


def _table(model: type[SegmentLink] | type[SegmentExclusion]) -> Table:
    return cast("Table", model.__table__)


def _last_entered(workspace_id: UUID, pairs: Sequence[tuple[UUID, UUID]]) -> Select[Any]:
    """When each pair last came about: one probe of the index per pair."""
    given = (
        func.unnest(
            bindparam(None, [segment for segment, _ in pairs], ARRAY(Uuid)),
            bindparam(None, [record for _, record in pairs], ARRAY(Uuid)),
        )
        .table_valued("segment_id", "record_id", name="p")
        .render_derived()
    )
    at = (
        select(func.max(_CHANGE.at))
        .where(
            _CHANGE.workspace_id == workspace_id,
            _CHANGE.record_id == given.c.record_id,
            _CHANGE.segment_id == given.c.segment_id,
            _CHANGE.change == "entered",
        )
        .scalar_subquery()
    )
    return select(given.c.segment_id, given.c.record_id, at.label("at"))


async def history(
    db: Session,
    workspace_id: UUID,
    asked: Asked,
    *,
    record_id: UUID | None,
    before: tuple[datetime, int] | None,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """Who entered and left, the newest first; of one record, where one is named."""
    columns = [_CHANGE.id, _CHANGE.change, _CHANGE.at, _CHANGE.source, _CHANGE.reason, _CHANGE.changed_by]
    table = _CHANGE.__table__
    shown = [*columns, table.c.record_id, *_named(asked.subject)]
    query = _over(workspace_id, asked, shown, table, table.c.record_id).where(
        _CHANGE.workspace_id == workspace_id, _CHANGE.segment_id == asked.segment_id
    )
    if record_id is not None:
        query = query.where(_CHANGE.record_id == record_id)
    if before is not None:
        query = query.where(tuple_(_CHANGE.at, _CHANGE.id) < tuple_(*before))
    return rows(await db.execute(query.order_by(desc(_CHANGE.at), desc(_CHANGE.id)).limit(limit)))


async def figures(
    db: Session, workspace_id: UUID, asked: Asked, *, quiet_before: datetime, moved_after: datetime
) -> Sequence[Mapping[str, Any]]:
    """Key figures by status, each row with how many entered and left since; a row without status: nobody is in."""
    subject = asked.subject
    status, seen = find("status", subject), find(LAST_SEEN.get(subject, "lastSeenAt"), subject)
    mrr = None if subject is Subject.USERS else find("mrr", subject)
    wanted = [fact for fact in (status, seen, mrr) if fact is not None]
    found = _members(workspace_id, asked.segment_id).subquery("m")
    columns = [
        filters.value(status).label("status"),
        func.count().label("members"),
        func.count().filter(filters.value(seen) < quiet_before).label("quiet"),
        func.count(filters.value(seen)).label("ever_seen"),
    ]
    if mrr is not None:
        columns += [func.sum(filters.value(mrr)).label("mrr"), func.count(filters.value(mrr)).label("with_mrr")]
    query = _over(workspace_id, asked, columns, found, found.c.record_id, wanted)
    by_status = query.group_by(filters.value(status)).subquery("s")
    moves = (
        select(
            func.count().filter(_CHANGE.change == "entered").label("entered"),
            func.count().filter(_CHANGE.change == "left").label("left"),
        )
        .where(_CHANGE.workspace_id == workspace_id, _CHANGE.segment_id == asked.segment_id, _CHANGE.at > moved_after)
        .subquery("c")
    )
    return rows(await db.execute(select(moves, by_status).select_from(moves).outerjoin(by_status, true())))
