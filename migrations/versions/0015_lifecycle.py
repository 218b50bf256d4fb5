"""Lifecycle rules and status history.

Phase: expand.
"""

revision = "0015_lifecycle"
down_revision = "0014_traits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
