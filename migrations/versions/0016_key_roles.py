"""Custom key roles, their history and capacity.

Phase: expand.
"""

revision = "0016_key_roles"
down_revision = "0015_lifecycle"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
