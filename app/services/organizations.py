"""Organizations: storing what senders tell of them, finding and showing them."""

from datetime import datetime
from uuid import UUID

from app.db import custom_objects, measures, organizations, record_marks
from app.db.base import Session
from app.domain import relations
from app.domain.errors import NotFound
from app.domain.fields import Subject
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
    if batch.parent_counts:
        await measures.add(db, workspace_id, batch.parent_counts, found, batch.user_ids, batch.measure_ids)
        counted = {record for record, _ in batch.parent_counts.totals}
        talked = sorted(UUID(found[name]) for name in counted if told.organizations[name].last_seen_at is None)
        await record_marks.mark(db, workspace_id, Subject.ORGANIZATIONS, talked)  # the others are marked by now
    if told.instances:
        await custom_objects.apply(db, workspace_id, told.instances, batch.account_ids, found, now)
