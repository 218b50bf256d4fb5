"""Writing a job's fate. Every statement names the fence, and changes nothing when the job is no longer ours."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from app.db.base import Session
from app.db.jobs.claim import lease_columns
from app.db.jobs.twins import past_new_twins
from app.domain.jobs import Fenced, Lease

LONGEST_ERROR = 500

_COMPLETE = text(
    """
    update jobs j set state = 'done', finished_at = now(), worker = null, lease_until = null, last_error = null
    from unnest(cast(:workspaces as uuid[]), cast(:ids as bigint[]), cast(:fences as bigint[]))
         as held(workspace_id, id, fence)
    where j.workspace_id = held.workspace_id and j.id = held.id and j.fence = held.fence and j.state = 'leased'
    returning j.id
    """
)


async def complete_all(db: Session, leases: Sequence[Lease]) -> set[int]:
    """Mark jobs done and return the ids that were still ours. Fewer than asked: roll back and do them one by one."""
    done = set((await db.scalars(_COMPLETE, lease_columns(leases))).all())
    for lease in leases:
        lease.settled = lease.settled or lease.id in done
    return done


async def complete(db: Session, lease: Lease) -> None:
    """Mark a job done in the transaction of its effects; Fenced when it is no longer ours."""
    if not await complete_all(db, [lease]):
        raise Fenced


_END = text(
    """
    update jobs set state = :state, finished_at = now(), worker = null, lease_until = null, last_error = :error,
                    crashes = crashes + :crashed
    where workspace_id = :workspace_id and id = :id and fence = :fence and state = 'leased'
    """
)


async def give_up(db: Session, lease: Lease, *, error: str, crashed: bool = False) -> None:
    """Bury a job as `dead`, where it stays visible until someone asks for it again."""
    await _end(db, lease, state="dead", error=error, crashed=int(crashed))


async def cancel(db: Session, lease: Lease, *, why: str) -> None:
    """End a job that is no longer wanted."""
    await _end(db, lease, state="cancelled", error=why, crashed=0)


async def _end(db: Session, lease: Lease, *, state: str, error: str, crashed: int) -> None:
    values = {"state": state, "error": error[:LONGEST_ERROR], "crashed": crashed, **_one(lease)}
    _settle(lease, await db.execute(_END, values))


def _one(lease: Lease) -> dict[str, Any]:
    return {"workspace_id": lease.workspace_id, "id": lease.id, "fence": lease.fence}


def _settle(lease: Lease, result: Any) -> None:
    if result.rowcount == 0:
        raise Fenced
    lease.settled = True


_LET_GO = text(
    """
    with mine as (
        select workspace_id, id, kind, dedupe_key, crashes from jobs
        where workspace_id = :workspace_id and id = :id and fence = :fence and state = 'leased'
        for update),
    twin as (
        update jobs t set crashes = greatest(t.crashes, mine.crashes)
        from mine
        where t.workspace_id = mine.workspace_id and t.kind = mine.kind and t.dedupe_key = mine.dedupe_key
          and t.state in ('ready', 'held')
        returning t.id)
    update jobs j
    set state = case when exists (select from twin) then 'cancelled' else :state end,
        finished_at = case when exists (select from twin) then now() end,
        last_error = case when exists (select from twin) then 'absorbed by a twin'
                          else coalesce(:error, j.last_error) end,
        run_at = case when cast(:after as float8) is null then j.run_at
                      else now() + make_interval(secs => cast(:after as float8)) end,
        attempt = j.attempt - :unspent, fence = j.fence + 1, worker = null, lease_until = null
    from mine where j.workspace_id = mine.workspace_id and j.id = mine.id
    """
)


async def fail(db: Session, lease: Lease, *, error: str, after: timedelta | None) -> None:
    """Note a failed attempt: due again `after` that long, or dead when `after` is None."""
    if after is None:
        await give_up(db, lease, error=error)
    else:
        seconds = max(after.total_seconds(), 0.0)
        await _let_go(db, lease, state="ready", error=error[:LONGEST_ERROR], after=seconds, unspent=0)


async def give_back(db: Session, lease: Lease) -> None:
    """Return a claim that was not started: nothing is spent, nothing is delayed."""
    await _let_go(db, lease, state="ready", error=None, after=None, unspent=1)


async def hold(db: Session, lease: Lease, *, why: str) -> None:
    """Put a job aside until `resume`; the attempt is not spent."""
    await _let_go(db, lease, state="held", error=why, after=None, unspent=1)


async def _let_go(
    db: Session, lease: Lease, *, state: str, error: str | None, after: float | None, unspent: int
) -> None:
    values = {"state": state, "error": error, "after": after, "unspent": unspent, **_one(lease)}
    _settle(lease, await past_new_twins(db, lambda: db.execute(_LET_GO, values)))
