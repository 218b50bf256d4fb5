"""Success metrics.

Phase: expand.
"""

revision = "0027_metrics"
down_revision = "0026_buckets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
