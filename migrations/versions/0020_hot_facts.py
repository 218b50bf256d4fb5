"""Which traits and key roles reports ask for often enough to be kept in columns.

Phase: expand. A new table; nothing that runs today reads it.
"""

import sqlalchemy as sa
from alembic import op

from migrations.walls import wall

revision = "0020_hot_facts"
down_revision = "0019_views"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hot_facts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("reading", sa.Text(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("last_asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_hot_facts_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "subject", "path", "reading", name="pk_hot_facts"),
    )
    wall("hot_facts", pump=True)


def downgrade() -> None:
    op.drop_table("hot_facts")
