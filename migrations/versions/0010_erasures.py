"""Deleting people for good, who must not come back, and how long events and receipts are kept.

Phase: expand. Safe while the previous release runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import PUMP, wall

revision = "0010_erasures"
down_revision = "0009_imports"
branch_labels = None
depends_on = None

# A flush that waits here for a deletion must see what that has committed: a volatile function looks anew after the
# wait, whereas the statement around it still sees the time before.
JOIN = """
create function steward_join_senders(workspace uuid) returns bigint
language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended(workspace::text, 0));
    return (select w.erasures from workspaces w where w.id = workspace);
end
$$
"""

# Drops the oldest month that lies before `cutoff` as a whole; its name, or null when there is none.
DROP = """
create function steward_drop_event_partition(cutoff date) returns text
language plpgsql security definer
set search_path = public, pg_temp
as $$
declare
    oldest text;
begin
    select c.relname into oldest
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'events'::regclass and c.relname ~ '^events_[0-9]{4}_[0-9]{2}$'
        and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= cutoff
    order by c.relname limit 1;
    if oldest is not null then
        execute format('drop table %I', oldest);
    end if;
    return oldest;
end
$$
"""

# Events older than every partition wait in the default one, which is never dropped.
TRIM = """
create function steward_trim_event_default(cutoff timestamptz, most integer) returns integer
language plpgsql security definer
set search_path = public, pg_temp
as $$
declare
    gone integer;
begin
    delete from events_default where ctid = any(array(
        select e.ctid from events_default e where e.occurred_at < cutoff limit most));
    get diagnostics gone = row_count;
    return gone;
end
$$
"""


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("erasures", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("workspaces", sa.Column("event_retention_days", sa.Integer(), nullable=True))
    op.create_table(
        "suppressions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("disguise", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind in ('user', 'account')", name=op.f("ck_suppressions_kind")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_suppressions_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "disguise", name="pk_suppressions"),
    )
    op.create_index(
        "ix_suppressions_workspace_id_created_at_disguise",
        "suppressions",
        ["workspace_id", "created_at", "disguise"],
        unique=False,
    )
    op.create_table(
        "erasures",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("disguise", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("known_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stage", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cursor", postgresql.JSONB(), nullable=True),
        sa.Column("counts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('user', 'account')", name=op.f("ck_erasures_kind")),
        sa.CheckConstraint("state in ('waiting', 'running', 'done')", name=op.f("ck_erasures_state")),
        sa.CheckConstraint(
            "state <> 'done' or (subject_id is null and external_id is null and known_since is null)",
            name=op.f("ck_erasures_forgotten"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_erasures_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_workspace_id_disguise", "erasures", ["workspace_id", "disguise"], unique=False)
    wall("suppressions")
    wall("erasures")
    # Housekeeping asks which workspaces limit how long they keep events, and forgets receipts of all of them.
    op.execute(f"create policy pump on workspaces for select using ({PUMP})")
    op.execute(f"create policy pump on message_receipts using ({PUMP}) with check ({PUMP})")
    for body in (JOIN, DROP, TRIM):
        op.execute(body)


def downgrade() -> None:
    op.execute("drop function steward_trim_event_default(timestamptz, integer)")
    op.execute("drop function steward_drop_event_partition(date)")
    op.execute("drop function steward_join_senders(uuid)")
    op.execute("drop policy pump on message_receipts")
    op.execute("drop policy pump on workspaces")
    op.drop_index("ix_erasures_workspace_id_disguise", table_name="erasures")
    op.drop_table("erasures")
    op.drop_index("ix_suppressions_workspace_id_created_at_disguise", table_name="suppressions")
    op.drop_table("suppressions")
    op.drop_column("workspaces", "event_retention_days")
    op.drop_column("workspaces", "erasures")
