"""The durable inbox: messages acknowledged before they are applied.

Phase: expand. Safe while the previous release runs.
"""

revision = "0011_inbox"
down_revision = "0010_erasures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
