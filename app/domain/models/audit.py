"""Who changed what, and the answers to writes that may come again."""

from typing import Any

from sqlalchemy import Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, Str, owned_by_workspace


class AuditEntry(Base):
    """One change of configuration or data by a person or a key, written in the transaction that made it."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        owned_by_workspace(),
        Index("ix_audit_entries_workspace_id_actor_id", "workspace_id", "actor", "id"),
        Index("ix_audit_entries_workspace_id_target_id", "workspace_id", "target", "id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    at: Mapped[At]
    actor: Mapped[Str]  # key_… or mem_…
    action: Mapped[Str]  # the operation's id
    target: Mapped[str | None] = mapped_column(Text)
    path: Mapped[str | None] = mapped_column(Text)
    request: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    details: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    request_id: Mapped[str | None] = mapped_column(Text)


class IdempotencyKey(Base):
    """The answer to a write that carried an Idempotency-Key. The id is made of caller, operation and key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        owned_by_workspace(),
        Index("ix_idempotency_keys_workspace_id_created_at", "workspace_id", "created_at"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int]
    answer: Mapped[Str]  # sealed: some answers show a secret once
    created_at: Mapped[At]
