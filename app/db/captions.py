"""What the things behind ids of ours are called, for whoever shows a set of them."""

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from app.db.base import Session
from app.domain.models import AccessGroup, Indicator, Member, Segment

_NAMED: Final[Mapping[str, Any]] = {"grp": AccessGroup, "ind": Indicator, "mem": Member, "seg": Segment}


async def names(db: Session, workspace_id: UUID, prefix: str, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Their names, of those that are there; `prefix` says what they are."""
    model = _NAMED.get(prefix)
    if model is None or not ids:
        return {}
    query = select(model.id, model.name).where(model.workspace_id == workspace_id, model.id.in_(ids))
    return {row.id: row.name for row in await db.execute(query)}
