"""Lifecycle: the rules of each kind of record, what was decided by hand, and every change of a status.

`record_id` is an account, a user or an organization, as `subject` says; deleting one clears what is here.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, Made, Ref, Str, owned_by_workspace

SUBJECTS = "subject in ('accounts', 'users', 'organizations')"


class LifecycleRules(Base):
    """The rules of one subject as they were written. `version` goes up with every change."""

    __tablename__ = "lifecycle_rules"
    __table_args__ = (owned_by_workspace(), CheckConstraint(SUBJECTS, name="subject"))

    workspace_id: Mapped[Key]
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    rules: Mapped[dict[str, Any]] = mapped_column(JSONB)
    version: Mapped[int] = mapped_column(server_default=text("1"))
    updated_at: Mapped[Made]
    updated_by: Mapped[str | None] = mapped_column(Text)


class StatusChoice(Base):
    """A status somebody chose by hand, and what the rules said then; it ends when they come to say otherwise."""

    __tablename__ = "status_choices"
    __table_args__ = (owned_by_workspace(), CheckConstraint(SUBJECTS, name="subject"))

    workspace_id: Mapped[Key]
    record_id: Mapped[Key]
    subject: Mapped[Str]
    status: Mapped[Str]
    outcome: Mapped[Str]
    paid: Mapped[bool]
    revenue: Mapped[Decimal | None] = mapped_column(Numeric)
    chosen_at: Mapped[At]
    chosen_by: Mapped[str | None] = mapped_column(Text)


class StatusChange(Base):
    """Status history, written in the transaction of the change. Without `from_status` it is the first one known."""

    __tablename__ = "status_changes"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint(SUBJECTS, name="subject"),
        Index(None, "workspace_id", "record_id", "id"),
        Index(None, "workspace_id", "subject", "changed_at"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subject: Mapped[Str]
    record_id: Mapped[Ref]
    changed_at: Mapped[At]
    from_status: Mapped[str | None] = mapped_column(Text)
    to_status: Mapped[Str]
    unconverted: Mapped[bool] = mapped_column(server_default=text("false"))
    source: Mapped[Str]
    reason: Mapped[Str]
    changed_by: Mapped[str | None] = mapped_column(Text)
