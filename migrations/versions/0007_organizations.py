"""Organizations, the optional parents of accounts, and instances of custom objects.

Phase: expand. Safe while the previous release runs.
"""

revision = "0007_organizations"
down_revision = "0006_key_settings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
