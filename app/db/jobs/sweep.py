"""Freeing what dead and stalled workers held."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session, rows
from app.db.jobs.twins import past_new_twins
from app.domain.jobs import Lease

MAX_CRASHES = 3
BATCH = 500

_EXPIRED = """
    select workspace_id, id, kind, dedupe_key, fence, attempt, max_attempts, crashes, payload,
           attempt >= max_attempts or crashes + 1 >= :max_crashes as spent
    from jobs
    where state = 'leased' and lease_until < now()
      and (cast(:only as uuid) is null or workspace_id = cast(:only as uuid))
    order by lease_until limit :batch
    for update skip locked
"""

_SWEEP = text(
    f"""
    with expired as ({_EXPIRED}),
    judged as (
        select e.*,
               row_number() over (partition by workspace_id, kind, dedupe_key order by id desc) as place,
               exists (select from jobs t where t.workspace_id = e.workspace_id and t.kind = e.kind
                       and t.dedupe_key = e.dedupe_key and t.state in ('ready', 'held')) as waiting
        from expired e where not e.spent),
    twins as (
        update jobs t set crashes = greatest(t.crashes, d.crashes + 1)
        from judged d
        where d.waiting and t.workspace_id = d.workspace_id and t.kind = d.kind and t.dedupe_key = d.dedupe_key
          and t.state in ('ready', 'held'))
    update jobs j
    set state = case when d.waiting or d.place > 1 then 'cancelled' else 'ready' end,
        finished_at = case when d.waiting or d.place > 1 then now() end,
        last_error = case when d.waiting or d.place > 1 then 'absorbed by a twin' else 'lease expired' end,
        run_at = now() + make_interval(secs => least(60, power(2, d.crashes))),
        crashes = j.crashes + 1, fence = j.fence + 1, worker = null, lease_until = null
    from judged d where j.workspace_id = d.workspace_id and j.id = d.id
    """  # noqa: S608 - made of constants
)

_SPENT = text(
    f"""
    select workspace_id, id, kind, fence, attempt, max_attempts, crashes, payload
    from ({_EXPIRED}) as expired where spent
    """  # noqa: S608 - made of constants
)


async def sweep(db: Session, *, only_workspace: UUID | None = None) -> int:
    """Free the jobs of workers that died or stalled; returns how many. Those `spent` tells are left to `give_up`."""
    values = _values(only_workspace)
    result = await past_new_twins(db, lambda: db.execute(_SWEEP, values))
    return int(result.rowcount)


async def spent(db: Session, *, only_workspace: UUID | None = None) -> list[Lease]:
    """Expired leases that may not be tried again: too many attempts, or too many workers died over them."""
    return [Lease(**row) for row in rows(await db.execute(_SPENT, _values(only_workspace)))]


def _values(only_workspace: UUID | None) -> dict[str, Any]:
    return {"only": only_workspace, "max_crashes": MAX_CRASHES, "batch": BATCH}
