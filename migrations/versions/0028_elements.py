"""Elements.

Phase: expand.
"""

revision = "0028_elements"
down_revision = "0027_metrics"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
