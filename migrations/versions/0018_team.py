"""Roles of members, invitations, sessions and data-access groups.

Phase: expand. New tables, and columns with constant defaults, which rewrite nothing; safe while the previous release
runs.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import GROUPS, ensure_member_role, grant, unveil, veil, wall

revision = "0018_team"
down_revision = "0017_segments"
branch_labels = None
depends_on = None

TABLES = (
    "group_parents",
    "group_accounts",
    "group_members",
    "access_groups",
    "invitations",
    "member_sessions",
    "member_lookups",
)
GROUPED = (
    ("group_members", "member_id", "members"),
    ("group_accounts", "account_id", "accounts"),
    ("group_parents", "organization_id", "organizations"),
)


IN_GROUP = f"access_groups = '{{}}' or access_groups && {GROUPS}"
ACCOUNT = "exists (select from account_facts f where f.workspace_id = {0}.workspace_id and f.account_id = {0}.{1})"
USER = "exists (select from users u where u.workspace_id = {0}.workspace_id and u.id = {0}.{1})"
ORGANIZATION = "exists (select from organizations o where o.workspace_id = {0}.workspace_id and o.id = {0}.{1})"
SEEN = """exists (
    select from memberships m
    join account_facts f on f.workspace_id = m.workspace_id and f.account_id = m.account_id
    where m.workspace_id = users.workspace_id and m.user_id = users.id and m.linked)"""
SEEN_ABOVE = """exists (
    select from affiliations a
    join organizations o on o.workspace_id = a.workspace_id and o.id = a.organization_id
    where a.workspace_id = users.workspace_id and a.user_id = users.id)"""
BELONGING = f"{SEEN} or {SEEN_ABOVE}"
"""Who belongs to something one sees. Who belongs to nothing may have belonged to what one does not see."""
BY_ACCOUNT = (
    *("account_activity", "account_parents", "alerts", "group_accounts", "key_role_changes", "key_roles"),
    *("owner_changes", "owner_choices", "owner_claims", "role_traits"),
)
BY_USER = ("user_activity", "user_days", "user_facts")
BY_SUBJECT = ("status_changes", "status_choices", "trait_history")
BY_RECORD = ("segment_changes", "segment_exclusions", "segment_links")
"""What hangs on an account, a user, or on whatever it says, and is seen by those who see that."""
VEILED = (
    *("account_facts", "accounts", "organizations", "organization_facts", "users", "events", "custom_instances"),
    *(*BY_ACCOUNT, *BY_USER, *BY_SUBJECT, *BY_RECORD),
)


def key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def at(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def owned(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_workspace_id_workspaces"
    return sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=name, ondelete="CASCADE")


def inside(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{other}.workspace_id", f"{other}.id"],
        name=f"fk_{table}_workspace_id_{column}_{other}",
        ondelete="CASCADE",
    )


def primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("seats", sa.Integer(), nullable=True))
    op.add_column("members", sa.Column("role", sa.Text(), server_default="team_member", nullable=False))
    op.add_column("members", text("password_hash", nullable=True))
    none = sa.text("'{}'")
    column: sa.Column[Any] = sa.Column(
        "access_groups", postgresql.ARRAY(sa.Uuid()), server_default=none, nullable=False
    )
    op.add_column("organizations", column)
    people()
    groups()
    ensure_member_role()
    veils()


def people() -> None:
    op.create_table(
        "member_lookups",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        key("workspace_id"),
        text("kind"),
        key("subject_id"),
        sa.CheckConstraint("kind in ('session', 'invitation', 'email')", name=op.f("ck_member_lookups_kind")),
        owned("member_lookups"),
        primary("member_lookups", "hash", "workspace_id"),
    )
    index("member_lookups", "workspace_id", "subject_id")
    grant("member_lookups")
    op.create_table(
        "member_sessions",
        *(key("workspace_id"), key("id"), key("member_id"), text("client", nullable=True)),
        *(at("created_at"), at("last_used_at"), at("expires_at")),
        *(owned("member_sessions"), inside("member_sessions", "member_id", "members")),
        primary("member_sessions", "workspace_id", "id"),
    )
    index("member_sessions", "workspace_id", "member_id")
    wall("member_sessions")
    op.create_table(
        "invitations",
        *(key("workspace_id"), key("id"), key("member_id"), text("invited_by"), at("created_at"), at("expires_at")),
        *(at("accepted_at", nullable=True), at("revoked_at", nullable=True)),
        *(owned("invitations"), inside("invitations", "member_id", "members")),
        primary("invitations", "workspace_id", "id"),
    )
    index("invitations", "workspace_id", "member_id")
    wall("invitations")


def groups() -> None:
    op.create_table(
        "access_groups",
        *(key("workspace_id"), key("id"), text("name")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        owned("access_groups"),
        primary("access_groups", "workspace_id", "id"),
    )
    name = "uq_access_groups_workspace_id_name"
    op.create_index(name, "access_groups", ["workspace_id", sa.text("lower(name)")], unique=True)
    wall("access_groups")
    for name, column, other in GROUPED:
        op.create_table(
            name,
            *(key("workspace_id"), key("group_id"), key(column)),
            *(owned(name), inside(name, "group_id", "access_groups"), inside(name, column, other)),
            primary(name, "workspace_id", "group_id", column),
        )
        index(name, "workspace_id", column)
        wall(name)


def veils() -> None:
    """Until it is evaluated, nobody knows whose an account is: those who may not see everything do not see it."""
    veil("account_facts", f"evaluated_at is not null and ({IN_GROUP})")
    veil("organizations", IN_GROUP)
    veil("accounts", ACCOUNT.format("accounts", "id"))
    veil("users", BELONGING)
    veil("organization_facts", ORGANIZATION.format("organization_facts", "organization_id"))
    for table in ("events", "custom_instances"):
        account, organization = ACCOUNT.format(table, "account_id"), ORGANIZATION.format(table, "organization_id")
        veil(table, f"(account_id is null or {account}) and (organization_id is null or {organization})")
    for table in BY_ACCOUNT:
        veil(table, ACCOUNT.format(table, "account_id"))
    for table in BY_USER:
        veil(table, USER.format(table, "user_id"))
    for table in (*BY_SUBJECT, *BY_RECORD):
        account, user = ACCOUNT.format(table, "record_id"), USER.format(table, "record_id")
        organization = ORGANIZATION.format(table, "record_id")
        if table in BY_SUBJECT:
            veil(table, f"case subject when 'accounts' then {account} when 'users' then {user} else {organization} end")
        else:
            veil(table, f"{account} or {user} or {organization}")


def downgrade() -> None:
    for table in VEILED:
        unveil(table)
    op.drop_column("organizations", "access_groups")
    for table in TABLES:
        op.drop_table(table)
    op.drop_column("members", "password_hash")
    op.drop_column("members", "role")
    op.drop_column("workspaces", "seats")
