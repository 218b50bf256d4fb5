"""The list of deleted users and accounts, as hashes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session, raw, rows
from app.domain.models import Suppression
from app.domain.suppression import Kind

_FIND = "select disguise from suppressions where workspace_id = $1 and disguise = any($2::bytea[])"


async def find(db: Session, workspace_id: UUID, disguises: Iterable[bytes]) -> set[bytes]:
    """Those of these hashes that are on the list."""
    driver = await raw(db)
    return {row["disguise"] for row in await driver.fetch(_FIND, workspace_id, list(disguises))}


async def add(db: Session, workspace_id: UUID, disguise: bytes, kind: Kind, *, now: datetime) -> None:
    """Put someone on the list."""
    values = {"workspace_id": workspace_id, "disguise": disguise, "kind": kind, "created_at": now}
    await db.execute(insert(Suppression).values(values).on_conflict_do_nothing())


async def remove(db: Session, workspace_id: UUID, disguise: bytes) -> bool:
    """Take someone off the list; whether they were on it."""
    gone = await db.execute(
        delete(Suppression)
        .where(Suppression.workspace_id == workspace_id, Suppression.disguise == disguise)
        .returning(Suppression.kind)
    )
    return gone.first() is not None


async def page(
    db: Session, workspace_id: UUID, *, before: tuple[datetime, bytes] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The list, the newest first."""
    place = (Suppression.created_at, Suppression.disguise)
    query = select(Suppression.kind, *place).where(Suppression.workspace_id == workspace_id)
    if before is not None:
        query = query.where(tuple_(*place) < tuple_(*before))
    return rows(await db.execute(query.order_by(place[0].desc(), place[1].desc()).limit(limit)))
