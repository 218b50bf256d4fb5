"""Set-based statements that keep links, memberships and their history in step. The caller holds the records' facts.

Membership is what links and exclusions say (`domain/segments.is_member`); the array in the facts is its copy, which
every change of links brings up to date in the same transaction, with a line of history for each difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.domain.fields import Subject

FACTS: Final = {
    Subject.ACCOUNTS: ("account_facts", "account_id"),
    Subject.USERS: ("user_facts", "user_id"),
    Subject.ORGANIZATIONS: ("organization_facts", "organization_id"),
}
Change = tuple[UUID, UUID, Literal["entered", "left"]]


@dataclass(frozen=True, slots=True)
class Cause:
    """What the history says of changes: which source made them, why, and who."""

    source: str
    entered: str
    left: str
    at: datetime
    by: str | None = None


# Written so that no plan depends on how many rows are believed to be there: by key for each record, and a hashed list.
_RELINK: Final = text(
    """
with gone as (
    delete from segment_links l using (
        select k.segment_id, k.record_id
        from unnest(cast(:records as uuid[])) as r (id)
        cross join lateral (
            select o.segment_id, o.record_id from segment_links o
            where o.workspace_id = :workspace and o.record_id = r.id and o.source = :source
                and o.segment_id = any(cast(:segments as uuid[]))
            offset 0
        ) k
        where (k.record_id, k.segment_id) not in (
            select h.record_id, h.segment_id
            from unnest(cast(:record_of as uuid[]), cast(:segment_of as uuid[])) as h (record_id, segment_id))
    ) g
    where l.workspace_id = :workspace and l.segment_id = g.segment_id and l.record_id = g.record_id
        and l.source = :source
    returning l.record_id
),
made as (
    insert into segment_links (workspace_id, segment_id, record_id, source, added_at, added_by)
    select :workspace, h.segment_id, h.record_id, :source, :at, :by
    from unnest(cast(:record_of as uuid[]), cast(:segment_of as uuid[])) as h (record_id, segment_id)
    order by h.segment_id, h.record_id
    on conflict do nothing
    returning record_id
)
select record_id from gone union select record_id from made
"""
)

_CLEAR: Final = text(
    """
with unlinked as (
    delete from segment_links
    where workspace_id = :workspace and record_id = any(cast(:records as uuid[]))
        and segment_id = any(cast(:segments as uuid[]))
    returning record_id
),
readmitted as (
    delete from segment_exclusions
    where workspace_id = :workspace and record_id = any(cast(:records as uuid[]))
        and segment_id = any(cast(:segments as uuid[]))
)
select distinct record_id from unlinked
"""
)

# A table that was small when it was last looked at may not be any more: no record may cost a look at all of it.
_BY_KEY: Final = text("select set_config('enable_seqscan', 'off', true)")

_SETTLE: Final = """
with moved as materialized (
    select r.id as record_id, f.segments as had, w.segments as has
    from unnest(cast(:records as uuid[])) as r (id)
    cross join lateral (
        select f.segments from {facts} f where f.workspace_id = :workspace and f.{key} = r.id limit 1
    ) f
    cross join lateral (
        select coalesce(array_agg(distinct l.segment_id), '{{}}') as segments
        from segment_links l
        join segments s on s.workspace_id = l.workspace_id and s.id = l.segment_id and s.archived_at is null
        where l.workspace_id = :workspace and l.record_id = r.id and (
            l.source in ('manual', 'api') or not exists (
                select from segment_exclusions x
                where x.workspace_id = :workspace and x.record_id = r.id and x.segment_id = l.segment_id
                    and l.source = any(x.sources)))
    ) w
    where f.segments is distinct from w.segments
),
copied as (
    update {facts} f set segments = m.has
    from moved m where f.workspace_id = :workspace and f.{key} = m.record_id
),
differences as (
    select m.record_id, s.id as segment_id, 'entered' as change
    from moved m cross join lateral unnest(m.has) as s (id) where s.id <> all(m.had)
    union all
    select m.record_id, s.id, 'left'
    from moved m cross join lateral unnest(m.had) as s (id) where s.id <> all(m.has)
)
insert into segment_changes (workspace_id, segment_id, record_id, change, at, source, reason, changed_by)
select :workspace, d.segment_id, d.record_id, d.change, :at,
    case when s.archived_at is null then :source else 'archive' end,
    case when s.archived_at is not null then 'segment_archived' when d.change = 'entered' then :entered else :left end,
    :by
from differences d join segments s on s.workspace_id = :workspace and s.id = d.segment_id
order by d.segment_id, d.record_id
returning record_id, segment_id, change
"""
_SETTLES: Final = {subject: text(_SETTLE.format(facts=facts, key=key)) for subject, (facts, key) in FACTS.items()}

_DECIDE: Final = text(
    """
