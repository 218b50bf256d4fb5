"""Saved views.

Phase: expand.
"""

revision = "0019_views"
down_revision = "0018_team"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
