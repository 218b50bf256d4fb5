"""Organizations, the optional parents of accounts, and instances of custom objects."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Json, Key, Made, Ref, Str, inside_workspace, owned_by_workspace
from app.domain.models.figures import Figures


class Organization(Base):
    """What several accounts may belong to. `first_seen_at` and `last_seen_at` span the events that named it itself."""

    __tablename__ = "organizations"
    __table_args__ = (
        owned_by_workspace(),
        UniqueConstraint("workspace_id", "external_id"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    external_id: Mapped[Str]
    name: Mapped[str | None] = mapped_column(Text)  # a trigger sets it, by the traits map
    traits: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    trait_stamps: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    first_seen_at: Mapped[At | None]
    last_seen_at: Mapped[At | None]
    created_at: Mapped[Made]
    updated_at: Mapped[Made]
    access_groups: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))


class OrganizationFacts(Figures, Base):
    """Everything derived about an organization; `accounts`, `users` and mostly `mrr` are sums over its accounts."""

    __tablename__ = "organization_facts"
    __table_args__ = (
        inside_workspace(
            "organization_id",
            "organizations",
            name="fk_organization_facts_workspace_id_organization_id_organization",
        ),
        Index(
            "ix_organization_facts_due",
            "workspace_id",
            "next_check_at",
            postgresql_where=text("next_check_at is not null"),
        ),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    workspace_id: Mapped[Key]
    organization_id: Mapped[Key]
    status: Mapped[Str] = mapped_column(server_default="subscribed")
    status_source: Mapped[Str] = mapped_column(server_default="default")
    status_since: Mapped[At | None]
    unconverted: Mapped[bool] = mapped_column(server_default=text("false"))
    trial_ends_at: Mapped[At | None]
    churned_at: Mapped[At | None]
    renews_at: Mapped[At | None]
    joined_at: Mapped[At | None]
    csm_id: Mapped[Ref | None]
    account_executive_id: Mapped[Ref | None]
    key_roles: Mapped[Json] = mapped_column(server_default=text("'{}'"))  # holder's id by role
    role_holders: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    mrr: Mapped[Decimal | None] = mapped_column(Numeric)
    accounts: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    users: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    first_seen_at: Mapped[At | None]
    last_seen_at: Mapped[At | None]
    segments: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    told: Mapped[str | None] = mapped_column(Text)  # a digest of what its accounts last heard of it
    next_check_at: Mapped[At | None]
    evaluated_at: Mapped[At | None]


class DirtyRecord(Base):
    """A promise to evaluate a user or an organization; see `DirtyAccount`."""

    __tablename__ = "dirty_records"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("subject in ('users', 'organizations')", name="subject"),
        Index("ix_dirty_records_failing", "workspace_id", "record_id", postgresql_where=text("attempts > 0")),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"}},
    )

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subject: Mapped[Str]
    record_id: Mapped[Ref]
    due_at: Mapped[Made]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(Text)


class AccountParent(Base):
    """The organization an account belongs to, or that it belongs to none. Of two statements the greater stamp wins."""

    __tablename__ = "account_parents"
    __table_args__ = (
        inside_workspace("account_id", "accounts"),
        inside_workspace("organization_id", "organizations"),
        Index(None, "workspace_id", "organization_id", "account_id"),
    )

    workspace_id: Mapped[Key]
    account_id: Mapped[Key]
    organization_id: Mapped[Ref | None]
    stamp: Mapped[Decimal] = mapped_column(Numeric)


class Affiliation(Base):
    """A user belongs to an organization itself, not only to one of its accounts."""

    __tablename__ = "affiliations"
    __table_args__ = (
        inside_workspace("organization_id", "organizations"),
        inside_workspace("user_id", "users"),
        Index(None, "workspace_id", "user_id"),
    )

    workspace_id: Mapped[Key]
    organization_id: Mapped[Key]
    user_id: Mapped[Key]
    first_linked_at: Mapped[At]


class CustomInstance(Base):
    """An instance of a custom object, such as one ticket. Name and parents have stamps as traits have."""

    __tablename__ = "custom_instances"
    __table_args__ = (
        owned_by_workspace(),
        inside_workspace("account_id", "accounts"),
        inside_workspace("organization_id", "organizations"),
        UniqueConstraint("workspace_id", "custom_object", "external_id"),
        Index(None, "workspace_id", "custom_object", "id"),
        Index(None, "workspace_id", "account_id"),
        Index(None, "workspace_id", "organization_id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    custom_object: Mapped[Str]
    external_id: Mapped[Str]
    name: Mapped[str | None] = mapped_column(Text)
    name_stamp: Mapped[Decimal | None] = mapped_column(Numeric)
    account_id: Mapped[Ref | None]
    account_stamp: Mapped[Decimal | None] = mapped_column(Numeric)
    organization_id: Mapped[Ref | None]
    organization_stamp: Mapped[Decimal | None] = mapped_column(Numeric)
    traits: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    trait_stamps: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Made]
    updated_at: Mapped[Made]
