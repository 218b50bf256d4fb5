"""Bulk edits: what is done to many records at once, how far it has come, and what became of each record.

Phase: expand. New tables only; nothing that runs today reads them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0021_bulk_edits"
down_revision = "0020_hot_facts"
branch_labels = None
depends_on = None


def key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def word(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def at(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def upgrade() -> None:
    op.create_table(
        "bulk_edits",
        key("workspace_id"),
        key("id"),
        word("subject"),
        sa.Column("action", postgresql.JSONB(), nullable=False),
        sa.Column("filter", postgresql.JSONB(), nullable=True),
        word("state"),
        count("total"),
        count("done"),
        count("changed"),
        count("unchanged"),
        count("failed"),
        word("requested_by"),
        word("requested_role", nullable=True),
        word("error_code", nullable=True),
        word("error_detail", nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        at("started_at"),
        at("finished_at"),
        sa.CheckConstraint("subject in ('accounts', 'users', 'organizations')", name=op.f("ck_bulk_edits_subject")),
        sa.CheckConstraint(
            "state in ('waiting', 'running', 'done', 'cancelled', 'failed')", name=op.f("ck_bulk_edits_state")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_bulk_edits_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_bulk_edits"),
    )
    op.create_index(
        "uq_bulk_edits_running",
        "bulk_edits",
        ["workspace_id"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "bulk_edit_rows",
        key("workspace_id"),
        key("bulk_edit_id"),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        key("record_id"),
        word("outcome", nullable=True),
        word("code", nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "bulk_edit_id"],
            ["bulk_edits.workspace_id", "bulk_edits.id"],
            name="fk_bulk_edit_rows_workspace_id_bulk_edit_id_bulk_edits",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "bulk_edit_id", "position", name="pk_bulk_edit_rows"),
        postgresql_with={"fillfactor": "75"},
    )
    wall("bulk_edits")
    wall("bulk_edit_rows")


def downgrade() -> None:
    op.drop_table("bulk_edit_rows")
    op.drop_table("bulk_edits")
