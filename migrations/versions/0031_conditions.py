"""Conditions on events and backtests.

Phase: expand.
"""

revision = "0031_conditions"
down_revision = "0030_health"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
