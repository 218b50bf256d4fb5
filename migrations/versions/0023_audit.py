"""Idempotency keys and the audit log.

Phase: expand.
"""

revision = "0023_audit"
down_revision = "0022_mrr_history"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
