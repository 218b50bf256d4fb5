"""How members get in: sessions, invitations, the global table that finds whose they are; and data-access groups."""

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, Made, Ref, Str, inside_workspace, owned_by_workspace


class MemberLookup(Base):
    """SHA-256 of a session's or invitation's secret, or of an e-mail address -> whose it is.

    Global on purpose: it is read before the workspace is known. It holds no secret, no address and no name.
    """

    __tablename__ = "member_lookups"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        CheckConstraint("kind in ('session', 'invitation', 'email')", name="kind"),
        Index(None, "workspace_id", "subject_id"),
    )

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    workspace_id: Mapped[Key]
    kind: Mapped[Str]
    subject_id: Mapped[Ref]


class MemberSession(Base):
    """A member who signed in somewhere."""

    __tablename__ = "member_sessions"
    __table_args__ = (
        owned_by_workspace(),
        inside_workspace("member_id", "members"),
        Index(None, "workspace_id", "member_id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    member_id: Mapped[Ref]
    client: Mapped[Str | None]  # what the browser or program called itself, to recognise the session by
    created_at: Mapped[At]
    last_used_at: Mapped[At]
    expires_at: Mapped[At]


class Invitation(Base):
    """Someone is asked to sign in; the member exists already, so that work can be given to them."""

    __tablename__ = "invitations"
    __table_args__ = (
        owned_by_workspace(),
        inside_workspace("member_id", "members"),
        Index(None, "workspace_id", "member_id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    member_id: Mapped[Ref]
    invited_by: Mapped[Str]
    created_at: Mapped[At]
    expires_at: Mapped[At]
    accepted_at: Mapped[At | None]
    revoked_at: Mapped[At | None]


class AccessGroup(Base):
    """Those who may see the accounts that are restricted to them."""

    __tablename__ = "access_groups"
    __table_args__ = (
        owned_by_workspace(),
        Index("uq_access_groups_workspace_id_name", "workspace_id", text("lower(name)"), unique=True),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    name: Mapped[Str]
    created_at: Mapped[Made]


class GroupMember(Base):
    __tablename__ = "group_members"
    __table_args__ = (
        owned_by_workspace(),
        inside_workspace("group_id", "access_groups"),
        inside_workspace("member_id", "members"),
        Index(None, "workspace_id", "member_id"),
    )

    workspace_id: Mapped[Key]
    group_id: Mapped[Key]
    member_id: Mapped[Key]


class GroupAccount(Base):
    """An account that only members of some groups may see."""

    __tablename__ = "group_accounts"
    __table_args__ = (
        owned_by_workspace(),
        inside_workspace("group_id", "access_groups"),
        inside_workspace("account_id", "accounts"),
        Index(None, "workspace_id", "account_id"),
    )

    workspace_id: Mapped[Key]
    group_id: Mapped[Key]
    account_id: Mapped[Key]


class GroupParent(Base):
    """An organization that, with all its accounts, only members of some groups may see."""

    __tablename__ = "group_parents"
    __table_args__ = (
        owned_by_workspace(),
        inside_workspace("group_id", "access_groups"),
        inside_workspace("organization_id", "organizations"),
        Index(None, "workspace_id", "organization_id"),
    )

    workspace_id: Mapped[Key]
    group_id: Mapped[Key]
    organization_id: Mapped[Key]
