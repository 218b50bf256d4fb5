"""Organizations, the optional parents of accounts, and instances of custom objects."""

from decimal import Decimal
from typing import Any

from sqlalchemy import Computed, Index, Numeric, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Json, Key, Made, Ref, Str, inside_workspace, owned_by_workspace


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
    name: Mapped[str | None] = mapped_column(Text, Computed("traits ->> 'name'", persisted=True))
    traits: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    trait_stamps: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    first_seen_at: Mapped[At | None]
    last_seen_at: Mapped[At | None]
    created_at: Mapped[Made]
    updated_at: Mapped[Made]


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
