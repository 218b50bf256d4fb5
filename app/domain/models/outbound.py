"""What Steward tells the world: endpoints, the letters for them, and every attempt to deliver one."""

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import LargeBinary, Text

from app.domain.models.base import At, Base, Key, Made, Ref, Str, inside_workspace, owned_by_workspace


class WebhookEndpoint(Base):
    __tablename__ = "webhook_endpoints"
    __table_args__ = (owned_by_workspace(),)

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    url: Mapped[Str]
    description: Mapped[Str] = mapped_column(server_default="")
    types: Mapped[list[str]] = mapped_column(ARRAY(Text))  # event types wanted; empty: all
    secret: Mapped[bytes] = mapped_column(LargeBinary)  # AES-256-GCM, bound to this row
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_secret_until: Mapped[At | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    failing_since: Mapped[At | None]
    created_at: Mapped[Made]


class Delivery(Base):
    """One letter for one endpoint. `body` is the exact bytes that are signed and sent, the same on every attempt."""

    __tablename__ = "deliveries"
    __table_args__ = (
        inside_workspace("endpoint_id", "webhook_endpoints"),
        CheckConstraint("state in ('pending', 'delivered', 'failed', 'cancelled')", name="state"),
        Index("uq_deliveries_cause", "workspace_id", "endpoint_id", "event_id", unique=True),
        Index(None, "workspace_id", "endpoint_id", "id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    endpoint_id: Mapped[Ref]
    event_id: Mapped[Ref]  # the outbound event; also the webhook-id receivers deduplicate by
    type: Mapped[Str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[Str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[Made]
    next_attempt_at: Mapped[At | None]
    finished_at: Mapped[At | None]


class DeliveryAttempt(Base):
    __tablename__ = "delivery_attempts"
    __table_args__ = (inside_workspace("delivery_id", "deliveries"),)

    workspace_id: Mapped[Key]
    delivery_id: Mapped[Key]
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[At]
    duration_ms: Mapped[int]
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    excerpt: Mapped[str | None] = mapped_column(Text)
