"""Indicators, the alerts they raise, and definitions being applied to a whole workspace.

Phase: expand. New tables only; nothing that runs today reads them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0004_indicators"
down_revision = "0003_events"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "indicators",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("filter", postgresql.JSONB(), nullable=False),
        sa.Column("assignee", sa.Text(), server_default="nobody", nullable=False),
        sa.Column("assignee_member_id", sa.Uuid(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "assignee in ('csm', 'account_executive', 'member', 'nobody')", name=op.f("ck_indicators_assignee")
        ),
        sa.CheckConstraint("kind in ('risk', 'opportunity')", name=op.f("ck_indicators_kind")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_indicators_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_indicators"),
    )
    op.create_table(
        "reprocessings",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owners_changed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cursor", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('waiting', 'running', 'done', 'superseded')", name=op.f("ck_reprocessings_state")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_reprocessings_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_reprocessings"),
    )
    op.create_table(
        "alerts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("indicator_id", sa.Uuid(), nullable=False),
        sa.Column("indicator_version", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("assignee_member_id", sa.Uuid(), nullable=True),
        sa.Column("why", postgresql.JSONB(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("addressed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("addressed_note", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_why", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint("(state = 'resolved') = (resolved_at is not null)", name=op.f("ck_alerts_resolved_at")),
        sa.CheckConstraint("state in ('active', 'addressed', 'resolved')", name=op.f("ck_alerts_state")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_alerts_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "indicator_id"],
            ["indicators.workspace_id", "indicators.id"],
            name="fk_alerts_workspace_id_indicator_id_indicators",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_alerts"),
    )
    op.create_index(
        "ix_alerts_workspace_id_account_id_id", "alerts", ["workspace_id", "account_id", "id"], unique=False
    )
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["workspace_id", "indicator_id", "account_id"],
        unique=True,
        postgresql_where=sa.text("resolved_at is null"),
    )
    op.create_index("ix_alerts_open", "alerts", ["workspace_id", "id"], postgresql_where=sa.text("resolved_at is null"))
    wall("indicators")
    wall("alerts")
    wall("reprocessings")


def downgrade() -> None:
    op.drop_index("ix_alerts_open", table_name="alerts", postgresql_where=sa.text("resolved_at is null"))
    op.drop_index("uq_alerts_open", table_name="alerts", postgresql_where=sa.text("resolved_at is null"))
    op.drop_index("ix_alerts_workspace_id_account_id_id", table_name="alerts")
    op.drop_table("alerts")
    op.drop_table("reprocessings")
    op.drop_table("indicators")
