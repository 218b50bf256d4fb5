"""Key roles: which there are, who of the staff holds them, every change of that, and what mapped traits say of it.

Of accounts and, in tables of their own that look the same, of organizations.
"""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, Made, Ref, Str, inside_workspace, owned_by_workspace


class Role(Base):
    """A role of the workspace's own, or what it calls one of the two that every workspace has."""

    __tablename__ = "roles"
    __table_args__ = (owned_by_workspace(), CheckConstraint("slug ~ '^[a-z][a-z0-9_]{0,49}$'", name="slug"))

    workspace_id: Mapped[Key]
    slug: Mapped[str] = mapped_column(Text, primary_key=True)
    label: Mapped[Str]
    description: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Made]


class KeyRole(Base):
    """Who of the staff holds a role at an account."""

    __tablename__ = "key_roles"
    __table_args__ = (
        owned_by_workspace(),
        inside_workspace("account_id", "accounts"),
        inside_workspace("member_id", "members"),
        Index(None, "workspace_id", "member_id"),
    )

    workspace_id: Mapped[Key]
    account_id: Mapped[Key]
    role: Mapped[str] = mapped_column(Text, primary_key=True)
    member_id: Mapped[Ref]
    source: Mapped[Str]
    assigned_at: Mapped[At]
    assigned_by: Mapped[str | None] = mapped_column(Text)


class KeyRoleChange(Base):
    """A change of who holds a role at an account. The id counts up, so the greatest is the last."""

    __tablename__ = "key_role_changes"
    __table_args__ = (
        inside_workspace("account_id", "accounts"),
        Index("ix_key_role_changes_account", "workspace_id", "account_id", "id"),
        Index(
            "ix_key_role_changes_turn",
            "workspace_id",
            "role",
            "to_member_id",
            "id",
            postgresql_where=text("to_member_id is not null"),
        ),
    )

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[Ref]
    role: Mapped[Str]
    from_member_id: Mapped[UUID | None] = mapped_column(Uuid)
    to_member_id: Mapped[UUID | None] = mapped_column(Uuid)
    source: Mapped[Str]
    changed_by: Mapped[str | None] = mapped_column(Text)
    changed_at: Mapped[At]


class RoleTrait(Base):
    """What the mapped trait says of a role at an account, and the choice that stands against it.

    `chosen`: somebody chose a holder, or nobody, when the trait said `chosen_with`. `problem`: why the value names
    nobody who can hold the role.
    """

    __tablename__ = "role_traits"
    __table_args__ = (
        inside_workspace("account_id", "accounts"),
        Index(
            "ix_role_traits_awaited",
            "workspace_id",
            text("lower(value)"),
            postgresql_where=text("problem is not null"),
        ),
    )

    workspace_id: Mapped[Key]
    account_id: Mapped[Key]
    role: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[str | None] = mapped_column(Text)
    chosen: Mapped[bool] = mapped_column(server_default=text("false"))
    chosen_with: Mapped[str | None] = mapped_column(Text)
    problem: Mapped[str | None] = mapped_column(Text)


class OrganizationRole(Base):
    """Who of the staff holds a role at an organization itself; see `KeyRole`."""

    __tablename__ = "organization_roles"
    __table_args__ = (
        owned_by_workspace(),
        inside_workspace(
            "organization_id",
            "organizations",
            name="fk_organization_roles_workspace_id_organization_id_organization",
        ),
        inside_workspace("member_id", "members"),
        Index(None, "workspace_id", "member_id"),
    )

    workspace_id: Mapped[Key]
    organization_id: Mapped[Key]
    role: Mapped[str] = mapped_column(Text, primary_key=True)
    member_id: Mapped[Ref]
    source: Mapped[Str]
    assigned_at: Mapped[At]
    assigned_by: Mapped[str | None] = mapped_column(Text)


class OrganizationRoleChange(Base):
    """A change of who holds a role at an organization; see `KeyRoleChange`."""

    __tablename__ = "organization_role_changes"
    __table_args__ = (
        inside_workspace(
            "organization_id",
            "organizations",
            name="fk_organization_role_changes_workspace_id_organization_id_organ",
        ),
        Index("ix_organization_role_changes_record", "workspace_id", "organization_id", "id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    organization_id: Mapped[Ref]
    role: Mapped[Str]
    from_member_id: Mapped[UUID | None] = mapped_column(Uuid)
    to_member_id: Mapped[UUID | None] = mapped_column(Uuid)
    source: Mapped[Str]
    changed_by: Mapped[str | None] = mapped_column(Text)
    changed_at: Mapped[At]


class OrganizationRoleTrait(Base):
    """What the mapped trait says of a role at an organization; see `RoleTrait`."""

    __tablename__ = "organization_role_traits"
    __table_args__ = (
        inside_workspace(
            "organization_id",
            "organizations",
            name="fk_organization_role_traits_workspace_id_organization_id_organi",
        ),
        Index(
            "ix_organization_role_traits_awaited",
            "workspace_id",
            text("lower(value)"),
            postgresql_where=text("problem is not null"),
        ),
    )

    workspace_id: Mapped[Key]
    organization_id: Mapped[Key]
    role: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[str | None] = mapped_column(Text)
    chosen: Mapped[bool] = mapped_column(server_default=text("false"))
    chosen_with: Mapped[str | None] = mapped_column(Text)
    problem: Mapped[str | None] = mapped_column(Text)
