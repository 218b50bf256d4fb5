"""Workspaces: one customer of Steward each, with the settings that shape its rules."""

from typing import Literal

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.domain.models.base import At, Base, Key, Made, Str, owned_by_workspace


class Workspace(Base):
    __tablename__ = "workspaces"
    __table_args__ = (
        CheckConstraint("owner_default_policy in ('none', 'first_user')", name="owner_default_policy"),
        CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'", name="slug"),
    )

    id: Mapped[Key]
    slug: Mapped[Str] = mapped_column(unique=True)
    name: Mapped[Str]
    owner_default_policy: Mapped[Literal["none", "first_user"]] = mapped_column(Text, server_default="none")
    conversation_tracking: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Made]
    watches_users: Mapped[bool] = mapped_column(server_default=text("false"))  # rules ask about users: mark who moves
    watches: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """Which changes rules about other records hear of; see `db.watching`."""
    erasures: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """How often anything was deleted or released: what processes remember of ids holds as long as this stays."""
    matchers: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """Moves with what is looked for in events; see `domain.matching`."""
    is_counted: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether no release that counts no events has stored any here."""
    event_retention_days: Mapped[int | None]
    """How long events are kept; null: as long as the installation keeps them."""
    seats: Mapped[int | None]
    """How many members besides observers may sign in; null: any number."""


class TraitMapping(Base):
    """One row per mapped field: the first of `trait_keys` that has a value feeds the field.

    The trait of a key role is the field `role:` and the role's name. Fields of organizations begin with
    `organization:`.
    """

    __tablename__ = "trait_mappings"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("field ~ '^(organization:)?([a-z_]+|role:[a-z0-9_]+)$'", name="field"),
    )

    workspace_id: Mapped[Key]
    field: Mapped[str] = mapped_column(Text, primary_key=True)
    trait_keys: Mapped[list[str]] = mapped_column(ARRAY(Text))
    updated_at: Mapped[Made]


class Member(Base):
    """Someone of the workspace's own staff: a CSM, an account executive, a colleague."""

    __tablename__ = "members"
    __table_args__ = (
        owned_by_workspace(),
        Index("uq_members_workspace_id_email", "workspace_id", text("lower(email)"), unique=True),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    email: Mapped[Str]
    name: Mapped[Str]
    created_at: Mapped[Made]
    deactivated_at: Mapped[At | None]
    role: Mapped[str] = mapped_column(Text, server_default="team_member")
    password_hash: Mapped[Str | None]
