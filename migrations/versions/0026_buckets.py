"""Events counted as they come: by day and user, and in all, for each thing that is counted.

Phase: expand. New tables, a function and columns that rewrite nothing; the previous release counts nothing, so what it
stored, and stores until it is gone, is counted by a job: in every workspace that does not say `is_counted`.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import veil, wall

revision = "0026_buckets"
down_revision = "0025_computed"
branch_labels = None
depends_on = None

# As `steward_join_senders`, and tells the version of what is looked for in events besides: after the wait, like that.
JOIN = """
create function steward_join_counters(workspace uuid) returns bigint[]
language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended(workspace::text, 0));
    return (select array[w.erasures, w.matchers] from workspaces w where w.id = workspace);
end
$$
"""
SEEN = (
    "exists (select from account_facts f where f.workspace_id = {0}.workspace_id and f.account_id = {0}.record_id) "
    "or exists (select from organizations o where o.workspace_id = {0}.workspace_id and o.id = {0}.record_id)"
)


def key(name: str, type_: Any = None) -> sa.Column[Any]:
    return sa.Column(name, type_ or sa.Uuid(), nullable=False)


def at(name: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), **more)


def owned(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_workspace_id_workspaces"
    return sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("matchers", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("workspaces", sa.Column("is_counted", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("memberships", sa.Column("last_active_on", sa.Date(), nullable=True))
    op.execute(JOIN)
    op.create_table(
        "measures",
        key("workspace_id"),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        key("name", sa.Text()),
        sa.Column("filter", postgresql.JSONB(), nullable=True),
        key("digest"),
        at("created_at", server_default=sa.text("now()"), nullable=False),
        owned("measures"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_measures"),
        sa.UniqueConstraint("workspace_id", "digest", name="uq_measures_workspace_id_digest"),
    )
    op.create_table(
        "measure_days",
        key("workspace_id"),
        key("record_id"),
        key("measure_id", sa.BigInteger()),
        key("day", sa.Date()),
        key("user_id"),
        key("count", sa.BigInteger()),
        sa.PrimaryKeyConstraint("workspace_id", "record_id", "measure_id", "day", "user_id", name="pk_measure_days"),
        postgresql_with={"fillfactor": "90"},
    )
    op.create_table(
        "measure_totals",
        key("workspace_id"),
        key("record_id"),
        key("measure_id", sa.BigInteger()),
        key("count", sa.BigInteger()),
        at("first_at", nullable=False),
        at("last_at", nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "record_id", "measure_id", name="pk_measure_totals"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "recounts",
        key("workspace_id"),
        key("id"),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("measures", postgresql.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("elements", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("reached", sa.Uuid(), nullable=True),
        at("reached_at", nullable=True),
        sa.Column("is_past_accounts", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        at("requested_at", server_default=sa.text("now()"), nullable=False),
        at("finished_at", nullable=True),
        owned("recounts"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_recounts"),
    )
    wall("measures")
    wall("recounts")
    for table in ("measure_days", "measure_totals"):
        wall(table)
        veil(table, SEEN.format(table))


def downgrade() -> None:
    for table in ("recounts", "measure_totals", "measure_days", "measures"):
        op.drop_table(table)
    op.execute("drop function steward_join_counters(uuid)")
    op.drop_column("memberships", "last_active_on")
    op.drop_column("workspaces", "is_counted")
    op.drop_column("workspaces", "matchers")
