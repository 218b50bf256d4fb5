"""The wire contract of reading events."""

from typing import Annotated, Any
from uuid import UUID

from app.api.schemas.base import Instant, Page, WireId
from app.domain.wire import Wire

EventId = Annotated[UUID, WireId("evt")]


class StoredEvent(Wire):
    """An event as it is kept."""

    id: EventId
    event: str
    account_id: str | None
    user_id: str | None
    organization_id: str | None
    properties: dict[str, Any]
    occurred_at: Instant
    received_at: Instant


EventPage = Page[StoredEvent]
