"""Which traits are hot enough to be kept in columns.

Phase: expand.
"""

revision = "0020_hot_facts"
down_revision = "0019_views"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
