"""What was refused, kept with the reason until it is replayed or too old.

Phase: expand. Safe while the previous release runs.
"""

revision = "0008_rejected_messages"
down_revision = "0007_organizations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
