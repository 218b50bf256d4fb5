"""Events by month, and the receipts that make repeating a message harmless.

Phase: expand. New tables only; nothing that runs today reads them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0003_events"
down_revision = "0002_accounts"
branch_labels = None
depends_on = None

# One partition a month, made ahead of time by the owner of the table; what falls outside waits in the default one.
ENSURE = """
create function steward_ensure_event_partitions(first date, last date) returns integer
language plpgsql security definer
set search_path = public
as $$
declare
    month date := date_trunc('month', first);
    made integer := 0;
begin
    while month <= last loop
        if to_regclass(format('events_%s', to_char(month, 'YYYY_MM'))) is null then
            execute format(
                'create table %I partition of events for values from (%L) to (%L)',
                'events_' || to_char(month, 'YYYY_MM'),
                month || ' 00:00:00+00',
                (month + interval '1 month')::date || ' 00:00:00+00');
            made := made + 1;
        end if;
        month := month + interval '1 month';
    end loop;
    return made;
end
$$
"""


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("properties", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "occurred_at", "id", name="pk_events"),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_index("ix_events_received_at", "events", ["received_at"], unique=False, postgresql_using="brin")
    op.create_index(
        "ix_events_workspace_id_account_id_occurred_at",
        "events",
        ["workspace_id", "account_id", "occurred_at"],
        unique=False,
    )
    op.create_table(
        "message_receipts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("message_hash", sa.Uuid(), nullable=False),
        sa.Column("body_hash", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "message_hash", name="pk_message_receipts"),
        postgresql_with={"fillfactor": "100"},
    )
    op.execute("create table events_default partition of events default")
    op.execute(ENSURE)
    op.execute("select steward_ensure_event_partitions(current_date - 760, current_date + 100)")
    wall("events")
    wall("message_receipts")


def downgrade() -> None:
    op.drop_table("message_receipts")
    op.drop_index("ix_events_workspace_id_account_id_occurred_at", table_name="events")
    op.drop_index("ix_events_received_at", table_name="events", postgresql_using="brin")
    op.drop_table("events")
    op.execute("drop function steward_ensure_event_partitions(date, date)")
