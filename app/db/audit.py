"""The audit log as rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Table, delete, insert, select, text

from app.db.base import Session, rows
from app.domain import ids
from app.domain.audit import Entry, Narrowing
from app.domain.models import AuditEntry

_TABLE: Final = cast("Table", AuditEntry.__table__)
# Whole values only: an id such as "1" is part of almost everything. What is emptied says by which deletion it was.
_FORGET: Final = text(
    """
update audit_entries e set
    target = case when e.target = any(cast(:names as text[])) then null else e.target end,
    path = null, request = null, details = jsonb_build_object('emptiedBy', cast(:erasure as text))
where e.workspace_id = :workspace and (
    e.target = any(cast(:names as text[]))
    or exists (
        select from unnest(cast(:names as text[])) n
        where strpos(substr(e.path, 8) || '/', '/' || n || '/') > 0  -- beyond /api/v1
            or strpos(concat(e.request, e.details), to_jsonb(n)::text) > 0
    )
)
"""
)


async def insert_new(db: Session, workspace_id: UUID, entry: Entry) -> None:
    """Write a line."""
    values = {
        "id": ids.new_id(),
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "path": entry.path,
        "request": entry.request,
        "details": dict(entry.details) or None,
        "request_id": entry.request_id,
    }
    await db.execute(insert(_TABLE).values(workspace_id=workspace_id, **values))


async def page(
    db: Session, workspace_id: UUID, narrowed: Narrowing, *, before: UUID | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Lines, the newest first."""
    query = select(*_TABLE.c).where(_TABLE.c.workspace_id == workspace_id)
    query = query.where(*(_TABLE.c[name] == value for name, value in narrowed.equal.items()))
    if narrowed.since is not None:
        query = query.where(_TABLE.c.at >= narrowed.since)
    if narrowed.until is not None:
        query = query.where(_TABLE.c.at < narrowed.until)
    if before is not None:
        query = query.where(_TABLE.c.id < before)
    return rows(await db.execute(query.order_by(_TABLE.c.id.desc()).limit(limit)))


async def forget(db: Session, workspace_id: UUID, names: Sequence[str], erasure: str) -> int:
    """Take what names somebody out of the log: that something was done, by whom and when, stays."""
    result = await db.execute(_FORGET, {"workspace": workspace_id, "names": list(names), "erasure": erasure})
    return int(cast("Any", result).rowcount)


async def workspaces(db: Session) -> Sequence[UUID]:
    """Every workspace with lines or kept answers."""
    return list(
        await db.scalars(text("select workspace_id from audit_entries union select workspace_id from idempotency_keys"))
    )


async def purge(db: Session, workspace_id: UUID, *, before: datetime) -> None:
    """Delete the lines of before."""
    await db.execute(delete(_TABLE).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.id < ids.least_at(before)))
