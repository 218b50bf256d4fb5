"""Stores what was refused, within bounds. Whoever changes the list takes its lock first: see `hold`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session
from app.domain import ids
from app.domain.messages import Source
from app.domain.rejections import LONG_ID, Bounds, Outcome, Refusal, needle, plain

# The first lock is shared by all who write for a workspace and taken whole by its deletion (see `db.ingest`). The
# second makes changes of the list one after another: bounds hold exactly, and no two of them deadlock.
_HOLD = text(
    """
    select pg_advisory_xact_lock_shared(hashtextextended(cast(:workspace as text), 0)),
           pg_advisory_xact_lock(hashtextextended(cast(:workspace as text), 1))
    """
)

# A statement of its own: what was committed while it waited for the lock is seen.
_ERASURES = text("select erasures from workspaces where id = :workspace")

_KEEP = text(
    """
with incoming as materialized (
    select * from unnest(
        cast(:ids as uuid[]), cast(:sources as text[]), cast(:hashes as bytea[]), cast(:keys as uuid[]),
        cast(:codes as text[]), cast(:details as text[]), cast(:pointers as text[]), cast(:message_ids as text[]),
        cast(:items as text[]), cast(:wholes as boolean[]), cast(:times as bigint[])
    ) as i (id, source, hash, key_id, code, detail, pointer, message_id, item, whole, times)
),
written as (
    insert into rejected_messages as r (
        workspace_id, id, source, hash, key_id, code, detail, pointer, message_id, item, whole, size,
        first_at, last_at, times
    )
    select :workspace, id, source, hash, key_id, code, detail, pointer, message_id, item, whole, octet_length(item),
           :now, :now, times
    from incoming
    order by source, hash
    on conflict (workspace_id, source, hash) do update set
        times = r.times + excluded.times,
        last_at = excluded.last_at,
        key_id = excluded.key_id,
        code = excluded.code,
        detail = excluded.detail,
        pointer = excluded.pointer,
        outcome = case when r.replayed_at is null then r.outcome end,
        replayed_at = null
    returning id, size
),
counted as (
    insert into rejected_counts as c (workspace_id, day, source, code, refused)
    select :workspace, :day, t.source, t.code, t.n
    from unnest(cast(:count_sources as text[]), cast(:count_codes as text[]), cast(:counts as bigint[]))
         as t (source, code, n)
    order by t.source, t.code
    on conflict (workspace_id, day, source, code) do update set refused = c.refused + excluded.refused
),
totals as (
    insert into rejected_totals as t (workspace_id, rows, bytes)
    select :workspace, count(*), coalesce(sum(w.size), 0) from written w join incoming using (id)
    on conflict (workspace_id) do update set rows = t.rows + excluded.rows, bytes = t.bytes + excluded.bytes
    returning t.rows, t.bytes
)
select rows, bytes from totals
"""
)

_EXCESS = text(
    """
select x.id from (
    select id, first_at, row_number() over newest as place, sum(size) over newest as filled
    from rejected_messages where workspace_id = :workspace
    window newest as (order by id desc)
) x
where x.place > :rows or x.filled > :bytes or x.first_at < :before
"""
)

_REMOVE = text(
    """
with gone as (
    delete from rejected_messages where workspace_id = :workspace and id = any(cast(:ids as uuid[]))
    returning source, code, size, replayed_at
),
counted as (
    insert into rejected_counts as c (workspace_id, day, source, code, dropped)
    select :workspace, :day, source, code, count(*)
    from gone
    where cast(:day as date) is not null and replayed_at is null
    group by source, code
    order by source, code
    on conflict (workspace_id, day, source, code) do update set dropped = c.dropped + excluded.dropped
),
totals as (
    update rejected_totals t set rows = t.rows - g.rows, bytes = t.bytes - g.bytes
    from (select count(*) as rows, coalesce(sum(size), 0) as bytes from gone) g
    where t.workspace_id = :workspace
)
select count(*) from gone
"""
)

_RECOUNT = text(
    """
update rejected_totals t set rows = found.rows, bytes = found.bytes
from (select count(*) as rows, coalesce(sum(size), 0) as bytes from rejected_messages
      where workspace_id = :workspace) found
where t.workspace_id = :workspace and (t.rows, t.bytes) <> (found.rows, found.bytes)
"""
)

_FORGET_COUNTS = text("delete from rejected_counts where workspace_id = :workspace and day < :before")

_SETTLE = text(
    """
update rejected_messages r set
    tried_at = :now,
    outcome = t.outcome,
    replayed_at = case when t.outcome in ('accepted', 'duplicate') then cast(:now as timestamptz) end,
    code = coalesce(t.code, r.code),
    detail = case when t.code is null then r.detail else t.detail end,
    pointer = case when t.code is null then r.pointer else t.pointer end
from unnest(cast(:ids as uuid[]), cast(:outcomes as text[]), cast(:codes as text[]), cast(:details as text[]),
            cast(:pointers as text[])) as t (id, outcome, code, detail, pointer)
where r.workspace_id = :workspace and r.id = t.id and r.replayed_at is null
"""
)

# What is cut off might name them just as well.
_NAMING = text(
    """
