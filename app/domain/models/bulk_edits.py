"""Bulk edits: one row per edit with its progress, and one per record with what became of it."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.domain.models.base import At, Base, Json, Key, Made, Ref, Str, inside_workspace, owned_by_workspace


def _count() -> Mapped[int]:
    return mapped_column(BigInteger, server_default=text("0"))


class BulkEdit(Base):
    """`done` is the position up to which records were gone through: they have positions from 1 to `total`."""

    __tablename__ = "bulk_edits"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("subject in ('accounts', 'users', 'organizations')", name="subject"),
        CheckConstraint("state in ('waiting', 'running', 'done', 'cancelled', 'failed')", name="state"),
        Index("uq_bulk_edits_running", "workspace_id", unique=True, postgresql_where=text("state = 'running'")),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    subject: Mapped[Str]
    action: Mapped[Json]
    filter: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    state: Mapped[Str]
    total: Mapped[int] = _count()
    done: Mapped[int] = _count()
    changed: Mapped[int] = _count()
    unchanged: Mapped[int] = _count()
    failed: Mapped[int] = _count()
    requested_by: Mapped[Str]
    requested_role: Mapped[str | None] = mapped_column(Text)  # of the member who asked; null: a key
    error_code: Mapped[str | None] = mapped_column(Text)
    error_detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Made]
    started_at: Mapped[At | None]
    finished_at: Mapped[At | None]


class BulkEditRow(Base):
    __tablename__ = "bulk_edit_rows"
    __table_args__ = (
        inside_workspace("bulk_edit_id", "bulk_edits"),
        {"postgresql_with": {"fillfactor": "75"}},
    )

    workspace_id: Mapped[Key]
    bulk_edit_id: Mapped[Key]
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_id: Mapped[Ref]
    outcome: Mapped[str | None] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
