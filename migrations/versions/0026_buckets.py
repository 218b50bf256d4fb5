"""Daily buckets of events.

Phase: expand.
"""

revision = "0026_buckets"
down_revision = "0025_computed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
