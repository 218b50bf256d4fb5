"""The answers to repeated writes, as rows; one request at a time per key."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session
from app.domain.models import IdempotencyKey


async def try_lock(db: Session, workspace_id: UUID, id_: UUID) -> bool:
    """Keep others with this key out until the transaction ends; False: somebody is in."""
    name = f"steward:idempotency:{workspace_id}:{id_}"
    return bool(await db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0)))))


async def find(db: Session, workspace_id: UUID, id_: UUID, *, since: datetime) -> IdempotencyKey | None:
    """The answer kept under this key, unless it is older than `since`."""
    query = select(IdempotencyKey).where(
        IdempotencyKey.workspace_id == workspace_id, IdempotencyKey.id == id_, IdempotencyKey.created_at > since
    )
    found: IdempotencyKey | None = await db.scalar(query)
    return found


async def keep(
    db: Session, workspace_id: UUID, id_: UUID, *, request_hash: bytes, status: int, answer: str, now: datetime
) -> None:
    """Keep an answer; one that had become too old is replaced."""
    values = {"request_hash": request_hash, "status": status, "answer": answer, "created_at": now}
    statement = insert(IdempotencyKey).values(workspace_id=workspace_id, id=id_, **values)
    await db.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "id"], set_=values))


async def purge(db: Session, workspace_id: UUID, *, before: datetime) -> None:
    """Delete the answers kept long enough."""
    await db.execute(
        delete(IdempotencyKey).where(IdempotencyKey.workspace_id == workspace_id, IdempotencyKey.created_at < before)
    )