with decided as (
    select d.record_id, d.state
    from unnest(cast(:record_of as uuid[]), cast(:state_of as text[])) as d (record_id, state)
),
linked as (
    select l.record_id, array_agg(l.source) as sources
    from segment_links l
    where l.workspace_id = :workspace and l.segment_id = :segment and l.record_id = any(cast(:record_of as uuid[]))
        and l.source not in ('manual', 'api')
    group by l.record_id
),
unlinked as (
    delete from segment_links l using decided d
    where l.workspace_id = :workspace and l.segment_id = :segment and l.record_id = d.record_id
        and l.source in ('manual', 'api') and d.state <> 'included'
),
readmitted as (
    delete from segment_exclusions x using decided d
    where x.workspace_id = :workspace and x.segment_id = :segment and x.record_id = d.record_id
        and d.state <> 'excluded'
),
included as (
    insert into segment_links (workspace_id, segment_id, record_id, source, added_at, added_by)
    select :workspace, :segment, d.record_id, :source, :at, :by
    from decided d
    where d.state = 'included' and not exists (
        select from segment_links l
        where l.workspace_id = :workspace and l.segment_id = :segment and l.record_id = d.record_id
            and l.source in ('manual', 'api'))
    order by d.record_id
)
insert into segment_exclusions as x (workspace_id, segment_id, record_id, sources, excluded_at, excluded_by)
select :workspace, :segment, d.record_id, array(
        select distinct o.source from unnest(array['rule'] || coalesce(n.sources, '{}')) as o (source) order by 1
    ), :at, :by
from decided d left join linked n on n.record_id = d.record_id
where d.state = 'excluded'
order by d.record_id
on conflict (workspace_id, segment_id, record_id) do update set sources = array(
    select distinct o.source from unnest(x.sources || excluded.sources) as o (source) order by 1)
"""
)


async def relink(
    db: Session,
    workspace_id: UUID,
    records: Sequence[UUID],
    segments: Sequence[UUID],
    held: Sequence[tuple[UUID, UUID]],
    cause: Cause,
) -> list[UUID]:
    """Of these records and segments, link for the cause's source exactly the pairs that are held; who changed.

    Links of other sources are left alone.
    """
    asked = {
        "workspace": workspace_id,
        "records": list(records),
        "segments": list(segments),
        "record_of": [record for record, _ in held],
        "segment_of": [segment for _, segment in held],
        "source": cause.source,
        "at": cause.at,
        "by": cause.by,
    }
    return list((await db.execute(_RELINK, asked)).scalars())


async def clear(db: Session, workspace_id: UUID, records: Sequence[UUID], segments: Sequence[UUID]) -> list[UUID]:
    """Drop whatever makes or prevents membership of these records in these segments; who had links."""
    asked = {"workspace": workspace_id, "records": list(records), "segments": list(segments)}
    return list((await db.execute(_CLEAR, asked)).scalars())


async def decide(db: Session, workspace_id: UUID, segment_id: UUID, states: Mapping[UUID, str], cause: Cause) -> None:
    """Store what was decided by hand about these records."""
    ordered = sorted(states)
    asked = {
        "workspace": workspace_id,
        "segment": segment_id,
        "record_of": ordered,
        "state_of": [states[record] for record in ordered],
        "source": cause.source,
        "at": cause.at,
        "by": cause.by,
    }
    await db.execute(_DECIDE, asked)


async def settle(
    db: Session, workspace_id: UUID, subject: Subject, records: Sequence[UUID], cause: Cause
) -> list[Change]:
    """Bring the facts of these records in step with their links; each change, which history now has too."""
    asked: dict[str, Any] = {
        "workspace": workspace_id,
        "records": list(records),
        "source": cause.source,
        "entered": cause.entered,
        "left": cause.left,
        "at": cause.at,
        "by": cause.by,
    }
    await db.execute(_BY_KEY)
    found = rows(await db.execute(_SETTLES[subject], asked))
    return [(row["record_id"], row["segment_id"], row["change"]) for row in found]


_MEMBERS_AMONG: Final = text(
    """
select distinct l.record_id
from segment_links l
left join segment_exclusions x
    on x.workspace_id = l.workspace_id and x.segment_id = l.segment_id and x.record_id = l.record_id
where l.workspace_id = :workspace and l.segment_id = :segment and l.record_id = any(cast(:records as uuid[]))
    and (l.source in ('manual', 'api') or x.record_id is null or l.source <> all(x.sources))
"""
)


async def members_among(db: Session, workspace_id: UUID, segment_id: UUID, records: Sequence[UUID]) -> set[UUID]:
    """Those of these records that are members."""
    asked = {"workspace": workspace_id, "segment": segment_id, "records": list(records)}
    return set((await db.execute(_MEMBERS_AMONG, asked)).scalars())
