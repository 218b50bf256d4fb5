"""Room for what is derived: statuses with their dates, roles, segments; facts of users and organizations; a change log.

Phase: expand. New tables, and columns with constant defaults, which rewrite nothing; safe while the previous release
runs.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0013_facts"
down_revision = "0012_upkeep"
branch_labels = None
depends_on = None

ACCOUNT_COLUMNS = (
    "access_groups",
    "segments",
    "role_holders",
    "key_roles",
    "joined_at",
    "renews_at",
    "churned_at",
    "trial_ends_at",
    "status_since",
    "unconverted",
    "status_source",
    "organization_id",
)
OFTEN = {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"}


def at(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def made(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def plain(name: str, type_: sa.types.TypeEngine[Any], default: str) -> sa.Column[Any]:
    return sa.Column(name, type_, server_default=sa.text(default), nullable=False)


def ids(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False)


def key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def numbered() -> sa.Column[Any]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def status(default: str) -> list[sa.Column[Any]]:
    return [
        plain("status", sa.Text(), f"'{default}'"),
        plain("status_source", sa.Text(), "'default'"),
        at("status_since"),
    ]


def facts_of(subject: str, column: str, *columns: sa.Column[Any]) -> None:
    table = f"{column.removesuffix('_id')}_facts"
    op.create_table(
        table,
        key("workspace_id"),
        key(column),
        *columns,
        ids("segments"),
        at("next_check_at"),
        at("evaluated_at"),
        sa.ForeignKeyConstraint(
            ["workspace_id", column],
            [f"{subject}.workspace_id", f"{subject}.id"],
            name=f"fk_{table}_workspace_id_{column}_{subject}"[:63],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", column, name=f"pk_{table}"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        f"ix_{table}_due",
        table,
        ["workspace_id", "next_check_at"],
        postgresql_where=sa.text("next_check_at is not null"),
    )
    wall(table, pump=True)


def upgrade() -> None:
    op.add_column("workspaces", plain("watches_users", sa.Boolean(), "false"))
    op.add_column("account_facts", sa.Column("organization_id", sa.Uuid(), nullable=True))
    op.add_column("account_facts", plain("status_source", sa.Text(), "'default'"))
    op.add_column("account_facts", plain("unconverted", sa.Boolean(), "false"))
    for name in ("status_since", "trial_ends_at", "churned_at", "renews_at", "joined_at"):
        op.add_column("account_facts", at(name))
    op.add_column("account_facts", plain("key_roles", postgresql.JSONB(), "'{}'"))
    for name in ("role_holders", "segments", "access_groups"):
        op.add_column("account_facts", ids(name))
    facts_of("users", "user_id", *status("active"), at("deactivated_at"))
    facts_of(
        "organizations",
        "organization_id",
        *status("subscribed"),
        plain("unconverted", sa.Boolean(), "false"),
        at("trial_ends_at"),
        at("churned_at"),
        at("renews_at"),
        sa.Column("mrr", sa.Numeric(), nullable=True),
        plain("accounts", sa.BigInteger(), "0"),
        plain("users", sa.BigInteger(), "0"),
        at("first_seen_at"),
        at("last_seen_at"),
    )
    op.create_table(
        "dirty_records",
        key("workspace_id"),
        numbered(),
        sa.Column("subject", sa.Text(), nullable=False),
        key("record_id"),
        made("due_at"),
        plain("attempts", sa.Integer(), "0"),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("subject in ('users', 'organizations')", name=op.f("ck_dirty_records_subject")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_dirty_records_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_dirty_records"),
        postgresql_with=OFTEN,
    )
    op.create_index(
        "ix_dirty_records_failing",
        "dirty_records",
        ["workspace_id", "record_id"],
        postgresql_where=sa.text("attempts > 0"),
    )
    wall("dirty_records", pump=True)
    op.create_table(
        "account_changes",
        key("workspace_id"),
        numbered(),
        key("account_id"),
        plain("xid", sa.BigInteger(), "((pg_current_xact_id())::text)::bigint"),
        made("changed_at"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_account_changes_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_account_changes"),
    )
    op.create_index("ix_account_changes_workspace_id_xid", "account_changes", ["workspace_id", "xid"])
    op.create_index("ix_account_changes_changed_at", "account_changes", ["workspace_id", "changed_at"])
    wall("account_changes", pump=True)


def downgrade() -> None:
    for table in ("account_changes", "dirty_records", "organization_facts", "user_facts"):
        op.drop_table(table)
    for name in ACCOUNT_COLUMNS:
        op.drop_column("account_facts", name)
    op.drop_column("workspaces", "watches_users")
