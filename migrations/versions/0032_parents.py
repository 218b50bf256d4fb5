"""Key roles and the trait map of organizations.

Phase: expand.
"""

revision = "0032_parents"
down_revision = "0031_conditions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
