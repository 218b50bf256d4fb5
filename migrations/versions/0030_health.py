"""Health scores.

Phase: expand.
"""

revision = "0030_health"
down_revision = "0029_surveys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
