"""The key roles a workspace has made, and what it calls the two that all have."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, union_all
from sqlalchemy.dialects.postgresql import insert

from app.db.base import Session, rows
from app.db.role_tables import HELD, ID
from app.domain.models import Role

_TABLE = Role.__table__


async def stored(db: Session, workspace_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The roles that have a row, by name."""
    query = select(*_TABLE.columns).where(_TABLE.c.workspace_id == workspace_id)
    return rows(await db.execute(query.order_by(_TABLE.c.slug)))


async def hold(db: Session, workspace_id: UUID, slug: str, *, alone: bool = False) -> bool:
    """Keep a role from being deleted until this transaction ends, or (`alone`) from being given to anybody."""
    query = select(_TABLE.c.slug).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.slug == slug)
    return await db.scalar(query.with_for_update(read=not alone, key_share=not alone)) is not None


async def lock(db: Session, workspace_id: UUID) -> None:
    """Let one transaction at a time change which roles there are."""
    values = {"workspace": str(workspace_id)}
    await db.execute(text("select pg_advisory_xact_lock(hashtext('steward.role_names'), hashtext(:workspace))"), values)


async def put(db: Session, workspace_id: UUID, slug: str, values: Mapping[str, Any]) -> None:
    """Store a role, in the place of what was said of it before."""
    statement = insert(Role).values(workspace_id=workspace_id, slug=slug, **values)
    changes = {name: value for name, value in values.items() if name != "created_at"}
    await db.execute(statement.on_conflict_do_update(index_elements=["workspace_id", "slug"], set_=changes))


async def remove(db: Session, workspace_id: UUID, slug: str) -> None:
    """Delete a role."""
    await db.execute(delete(Role).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.slug == slug))


async def count_held(db: Session, workspace_id: UUID, slug: str, *, most: int) -> int:
    """At how many accounts and organizations somebody holds the role; counting stops at `most`."""
    places = [
        select(getattr(held, ID[subject])).where(held.workspace_id == workspace_id, held.role == slug)
        for subject, held in HELD.items()
    ]
    found = union_all(*places).limit(most).subquery()
    return int(await db.scalar(select(func.count()).select_from(found)) or 0)
