"""Segments, the links that make membership, and its history.

Phase: expand.
"""

revision = "0017_segments"
down_revision = "0016_key_roles"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
