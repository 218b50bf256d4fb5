"""Making promises, in the transaction of their cause."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from app.db.base import Session
from app.domain.jobs import Job

_PUT = text(
    """
    insert into jobs (workspace_id, kind, dedupe_key, lane, run_at, max_attempts, payload)
    select :workspace_id, w.kind, w.dedupe_key, w.lane, coalesce(:run_at, now()), w.max_attempts, w.payload::jsonb
    from unnest(cast(:kinds as text[]), cast(:dedupe_keys as text[]), cast(:lanes as smallint[]),
                cast(:max_attempts as int[]), cast(:payloads as text[]))
         with ordinality as w(kind, dedupe_key, lane, max_attempts, payload, place)
    order by w.place
    on conflict (workspace_id, kind, dedupe_key) where state in ('ready', 'held')
    do update set run_at = least(jobs.run_at, excluded.run_at), payload = excluded.payload
    """
)


async def put(db: Session, workspace_id: UUID, jobs: Sequence[Job], *, run_at: datetime | None = None) -> None:
    """Promise `jobs` in the caller's transaction, due at `run_at` (default: at once).

    A twin that is still waiting absorbs the new promise and is brought forward if need be. Its row stays locked
    until we commit, so that it cannot run before our changes are there to be seen.
    """
    wanted = sorted({(job.kind, job.dedupe_key()): job for job in jobs}.items(), key=lambda item: item[0])
    if not wanted:
        return
    await db.execute(
        _PUT,
        {
            "workspace_id": workspace_id,
            "run_at": run_at,
            "kinds": [kind for (kind, _), _ in wanted],
            "dedupe_keys": [key for (_, key), _ in wanted],
            "lanes": [int(job.lane) for _, job in wanted],
            "max_attempts": [job.retries.attempts for _, job in wanted],
            "payloads": [json.dumps(job.payload()) for _, job in wanted],
        },
    )
