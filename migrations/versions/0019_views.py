"""Saved views.

Phase: expand. A new table; nothing that runs today reads it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0019_views"
down_revision = "0018_team"
branch_labels = None
depends_on = None


def listed(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)


def made(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "views",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=True),
        sa.Column("filter", postgresql.JSONB(), nullable=True),
        listed("sort"),
        listed("group_by"),
        listed("aggregates"),
        sa.Column("scope", sa.Text(), server_default="all", nullable=False),
        sa.Column("shared", sa.Text(), server_default="private", nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        made("created_at"),
        made("updated_at"),
        sa.CheckConstraint("subject in ('accounts', 'users', 'organizations')", name=op.f("ck_views_subject")),
        sa.CheckConstraint("scope in ('all', 'mine')", name=op.f("ck_views_scope")),
        sa.CheckConstraint("shared in ('private', 'shared')", name=op.f("ck_views_shared")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_views_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_views"),
    )
    op.create_index("ix_views_workspace_id_owner_id", "views", ["workspace_id", "owner", "id"])
    wall("views")


def downgrade() -> None:
    op.drop_table("views")
