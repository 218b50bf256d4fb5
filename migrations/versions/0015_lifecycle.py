"""Lifecycle rules, what is decided by hand, status history; and room to evaluate users and organizations.

Phase: expand. New tables, nullable columns, and one with a constant default; safe while the previous release runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0015_lifecycle"
down_revision = "0014_traits"
branch_labels = None
depends_on = None

SUBJECTS = "subject in ('accounts', 'users', 'organizations')"


def owned(table: str) -> list[sa.Constraint]:
    return [
        sa.CheckConstraint(SUBJECTS, name=op.f(f"ck_{table}_subject")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=f"fk_{table}_workspace_id_workspaces", ondelete="CASCADE"
        ),
    ]


def upgrade() -> None:
    op.create_table(
        "lifecycle_rules",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=True),
        *owned("lifecycle_rules"),
        sa.PrimaryKeyConstraint("workspace_id", "subject", name="pk_lifecycle_rules"),
    )
    op.create_table(
        "status_choices",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("paid", sa.Boolean(), nullable=False),
        sa.Column("revenue", sa.Numeric(), nullable=True),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chosen_by", sa.Text(), nullable=True),
        *owned("status_choices"),
        sa.PrimaryKeyConstraint("workspace_id", "record_id", name="pk_status_choices"),
    )
    op.create_table(
        "status_changes",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("unconverted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=True),
        *owned("status_changes"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_status_changes"),
    )
    for columns in (["record_id", "id"], ["subject", "changed_at"]):
        keys = ["workspace_id", *columns]
        op.create_index(f"ix_status_changes_{'_'.join(keys)}", "status_changes", keys)
    for table in ("lifecycle_rules", "status_choices", "status_changes"):
        wall(table)
    # What of the organization's status was handed down, so that whoever evaluates it sees which accounts lag behind;
    # and what the traits say of MRR now and said last: churned accounts keep the last, which rules do not take for now.
    op.add_column("account_facts", sa.Column("organization_status", sa.Text(), nullable=True))
    for name in ("revenue", "last_mrr"):
        op.add_column("account_facts", sa.Column(name, sa.Numeric(), nullable=True))
    op.add_column(
        "reprocessings", sa.Column("subject", sa.Text(), server_default=sa.text("'accounts'"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("reprocessings", "subject")
    for name in ("last_mrr", "revenue", "organization_status"):
        op.drop_column("account_facts", name)
    for table in ("status_changes", "status_choices", "lifecycle_rules"):
        op.drop_table(table)
