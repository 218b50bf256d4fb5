"""Events as they happened, and the slim table that makes repeating a message harmless."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Json, Key, Made, Str


class Event(Base):
    """Range-partitioned by month of `occurred_at`; ids are made by the statement that also makes their parents."""

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "workspace_id", "account_id", "occurred_at"),
        Index("ix_events_received_at", "received_at", postgresql_using="brin"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    workspace_id: Mapped[Key]
    occurred_at: Mapped[At] = mapped_column(primary_key=True)
    id: Mapped[Key]
    account_id: Mapped[UUID | None] = mapped_column(Uuid)
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    organization_id: Mapped[UUID | None] = mapped_column(Uuid)
    name: Mapped[Str]
    properties: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    received_at: Mapped[Made]


class MessageReceipt(Base):
    """The 128-bit hash of every message id taken in, with a hash of its body to tell a repeat from a misuse."""

    __tablename__ = "message_receipts"
    __table_args__ = ({"postgresql_with": {"fillfactor": "100"}},)

    workspace_id: Mapped[Key]
    message_hash: Mapped[Key]
    body_hash: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[Made]
