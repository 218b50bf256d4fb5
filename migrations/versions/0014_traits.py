"""Trait definitions, custom traits, trait history and the whole trait map.

Phase: expand.
"""

revision = "0014_traits"
down_revision = "0013_facts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
