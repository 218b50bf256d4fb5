"""Deleting and suppressing people: who must not come back, and what is being deleted.

Phase: expand. Safe while the previous release runs.
"""

import sqlalchemy as sa
from alembic import op

from migrations.walls import wall

revision = "0010_erasures"
down_revision = "0009_imports"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("erasures", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "suppressions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("disguise", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind in ('user', 'account')", name=op.f("ck_suppressions_kind")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_suppressions_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "disguise", name="pk_suppressions"),
    )
    wall("suppressions")


def downgrade() -> None:
    op.drop_table("suppressions")
    op.drop_column("workspaces", "erasures")
