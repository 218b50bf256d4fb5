"""Surveys and NPS.

Phase: expand.
"""

revision = "0029_surveys"
down_revision = "0028_elements"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
