"""Organizations: storing what senders tell of them, finding and showing them."""

from datetime import datetime
from uuid import UUID

from app.db import custom_objects, organizations
from app.db.base import Session
from app.domain import relations
from app.domain.errors import NotFound
from app.domain.folding import Fold
from app.services.named import Directory


class UnknownOrganization(NotFound):
    """There is no such organization in this workspace."""

    code = "unknown_organization"


_ORGANIZATIONS = Directory(
    "org", organizations, lambda: UnknownOrganization("No organization has this id or external id.")
)
find, called = _ORGANIZATIONS.find, _ORGANIZATIONS.called
show, page = _ORGANIZATIONS.show, _ORGANIZATIONS.page


async def apply(db: Session, workspace_id: UUID, batch: Fold, now: datetime) -> None:
    """Store what a batch says of organizations and custom objects, once its accounts and users are stored."""
    told = relations.fold(batch.relations)
    found: dict[str, str] = {}
    if told.organizations or told.parents:
        source = batch.source if batch.keeps_history else None
        found = await organizations.apply(db, workspace_id, told, batch.account_ids, batch.user_ids, now, source=source)
    if told.instances:
        await custom_objects.apply(db, workspace_id, told.instances, batch.account_ids, found, now)
