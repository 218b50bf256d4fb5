"""Claiming promised work fairly, and keeping the claim alive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.domain.jobs import SUSPECT, Lease

LOOK_AHEAD = 200  # jobs weighed per workspace
SHALLOW = 1_000  # jobs read to find them
DEEP = 1_000_000


@dataclass(frozen=True, slots=True)
class Claim:
    """What to claim. `takes` is how many jobs each workspace may get; `in_flight` counts what runs per endpoint.

    `deep` looks behind a long backlog of an endpoint that has all the calls it may have; about 0.4 ms per 1,000.
    """

    worker: str
    lane: int
    kinds: Sequence[str]
    lease_seconds: float
    limit: int
    takes: Mapping[UUID, int]
    in_flight: Mapping[str, int]
    per_endpoint: int
    deep: bool = False


_WITH_WORK = text(
    """
    with recursive w as (
        (select lane, workspace_id from jobs where state = 'ready' order by lane, workspace_id limit 1)
        union all
        select next.lane, next.workspace_id
        from w cross join lateral (
            select j.lane, j.workspace_id from jobs j
            where j.state = 'ready' and (j.lane, j.workspace_id) > (w.lane, w.workspace_id)
            order by j.lane, j.workspace_id limit 1) as next)
    select lane, workspace_id from w
    """
)


async def workspaces_with_work(db: Session) -> dict[int, list[UUID]]:
    """The workspaces that have ready jobs, due or not, by lane: one index probe each, however many jobs there are."""
    found: dict[int, list[UUID]] = {}
    for row in await db.execute(_WITH_WORK):
        found.setdefault(row.lane, []).append(row.workspace_id)
    return found


# Per workspace: the oldest due jobs, no more of one endpoint than it has calls free, and of those that were running
# when a worker died, one at a time (they share the made-up endpoint `suspect`, with a limit of one).
_CLAIM = text(
    """
    with pick as (
        select j.workspace_id, j.id
        from unnest(cast(:workspaces as uuid[]), cast(:takes as int[])) as w(workspace_id, take)
        cross join lateral (
            select one.workspace_id, one.id
            from (
                select s.id, s.run_at, s.slot,
                       row_number() over (partition by coalesce(s.slot, s.id::text) order by s.run_at, s.id) as place
                from (
                    select d.id, d.run_at, d.slot
                    from (
                        select q.id, q.run_at,
                               case when q.crashes > 0 then cast(:suspect as text)
                                    else q.payload ->> 'endpoint_id' end as slot
                        from jobs q
                        where q.workspace_id = w.workspace_id and q.lane = :lane and q.state = 'ready'
                          and q.run_at <= now() and q.kind = any(cast(:kinds as text[]))
                        order by q.run_at, q.id limit :scan
                    ) d
                    where coalesce(d.slot, '') <> all(cast(:full as text[]))
                    order by d.run_at, d.id limit :look_ahead
                ) s
            ) r
            join jobs one on one.workspace_id = w.workspace_id and one.id = r.id
            left join unnest(cast(:slots as text[]), cast(:used as int[])) as busy(slot, used) on busy.slot = r.slot
            where one.state = 'ready' and one.run_at <= now()
              and r.place <= case when r.slot = cast(:suspect as text) then 1 else cast(:per_endpoint as int) end
                             - coalesce(busy.used, 0)
            order by r.run_at, r.id limit w.take
            for update of one skip locked
        ) j
        limit :limit)
    update jobs set state = 'leased', fence = fence + 1, attempt = attempt + 1, worker = :worker,
                    lease_until = now() + make_interval(secs => :lease_seconds)
    from pick where jobs.workspace_id = pick.workspace_id and jobs.id = pick.id
    returning jobs.workspace_id, jobs.id, jobs.kind, jobs.fence, jobs.attempt, jobs.max_attempts, jobs.crashes,
              jobs.payload
    """
)


async def claim(db: Session, want: Claim) -> list[Lease]:
    """Lease due jobs of the known kinds, the workspaces in the order given. Needs a pump transaction."""
    found = await db.execute(
        _CLAIM,
        {
            "worker": want.worker,
            "lane": want.lane,
            "kinds": list(want.kinds),
            "lease_seconds": want.lease_seconds,
            "limit": want.limit,
            "workspaces": list(want.takes.keys()),
            "takes": list(want.takes.values()),
            "slots": list(want.in_flight.keys()),
            "used": list(want.in_flight.values()),
            "full": [slot for slot, used in want.in_flight.items() if used >= _limit_of(slot, want.per_endpoint)],
            "per_endpoint": want.per_endpoint,
            "suspect": SUSPECT,
            "look_ahead": LOOK_AHEAD,
            "scan": DEEP if want.deep else SHALLOW,
        },
    )
    return [Lease(**row) for row in rows(found)]


def _limit_of(slot: str, per_endpoint: int) -> int:
    return 1 if slot == SUSPECT else per_endpoint


_HEARTBEAT = text(
    """
    update jobs j set lease_until = now() + make_interval(secs => :lease_seconds)
    from unnest(cast(:workspaces as uuid[]), cast(:ids as bigint[]), cast(:fences as bigint[]))
         as held(workspace_id, id, fence)
    where j.workspace_id = held.workspace_id and j.id = held.id and j.fence = held.fence and j.state = 'leased'
    returning j.id
    """
)


async def heartbeat(db: Session, leases: Sequence[Lease], *, lease_seconds: float) -> set[int]:
    """Prolong the leases that are still ours and return their ids; work on any other must stop now."""
    held = await db.scalars(_HEARTBEAT, {**lease_columns(leases), "lease_seconds": lease_seconds})
    return set(held.all())


def lease_columns(leases: Sequence[Lease]) -> dict[str, Any]:
    """Leases as the array parameters of a fenced statement, in lock order."""
    ordered = sorted(leases, key=lambda lease: (lease.workspace_id, lease.id))
    return {
        "workspaces": [lease.workspace_id for lease in ordered],
        "ids": [lease.id for lease in ordered],
        "fences": [lease.fence for lease in ordered],
    }
