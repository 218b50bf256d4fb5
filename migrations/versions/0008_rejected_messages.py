"""What was refused, kept with the reason until it is replayed or too old.

Phase: expand. Safe while the previous release runs: new tables only.
"""

import sqlalchemy as sa
from alembic import op

from migrations.walls import wall

revision = "0008_rejected_messages"
down_revision = "0007_organizations"
branch_labels = None
depends_on = None


def _of_workspace(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id"], ["workspaces.id"], name=f"fk_{table}_workspace_id_workspaces", ondelete="CASCADE"
    )


def upgrade() -> None:
    op.create_table(
        "rejected_messages",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "outcome in ('accepted', 'duplicate', 'conflict', 'rejected', 'suppressed')",
            name=op.f("ck_rejected_messages_outcome"),
        ),
        _of_workspace("rejected_messages"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_rejected_messages"),
        sa.UniqueConstraint("workspace_id", "source", "hash", name="uq_rejected_messages_workspace_id_source_hash"),
    )
    wall("rejected_messages")
    op.create_table(
        "rejected_counts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("refused", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("dropped", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _of_workspace("rejected_counts"),
        sa.PrimaryKeyConstraint("workspace_id", "day", "source", "code", name="pk_rejected_counts"),
    )
    wall("rejected_counts")
    op.create_table(
        "rejected_totals",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _of_workspace("rejected_totals"),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_rejected_totals"),
    )
    wall("rejected_totals", pump=True)  # housekeeping finds out here whose lists to look at


def downgrade() -> None:
    op.drop_table("rejected_totals")
    op.drop_table("rejected_counts")
    op.drop_table("rejected_messages")
