"""How a key may be used: its rate and its way of taking messages in.

Phase: expand. Two columns with constant defaults, on both tables: the second is read before the workspace is known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006_key_settings"
down_revision = "0005_deliveries"
branch_labels = None
depends_on = None

TABLES = ("api_keys", "key_secrets")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("requests_per_minute", sa.Integer(), nullable=True))
        op.add_column(table, sa.Column("ingest_mode", sa.Text(), server_default="direct", nullable=False))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_column(table, "ingest_mode")
        op.drop_column(table, "requests_per_minute")
