"""The durable inbox: messages acknowledged before they are applied.

Phase: expand. A new table only; nothing that runs today reads it. Rows come and go by the thousand, so it is vacuumed
often. Parcels are read once, soon: compressing them would cost more than it saves.
"""

import sqlalchemy as sa
from alembic import op

from migrations.walls import wall

revision = "0011_inbox"
down_revision = "0010_erasures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("parcel", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_inbox_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_inbox"),
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0.01",
            "autovacuum_vacuum_cost_delay": "0",
            "toast.autovacuum_vacuum_scale_factor": "0.01",
            "toast.autovacuum_vacuum_cost_delay": "0",
        },
    )
    op.execute("alter table inbox alter column parcel set storage external")
    wall("inbox", pump=True)


def downgrade() -> None:
    op.drop_table("inbox")
