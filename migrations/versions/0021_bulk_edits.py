"""Bulk edits.

Phase: expand.
"""

revision = "0021_bulk_edits"
down_revision = "0020_hot_facts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
