"""Indicators: the condition someone wants to hear about, and each time it came true for an account."""

from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.domain.models.base import At, Base, Json, Key, Made, Ref, Str, inside_workspace, owned_by_workspace


class Indicator(Base):
    __tablename__ = "indicators"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("kind in ('risk', 'opportunity')", name="kind"),
        CheckConstraint("assignee in ('csm', 'account_executive', 'member', 'nobody')", name="assignee"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    name: Mapped[Str]
    kind: Mapped[Str]
    filter: Mapped[Json]  # a filter tree, see domain/filters.py
    assignee: Mapped[Str] = mapped_column(server_default="nobody")
    assignee_member_id: Mapped[Ref | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[Made]
    updated_at: Mapped[Made]
    archived_at: Mapped[At | None]


class Alert(Base):
    """One time an indicator held for an account: active -> addressed -> resolved. At most one is open per pair."""

    __tablename__ = "alerts"
    __table_args__ = (
        inside_workspace("indicator_id", "indicators"),
        inside_workspace("account_id", "accounts"),
        CheckConstraint("state in ('active', 'addressed', 'resolved')", name="state"),
        CheckConstraint("(state = 'resolved') = (resolved_at is not null)", name="resolved_at"),
        Index(
            "uq_alerts_open",
            "workspace_id",
            "indicator_id",
            "account_id",
            unique=True,
            postgresql_where=text("resolved_at is null"),
        ),
        Index("ix_alerts_open", "workspace_id", "id", postgresql_where=text("resolved_at is null")),
        Index(None, "workspace_id", "account_id", "id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    indicator_id: Mapped[Ref]
    indicator_version: Mapped[int]
    account_id: Mapped[Ref]
    state: Mapped[Str]
    assignee_member_id: Mapped[Ref | None]
    why: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)  # each condition with the value it saw
    fired_at: Mapped[At]
    addressed_at: Mapped[At | None]
    addressed_note: Mapped[str | None] = mapped_column(Text)
    resolved_at: Mapped[At | None]
    resolved_why: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
