"""The wire contract of deliveries."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.api.schemas.base import Instant, Page, WireId
from app.api.schemas.webhooks import WebhookId
from app.domain.wire import Wire

DeliveryId = Annotated[UUID, WireId("dlv")]
EventId = Annotated[UUID, WireId("evt")]
DeliveryState = Literal["pending", "delivered", "failed", "cancelled"]


class DeliveryOut(Wire):
    """One event on its way to one webhook."""

    id: DeliveryId
    webhook_id: WebhookId = Field(validation_alias="endpoint_id")
    event_id: EventId = Field(description="The `webhook-id` header; the same on every attempt and replay.")
    type: str
    state: DeliveryState = Field(
        description="`pending` is tried again, `failed` was given up and can be replayed, `cancelled` met a 410."
    )
    attempts: int
    created_at: Instant
    next_attempt_at: Instant | None = Field(description="Null when it is not to be tried, or held by its webhook.")
    finished_at: Instant | None


class AttemptOut(Wire):
    """One attempt: what the receiver answered, or why there was no answer."""

    number: int
    started_at: Instant
    duration_ms: int
    status: int | None = Field(description="The receiver's HTTP status; null when no answer arrived.")
    error: str | None = Field(description="A stable code for what went wrong beneath HTTP, such as `timed_out`.")
    excerpt: str | None = Field(description="The beginning of the receiver's answer.")


class DeliveryDetail(DeliveryOut):
    """A delivery with every attempt, and exactly what is posted."""

    body: str = Field(description="The bytes that are signed and posted, as text.")
    log: list[AttemptOut]


DeliveryPage = Page[DeliveryOut]
