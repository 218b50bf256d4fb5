"""Traits: what each one is, and every word that was ever said of them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, Numeric, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import Base, Json, Key, Made, Str, owned_by_workspace

SUBJECTS = "subject in ('accounts', 'users', 'organizations')"


class TraitDefinition(Base):
    """What a trait is called, of which type it is said to be, and who may edit it. Data need not agree."""

    __tablename__ = "trait_definitions"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint(SUBJECTS, name="subject"),
        CheckConstraint("editable_by in ('admins_and_leaders', 'all_but_observers', 'nobody')", name="editable_by"),
    )

    workspace_id: Mapped[Key]
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    label: Mapped[Str]
    type: Mapped[Str]
    options: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    editable_by: Mapped[Str]
    custom: Mapped[bool]
    description: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Made]
    updated_at: Mapped[Made]


class TraitHistory(Base):
    """What one message said of a record's traits; null: cleared. The stamp is its instant, then a hash of the patch.

    No foreign keys, as events have none: each would be looked up for every message. Deleting a record or a workspace
    deletes its rows.
    """

    __tablename__ = "trait_history"
    __table_args__ = (CheckConstraint(SUBJECTS, name="subject"),)

    workspace_id: Mapped[Key]
    record_id: Mapped[Key]
    stamp: Mapped[Decimal] = mapped_column(Numeric, primary_key=True)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    subject: Mapped[Str]
    source: Mapped[Str]
    patch: Mapped[Json]
