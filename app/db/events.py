"""Reading events: the newest of an account or a user first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_

from app.db.base import Session, rows
from app.domain.models import Account, Event, Organization, User


async def page(
    db: Session, workspace_id: UUID, account_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """An account's events, newest first, continuing before (occurred at, id)."""
    query = (
        select(
            Event.id,
            Event.name,
            Event.properties,
            Event.occurred_at,
            Event.received_at,
            Account.external_id.label("account_id"),
            User.external_id.label("user_id"),
            Organization.external_id.label("organization_id"),
        )
        .outerjoin(Account, (Account.workspace_id == Event.workspace_id) & (Account.id == Event.account_id))
        .outerjoin(User, (User.workspace_id == Event.workspace_id) & (User.id == Event.user_id))
        .outerjoin(
            Organization,
            (Organization.workspace_id == Event.workspace_id) & (Organization.id == Event.organization_id),
        )
        .where(Event.workspace_id == workspace_id, Event.account_id == account_id)
        .order_by(Event.occurred_at.desc(), Event.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(Event.occurred_at, Event.id) < tuple_(*before))
    return rows(await db.execute(query))
