"""Stores saved views."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, delete, func, insert, or_, select, text, update

from app.db.base import Session, rows
from app.domain.models import View

_VIEWS: Final = cast("Table", View.__table__)


async def lock_owner(db: Session, workspace_id: UUID, owner: str) -> None:
    """One at a time adds views of an owner, so that their number stays within its limit."""
    key = f"steward:views:{workspace_id}:{owner}"
    await db.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Add a view."""
    await db.execute(insert(_VIEWS).values(workspace_id=workspace_id, **values))


async def change(db: Session, workspace_id: UUID, view_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a view; its version goes up by one."""
    await db.execute(
        update(_VIEWS)
        .where(_VIEWS.c.workspace_id == workspace_id, _VIEWS.c.id == view_id)
        .values(version=_VIEWS.c.version + 1, **values)
    )


async def remove(db: Session, workspace_id: UUID, view_id: UUID) -> None:
    """Delete a view."""
    await db.execute(delete(_VIEWS).where(_VIEWS.c.workspace_id == workspace_id, _VIEWS.c.id == view_id))


async def one(
    db: Session, workspace_id: UUID, view_id: UUID, *, viewer: str, lock: bool = False
) -> Mapping[str, Any] | None:
    """A view this viewer may see: their own, and what is shared."""
    query = select(*_VIEWS.c).where(_VIEWS.c.workspace_id == workspace_id, _VIEWS.c.id == view_id, _seen_by(viewer))
    found = rows(await db.execute(query.with_for_update() if lock else query))
    return found[0] if found else None


async def count_of(db: Session, workspace_id: UUID, owner: str) -> int:
    """How many views an owner has."""
    query = select(func.count()).where(_VIEWS.c.workspace_id == workspace_id, _VIEWS.c.owner == owner)
    return (await db.execute(query)).scalar_one()


async def page(
    db: Session, workspace_id: UUID, *, viewer: str, subject: str | None, after: tuple[int, UUID] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """What this viewer may see: pinned views in their order, then the others as they were made."""
    place = func.coalesce(_VIEWS.c.pinned, UNPINNED)
    query = select(*_VIEWS.c).where(_VIEWS.c.workspace_id == workspace_id, _seen_by(viewer))
    if subject is not None:
        query = query.where(_VIEWS.c.subject == subject)
    if after is not None:
        at, id_ = after
        query = query.where(or_(place > at, (place == at) & (_VIEWS.c.id > id_)))
    return rows(await db.execute(query.order_by(place, _VIEWS.c.id).limit(limit)))


UNPINNED: Final = 1_000_000


def _seen_by(viewer: str) -> ColumnElement[bool]:
    return or_(_VIEWS.c.shared == "shared", _VIEWS.c.owner == viewer)
