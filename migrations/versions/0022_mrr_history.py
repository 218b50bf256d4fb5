"""How MRR moved.

Phase: expand.
"""

revision = "0022_mrr_history"
down_revision = "0021_bulk_edits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
