"""Success metrics: their equations, and what each was day by day.

Phase: expand. New tables, and columns with a constant default; nothing that runs today reads them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import veil, wall

revision = "0027_metrics"
down_revision = "0026_buckets"
branch_labels = None
depends_on = None

LIVE = sa.text("archived_at is null")
ACCOUNT = (
    "exists (select from account_facts f where f.workspace_id = metric_days.workspace_id "
    "and f.account_id = metric_days.record_id)"
)
ORGANIZATION = (
    "exists (select from organizations o where o.workspace_id = metric_days.workspace_id "
    "and o.id = metric_days.record_id)"
)


def made(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "metrics",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("subjects", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("equation", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("told_version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("history_days", sa.Integer(), nullable=False),
        *(made("created_at"), made("updated_at")),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_metrics_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_metrics"),
    )
    name = sa.text("lower(name)")
    op.create_index("uq_metrics_slug", "metrics", ["workspace_id", "slug"], unique=True, postgresql_where=LIVE)
    op.create_index("uq_metrics_name", "metrics", ["workspace_id", name], unique=True, postgresql_where=LIVE)
    op.create_table(
        "metric_days",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("metric_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("value", sa.Numeric(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_told", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "metric_id"],
            ["metrics.workspace_id", "metrics.id"],
            name="fk_metric_days_workspace_id_metric_id_metrics",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "record_id", "metric_id", "day", name="pk_metric_days"),
    )
    for table in ("account_facts", "organization_facts"):
        op.execute(f"alter table {table} add column metric_pasts jsonb not null default '{{}}'")
    wall("metrics")
    wall("metric_days")
    veil("metric_days", f"{ACCOUNT} or {ORGANIZATION}")


def downgrade() -> None:
    for table in ("account_facts", "organization_facts"):
        op.drop_column(table, "metric_pasts")
    op.drop_table("metric_days")
    op.drop_table("metrics")
