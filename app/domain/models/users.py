"""Users: the people at the customer, the accounts they belong to, and the days they were active."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Computed, Date, Index, Numeric, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Json, Key, Made, Str, inside_workspace, owned_by_workspace


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        owned_by_workspace(),
        UniqueConstraint("workspace_id", "external_id"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    external_id: Mapped[Str]
    name: Mapped[str | None] = mapped_column(Text, Computed("traits ->> 'name'", persisted=True))
    email: Mapped[str | None] = mapped_column(Text, Computed("traits ->> 'email'", persisted=True))
    traits: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    trait_stamps: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Made]
    updated_at: Mapped[Made]


class UserActivity(Base):
    """What every event of a user moves. `sessions` counts the distinct UTC days in `user_days`."""

    __tablename__ = "user_activity"
    __table_args__ = (
        inside_workspace("user_id", "users"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    workspace_id: Mapped[Key]
    user_id: Mapped[Key]
    first_seen_at: Mapped[At | None]
    last_seen_at: Mapped[At | None]
    sessions: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    last_received_at: Mapped[At | None]  # the user wrote to the workspace's team
    last_sent_at: Mapped[At | None]  # the team wrote to the user


class UserFacts(Base):
    """What rules derived about a user. Only workspaces whose rules ask about users have rows here."""

    __tablename__ = "user_facts"
    __table_args__ = (
        inside_workspace("user_id", "users"),
        Index("ix_user_facts_due", "workspace_id", "next_check_at", postgresql_where=text("next_check_at is not null")),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    workspace_id: Mapped[Key]
    user_id: Mapped[Key]
    status: Mapped[Str] = mapped_column(server_default="active")
    status_source: Mapped[Str] = mapped_column(server_default="default")
    status_since: Mapped[At | None]
    deactivated_at: Mapped[At | None]
    segments: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    nps_score: Mapped[Decimal | None] = mapped_column(Numeric)
    nps_group: Mapped[str | None] = mapped_column(Text)
    nps_responded_at: Mapped[At | None]
    next_check_at: Mapped[At | None]
    evaluated_at: Mapped[At | None]


class UserDay(Base):
    """A UTC day on which a user was active: the exact ground of `sessions`."""

    __tablename__ = "user_days"
    __table_args__ = (inside_workspace("user_id", "users"),)

    workspace_id: Mapped[Key]
    user_id: Mapped[Key]
    day: Mapped[date] = mapped_column(Date, primary_key=True)


class Membership(Base):
    """A user belongs to an account (or did: `linked` is false after an unlink). The later `changed_at` wins."""

    __tablename__ = "memberships"
    __table_args__ = (
        inside_workspace("account_id", "accounts"),
        inside_workspace("user_id", "users"),
        Index(None, "workspace_id", "user_id"),
    )

    workspace_id: Mapped[Key]
    account_id: Mapped[Key]
    user_id: Mapped[Key]
    linked: Mapped[bool]
    changed_at: Mapped[At]
    first_linked_at: Mapped[At | None]
    last_active_on: Mapped[date | None] = mapped_column(Date)  # the last UTC day on which it did anything here
