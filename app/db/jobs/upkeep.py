"""Care of whole groups of jobs: hold, resume, cancel, requeue, purge, count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.db.jobs.twins import past_new_twins
from app.domain.jobs import Job


@dataclass(frozen=True, slots=True)
class Depth:
    """How one lane stands. `oldest_seconds` is the age of the longest-due job, 0 when none is due."""

    lane: int
    ready: int
    due: int
    held: int
    leased: int
    dead: int
    oldest_seconds: float


_HOLD_WAITING = text(
    """
    update jobs set state = 'held'
    where workspace_id = :workspace_id and lane = :lane and state = 'ready' and payload ->> 'endpoint_id' = :endpoint
    """
)
_RESUME = text(
    """
    update jobs set state = 'ready', run_at = greatest(run_at, now() + make_interval(secs => random() * :over))
    where workspace_id = :workspace_id and lane = :lane and state = 'held' and payload ->> 'endpoint_id' = :endpoint
    """
)
_CANCEL_WAITING = text(
    """
    update jobs set state = 'cancelled', finished_at = now(), last_error = :why
    where workspace_id = :workspace_id and state in ('ready', 'held', 'dead')
      and kind = :kind and dedupe_key = any(cast(:keys as text[]))
    """
)


async def hold_waiting(db: Session, workspace_id: UUID, lane: int, endpoint_id: UUID) -> int:
    """Put an endpoint's waiting jobs aside; returns how many."""
    values = {"workspace_id": workspace_id, "lane": lane, "endpoint": str(endpoint_id)}
    return _count(await db.execute(_HOLD_WAITING, values))


async def resume(db: Session, workspace_id: UUID, lane: int, endpoint_id: UUID, *, over_seconds: float) -> int:
    """Make an endpoint's held jobs ready again, spread over a while; returns how many."""
    values = {"workspace_id": workspace_id, "lane": lane, "endpoint": str(endpoint_id), "over": over_seconds}
    return _count(await db.execute(_RESUME, values))


async def cancel_waiting(db: Session, workspace_id: UUID, jobs: Sequence[Job], *, why: str) -> int:
    """Cancel these promises where they are not running, dead ones included; returns how many."""
    by_kind: dict[str, list[str]] = {}
    for job in jobs:
        by_kind.setdefault(job.kind, []).append(job.dedupe_key())
    count = 0
    for kind, keys in sorted(by_kind.items()):
        values = {"workspace_id": workspace_id, "kind": kind, "keys": sorted(keys), "why": why}
        count += _count(await db.execute(_CANCEL_WAITING, values))
    return count


_CANCEL_OF_ENDPOINT = text(
    """
    update jobs set state = 'cancelled', finished_at = now(), last_error = :why
    where workspace_id = :workspace_id and lane = :lane and state in ('ready', 'held', 'dead')
      and payload ->> 'endpoint_id' = :endpoint
    """
)


async def cancel_of_endpoint(db: Session, workspace_id: UUID, lane: int, endpoint_id: UUID, *, why: str) -> int:
    """Cancel an endpoint's jobs that are not running; returns how many."""
    values = {"workspace_id": workspace_id, "lane": lane, "endpoint": str(endpoint_id), "why": why}
    return _count(await db.execute(_CANCEL_OF_ENDPOINT, values))


_REQUEUE = text(
    """
    with buried as (
        select workspace_id, id, kind, dedupe_key from jobs
        where workspace_id = :workspace_id and state = 'dead'
          and (cast(:ids as bigint[]) is null or id = any(cast(:ids as bigint[])))
        order by id for update),
    judged as (
        select d.id, row_number() over (partition by d.kind, d.dedupe_key order by d.id desc) as place,
               exists (select from jobs t where t.workspace_id = d.workspace_id and t.kind = d.kind
                       and t.dedupe_key = d.dedupe_key and t.state in ('ready', 'held')) as waiting
        from buried d)
    update jobs j
    set state = case when d.waiting or d.place > 1 then 'cancelled' else 'ready' end,
        finished_at = case when d.waiting or d.place > 1 then now() end,
        run_at = now(), attempt = 0, crashes = 0, fence = j.fence + 1
    from judged d where j.workspace_id = :workspace_id and j.id = d.id
    """
)


async def requeue(db: Session, workspace_id: UUID, ids: Sequence[int] | None = None) -> int:
    """Give dead jobs (all of the workspace's, or these) a new start; returns how many left the dead."""
    values = {"workspace_id": workspace_id, "ids": None if ids is None else list(ids)}
    result = await past_new_twins(db, lambda: db.execute(_REQUEUE, values))
    return int(result.rowcount)


_PURGE = text(
    """
    delete from jobs where (workspace_id, id) in (
        select workspace_id, id from jobs
        where state in ('done', 'cancelled') and finished_at < now() - make_interval(secs => :seconds)
        order by finished_at limit :limit for update skip locked)
    """
)


async def purge(db: Session, *, older_than: timedelta, limit: int = 5000) -> int:
    """Delete up to `limit` finished jobs of that age; returns how many. Dead ones are never deleted."""
    return _count(await db.execute(_PURGE, {"seconds": older_than.total_seconds(), "limit": limit}))


_DEPTHS = text(
    """
    select lane,
           count(*) filter (where state = 'ready') as ready,
           count(*) filter (where state = 'ready' and run_at <= now()) as due,
           count(*) filter (where state = 'held') as held,
           count(*) filter (where state = 'leased') as leased,
           count(*) filter (where state = 'dead') as dead,
           coalesce(extract(epoch from now() - min(run_at) filter (where state = 'ready' and run_at <= now())), 0)
               ::float8 as oldest_seconds
    from jobs where state in ('ready', 'held', 'leased', 'dead')
    group by lane order by lane
    """
)


async def depths(db: Session) -> list[Depth]:
    """How every lane stands: of all workspaces in a pump transaction, of one in its own."""
    return [Depth(**row) for row in rows(await db.execute(_DEPTHS))]


def _count(result: Any) -> int:
    return int(result.rowcount)
