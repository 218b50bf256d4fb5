"""Key roles of one's own, every change of who holds one, and what a mapped trait says of it.

Phase: expand. New tables, a column that may be null, and one constraint less: `key_roles.role` is no longer one of two.
Safe while the previous release runs, which goes on writing those two.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations.walls import wall

revision = "0016_key_roles"
down_revision = "0015_lifecycle"
branch_labels = None
depends_on = None


def key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def word(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def inside(table: str, column: str, of: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{of}.workspace_id", f"{of}.id"],
        name=f"fk_{table}_workspace_id_{column}_{of}",
        ondelete="CASCADE",
    )


def owned(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id"], ["workspaces.id"], name=f"fk_{table}_workspace_id_workspaces", ondelete="CASCADE"
    )


def upgrade() -> None:
    op.create_table(
        "roles",
        key("workspace_id"),
        word("slug"),
        word("label"),
        word("description", nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("slug ~ '^[a-z][a-z0-9_]{0,49}$'", name=op.f("ck_roles_slug")),
        owned("roles"),
        sa.PrimaryKeyConstraint("workspace_id", "slug", name="pk_roles"),
    )
    op.create_table(
        "key_role_changes",
        key("workspace_id"),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        key("account_id"),
        word("role"),
        sa.Column("from_member_id", sa.Uuid(), nullable=True),
        sa.Column("to_member_id", sa.Uuid(), nullable=True),
        word("source"),
        word("changed_by", nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        inside("key_role_changes", "account_id", "accounts"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_key_role_changes"),
    )
    op.create_index("ix_key_role_changes_account", "key_role_changes", ["workspace_id", "account_id", "id"])
    op.create_index(
        "ix_key_role_changes_turn",
        "key_role_changes",
        ["workspace_id", "role", "to_member_id", "id"],
        postgresql_where=sa.text("to_member_id is not null"),
    )
    op.create_table(
        "role_traits",
        key("workspace_id"),
        key("account_id"),
        word("role"),
        word("value", nullable=True),
        sa.Column("chosen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        word("chosen_with", nullable=True),
        word("problem", nullable=True),
        inside("role_traits", "account_id", "accounts"),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", "role", name="pk_role_traits"),
    )
    op.create_index(
        "ix_role_traits_awaited",
        "role_traits",
        ["workspace_id", sa.text("lower(value)")],
        postgresql_where=sa.text("problem is not null"),
    )
    for table in ("roles", "key_role_changes", "role_traits"):
        wall(table)
    op.add_column("key_roles", word("assigned_by", nullable=True))
    op.execute("-- squawk-ignore ban-drop-constraint\nalter table key_roles drop constraint ck_key_roles_role")


def downgrade() -> None:
    op.execute("delete from key_roles where role not in ('csm', 'account_executive')")
    op.create_check_constraint(op.f("ck_key_roles_role"), "key_roles", "role in ('csm', 'account_executive')")
    op.drop_column("key_roles", "assigned_by")
    for table in ("role_traits", "key_role_changes", "roles"):
        op.drop_table(table)
