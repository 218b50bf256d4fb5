"""How much each of the staff looks after."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db import capacity
from app.db.base import Session
from app.services import members


async def page(db: Session, workspace_id: UUID, *, after: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """What each active member carries, in the order they were added."""
    return await capacity.page(db, workspace_id, after=after, limit=limit)


async def show(db: Session, workspace_id: UUID, ref: str) -> Mapping[str, Any]:
    """What one member carries. Raises `UnknownMember`."""
    member = await members.find(db, workspace_id, ref)
    return (await capacity.page(db, workspace_id, after=None, limit=1, member_id=member["id"]))[0]