select id from rejected_messages
where workspace_id = :workspace and (
    not whole
    or strpos(concat_ws(' ', item, detail), :quoted) > 0
    or message_id = :plain
    or :segment = any(string_to_array(pointer, '/'))
    or (:digits <> '' and item ~ :digits)
    or (:long <> '' and strpos(concat_ws(' ', item, message_id, pointer, detail), :long) > 0)
)
"""
)

_WORKSPACES = text("select workspace_id from rejected_totals order by workspace_id")

FILLED_TO: Final = 0.9
"""Of its bounds: how far a full list is emptied at once, so that not every refusal has to."""
COUNTS_KEPT: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Total:
    """How much is in the list."""

    rows: int
    bytes: int

    def exceeds(self, bounds: Bounds) -> bool:
        """Whether something must go."""
        return self.rows > bounds.rows or self.bytes > bounds.bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """What a replay came to; code, detail and pointer say why it was refused again."""

    id: UUID
    outcome: Outcome
    code: str | None = None
    detail: str | None = None
    pointer: str | None = None


async def hold(db: Session, workspace_id: UUID) -> int:
    """Let nobody else change the list until the transaction ends; returns the workspace's count of erasures."""
    await db.execute(_HOLD, {"workspace": str(workspace_id)})
    return int(await db.scalar(_ERASURES, {"workspace": workspace_id}) or 0)


async def keep(
    db: Session, workspace_id: UUID, refusals: Sequence[Refusal], uncounted: Sequence[Refusal] = (), *, now: datetime
) -> Total:
    """Put items aside, each once: those known by their hash are counted. Of `uncounted`, only the numbers are kept."""
    first: dict[tuple[Source, bytes], Refusal] = {}
    for one in refusals:
        first.setdefault((one.source, one.hash), one)
    times = Counter((one.source, one.hash) for one in refusals)
    counts = sorted(Counter((one.source, one.code) for one in (*refusals, *uncounted)).items())
    found = await db.execute(
        _KEEP,
        {
            "workspace": workspace_id,
            "now": now,
            "day": now.date(),
            "ids": [ids.new_id() for _ in first],
            "sources": [one.source for one in first.values()],
            "hashes": [one.hash for one in first.values()],
            "keys": [one.key_id for one in first.values()],
            "codes": [one.code for one in first.values()],
            "details": [one.detail for one in first.values()],
            "pointers": [one.pointer for one in first.values()],
            "message_ids": [one.message_id for one in first.values()],
            "items": [one.item for one in first.values()],
            "wholes": [one.whole for one in first.values()],
            "times": [times[key] for key in first],
            "count_sources": [source for (source, _), _ in counts],
            "count_codes": [code for (_, code), _ in counts],
            "counts": [number for _, number in counts],
        },
    )
    return Total(*found.one())


async def excess(db: Session, workspace_id: UUID, bounds: Bounds, *, before: datetime) -> list[UUID]:
    """What must go to keep within `bounds`: the oldest, and all that is from `before`."""
    values = {"workspace": workspace_id, "rows": bounds.rows, "bytes": bounds.bytes, "before": before}
    return list(await db.scalars(_EXCESS, values))


async def remove(db: Session, workspace_id: UUID, ids: Sequence[UUID], *, dropped_on: date | None = None) -> int:
    """Delete rows; returns how many. With `dropped_on`, those that were still open are counted on that day."""
    if not ids:
        return 0
    values = {"workspace": workspace_id, "ids": list(ids), "day": dropped_on}
    return int(await db.scalar(_REMOVE, values) or 0)


async def forget(db: Session, workspace_id: UUID, external_id: str) -> int:
    """Delete every item that may name a user or account, as a text or a number; returns how many.

    Generous: ids of some length are looked for inside texts too, and what was not kept whole goes in any case.
    """
    await hold(db, workspace_id)
    spelled = needle(external_id)
    number = external_id.lstrip("-").isdecimal() and external_id.isascii()
    values = {
        "workspace": workspace_id,
        "quoted": f'"{spelled}"',
        "plain": plain(external_id),
        "segment": plain(external_id.replace("~", "~0").replace("/", "~1")),
        "digits": rf"(^|[:,\[]){external_id}([],}}]|$)" if number else "",
        "long": spelled if len(external_id) >= LONG_ID else "",
    }
    return await remove(db, workspace_id, list(await db.scalars(_NAMING, values)))


async def settle(db: Session, workspace_id: UUID, settled: Sequence[Settled], *, now: datetime) -> None:
    """Note what replays came to; what was taken is settled for good."""
    ordered = sorted(settled, key=lambda one: one.id)
    values = {
        "workspace": workspace_id,
        "now": now,
        "ids": [one.id for one in ordered],
        "outcomes": [one.outcome for one in ordered],
        "codes": [one.code for one in ordered],
        "details": [one.detail for one in ordered],
        "pointers": [one.pointer for one in ordered],
    }
    await db.execute(_SETTLE, values)


async def tidy(db: Session, workspace_id: UUID, *, now: datetime) -> None:
    """Forget numbers of long ago, and set the total right should it ever have strayed."""
    await db.execute(_FORGET_COUNTS, {"workspace": workspace_id, "before": (now - COUNTS_KEPT).date()})
    await db.execute(_RECOUNT, {"workspace": workspace_id})


async def workspaces(db: Session) -> list[UUID]:
    """Every workspace that ever had something refused; in a transaction of the pump."""
    return list(await db.scalars(_WORKSPACES))
