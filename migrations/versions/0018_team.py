"""Roles of members, invitations, sessions and data-access groups.

Phase: expand.
"""

revision = "0018_team"
down_revision = "0017_segments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
