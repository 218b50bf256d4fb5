"""How a key may be used: its rate and its way of taking messages in.

Phase: expand. Safe while the previous release runs.
"""

revision = "0006_key_settings"
down_revision = "0005_deliveries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
