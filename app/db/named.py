"""Finding what goes by two names: an id of ours, and the id its sender knows it by."""

from uuid import UUID

from sqlalchemy import select

from app.db.base import Session
from app.domain.models import Account, Organization, User

Named = type[Account] | type[User] | type[Organization]


async def id_of(db: Session, workspace_id: UUID, kind: Named, *, by_id: UUID | None, external_id: str) -> UUID | None:
    """The row with this id, else the one its sender calls `external_id`."""
    owned = select(kind.id).where(kind.workspace_id == workspace_id)
    found = None if by_id is None else await db.scalar(owned.where(kind.id == by_id))
    return found or await db.scalar(owned.where(kind.external_id == external_id))
