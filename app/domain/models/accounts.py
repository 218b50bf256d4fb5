"""Accounts: who the workspace's customers are, what is known of them, and the row every report reads.

Three tables by how often they move: `accounts` (traits), `account_activity` (every event), `account_facts` (derived).
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, Numeric, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import (
    At,
    Base,
    Json,
    Key,
    Made,
    Ref,
    Str,
    inside_workspace,
    owned_by_workspace,
)
from app.domain.models.figures import Figures


class Account(Base):
    __tablename__ = "accounts"
    __table_args__ = (
        owned_by_workspace(),
        UniqueConstraint("workspace_id", "external_id"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    external_id: Mapped[Str]
    name: Mapped[str | None] = mapped_column(Text)  # set by a trigger, by the traits map
    traits: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    trait_stamps: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Made]
    updated_at: Mapped[Made]


class AccountActivity(Base):
    """What every event moves; narrow so that moving it is cheap."""

    __tablename__ = "account_activity"
    __table_args__ = (
        inside_workspace("account_id", "accounts"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    workspace_id: Mapped[Key]
    account_id: Mapped[Key]
    first_seen_at: Mapped[At]
    last_seen_at: Mapped[At]
    events: Mapped[int] = mapped_column(BigInteger)


class AccountFacts(Figures, Base):
    """Everything derived about an account, in one row, so that reports filter and sort without joins.

    The `owner_*` columns are copies of the owner's facts, refreshed whenever the owner moves.
    """

    __tablename__ = "account_facts"
    __table_args__ = (
        inside_workspace("account_id", "accounts"),
        Index(None, "workspace_id", "owner_id"),
        Index(None, "workspace_id", "owner_last_seen_at", "account_id"),
        Index(None, "workspace_id", "mrr", "account_id"),
        Index(
            "ix_account_facts_due", "workspace_id", "next_check_at", postgresql_where=text("next_check_at is not null")
        ),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    workspace_id: Mapped[Key]
    account_id: Mapped[Key]
    status: Mapped[Str] = mapped_column(server_default="subscribed")
    mrr: Mapped[Decimal | None] = mapped_column(Numeric)
    users: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    first_seen_at: Mapped[At | None]
    last_seen_at: Mapped[At | None]
    events: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    csm_id: Mapped[Ref | None]
    account_executive_id: Mapped[Ref | None]
    organization_external_id: Mapped[str | None] = mapped_column(Text)
    owner_state: Mapped[Str] = mapped_column(server_default="none")
    owner_source: Mapped[str | None] = mapped_column(Text)
    owner_pending: Mapped[str | None] = mapped_column(Text)
    owner_since: Mapped[At | None]
    owner_id: Mapped[Ref | None]
    owner_external_id: Mapped[str | None] = mapped_column(Text)
    owner_name: Mapped[str | None] = mapped_column(Text)
    owner_email: Mapped[str | None] = mapped_column(Text)
    owner_joined_at: Mapped[At | None]
    owner_last_seen_at: Mapped[At | None]
    owner_sessions: Mapped[int | None] = mapped_column(BigInteger)
    owner_last_received_at: Mapped[At | None]
    owner_last_sent_at: Mapped[At | None]
    organization_id: Mapped[Ref | None]
    status_source: Mapped[Str] = mapped_column(server_default="default")
    status_since: Mapped[At | None]
    organization_status: Mapped[str | None] = mapped_column(Text)  # as far as it was handed down
    revenue: Mapped[Decimal | None] = mapped_column(Numeric)  # what the traits say of MRR now, and
    last_mrr: Mapped[Decimal | None] = mapped_column(Numeric)  # said last: churned accounts keep that
    unconverted: Mapped[bool] = mapped_column(server_default=text("false"))
    trial_ends_at: Mapped[At | None]
    churned_at: Mapped[At | None]
    renews_at: Mapped[At | None]
    joined_at: Mapped[At | None]
    key_roles: Mapped[Json] = mapped_column(server_default=text("'{}'"))  # holder's id by role
    role_holders: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    segments: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    access_groups: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    next_check_at: Mapped[At | None]
    evaluated_at: Mapped[At | None]


class AccountChange(Base):
    """That an account's facts were written, in which transaction: what copies of them in other engines catch up from.

    Who has seen all transactions below `xid` misses nothing by reading on from there.
    """

    __tablename__ = "account_changes"
    __table_args__ = (
        owned_by_workspace(),
        Index(None, "workspace_id", "xid"),
        Index("ix_account_changes_changed_at", "workspace_id", "changed_at"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[Ref]
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("((pg_current_xact_id())::text)::bigint"))
    changed_at: Mapped[Made]


class DirtyAccount(Base):
    """A promise to evaluate an account. Append-only on the ingest side, so marking never waits for an evaluator."""

    __tablename__ = "dirty_accounts"
    __table_args__ = (
        Index("ix_dirty_accounts_failing", "workspace_id", "account_id", postgresql_where=text("attempts > 0")),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"}},
    )

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[Ref]
    due_at: Mapped[Made]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(Text)


class OwnerClaim(Base):
    """Who the mapped trait named, and when: one row per change of value (runs keep their first and last row)."""

    __tablename__ = "owner_claims"
    __table_args__ = (inside_workspace("account_id", "accounts"),)

    workspace_id: Mapped[Key]
    account_id: Mapped[Key]
    trait_key: Mapped[str] = mapped_column(Text, primary_key=True)
    stamp: Mapped[Decimal] = mapped_column(Numeric, primary_key=True)
    value: Mapped[str | None] = mapped_column(Text)


class OwnerChoice(Base):
    """The latest decision of a person or an API client about an account's owner; no user means: nobody."""

    __tablename__ = "owner_choices"
    __table_args__ = (inside_workspace("account_id", "accounts"),)

    workspace_id: Mapped[Key]
    account_id: Mapped[Key]
    user_id: Mapped[Ref | None]
    source: Mapped[Str]
    chosen_at: Mapped[At]
    chosen_by: Mapped[str | None] = mapped_column(Text)


class OwnerChange(Base):
    """Owner history: written in the same transaction as the change."""

    __tablename__ = "owner_changes"
    __table_args__ = (
        inside_workspace("account_id", "accounts"),
        Index(None, "workspace_id", "account_id", "id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    account_id: Mapped[Ref]
    changed_at: Mapped[At]
    from_user_id: Mapped[Ref | None]
    to_user_id: Mapped[Ref | None]
    source: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[Str]
    trait_key: Mapped[str | None] = mapped_column(Text)
    trait_value: Mapped[str | None] = mapped_column(Text)
