"""The workspace's own staff as rows."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update

from app.db.base import Session, rows
from app.domain.models import Member

_TABLE = Member.__table__


def _in(workspace_id: UUID) -> Select[Any]:
    return select(*_TABLE.columns).where(_TABLE.c.workspace_id == workspace_id)


async def one(db: Session, workspace_id: UUID, *, member_id: UUID | None, email: str) -> Mapping[str, Any] | None:
    """The member with this id, else the one with this e-mail address, in whatever case."""
    if member_id is not None and (found := rows(await db.execute(_in(workspace_id).where(_TABLE.c.id == member_id)))):
        return found[0]
    found = rows(await db.execute(_in(workspace_id).where(func.lower(_TABLE.c.email) == func.lower(email))))
    return found[0] if found else None


async def lock_email(db: Session, workspace_id: UUID, email: str) -> None:
    """Let one transaction at a time decide who has this e-mail address."""
    await db.execute(
        select(func.pg_advisory_xact_lock(func.hashtext(str(workspace_id)), func.hashtext(func.lower(email))))
    )


async def insert_new(db: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Store a new member."""
    await db.execute(insert(Member).values(workspace_id=workspace_id, **values))


async def change(db: Session, workspace_id: UUID, member_id: UUID, values: Mapping[str, Any]) -> None:
    """Write these columns of a member."""
    await db.execute(
        update(Member).where(_TABLE.c.workspace_id == workspace_id, _TABLE.c.id == member_id).values(**values)
    )


async def page(
    db: Session, workspace_id: UUID, *, after: UUID | None, limit: int, deactivated: bool
) -> Sequence[Mapping[str, Any]]:
    """Members in the order they were added; those who left only when asked for."""
    query = _in(workspace_id).order_by(_TABLE.c.id).limit(limit)
    if after is not None:
        query = query.where(_TABLE.c.id > after)
    if not deactivated:
        query = query.where(_TABLE.c.deactivated_at.is_(None))
    return rows(await db.execute(query))
