"""Accounts and users, what moves about them, how they belong together, and who owns an account.

Phase: expand. New tables only; nothing that runs today reads them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0002_accounts"
down_revision = "0001_workspaces"
branch_labels = None
depends_on = None

# A trait as a number: JSON numbers, and text that is one; otherwise nothing.
NUMBER = r"""
create function steward_number(value jsonb) returns numeric
language sql immutable parallel safe
return case
    when jsonb_typeof(value) = 'number' then (value #>> '{}')::numeric
    when jsonb_typeof(value) = 'string' and (value #>> '{}') ~ '^ *[-+]?[0-9]{1,30}(\.[0-9]{1,30})? *$'
        then (value #>> '{}')::numeric
end
"""

# A trait as an instant: ISO 8601 text (UTC where it names no offset); otherwise, as for bad dates, nothing.
INSTANT = r"""
create function steward_instant(value jsonb) returns timestamptz
language plpgsql immutable parallel safe
set timezone to 'UTC'
as $$
begin
    if jsonb_typeof(value) is distinct from 'string' or (value #>> '{}') !~
        '^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[-+]\d{2}:?\d{2})?)?$' then
        return null;
    end if;
    return (value #>> '{}')::timestamptz;
exception when others then
    return null;
end
$$
"""
FUNCTIONS = {
    "steward_number(jsonb)": NUMBER,
    "steward_instant(jsonb)": INSTANT,
}


def upgrade() -> None:
    for body in FUNCTIONS.values():
        op.execute(body)
    op.create_table(
        "dirty_accounts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_dirty_accounts"),
        postgresql_with={"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"},
    )
    op.create_index(
        "ix_dirty_accounts_failing",
        "dirty_accounts",
        ["workspace_id", "account_id"],
        unique=False,
        postgresql_where=sa.text("attempts > 0"),
    )
    op.create_table(
        "accounts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), sa.Computed("traits ->> 'name'", persisted=True), nullable=True),
        sa.Column("traits", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("trait_stamps", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_accounts_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_accounts"),
        sa.UniqueConstraint("workspace_id", "external_id", name="uq_accounts_workspace_id_external_id"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "users",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), sa.Computed("traits ->> 'name'", persisted=True), nullable=True),
        sa.Column("email", sa.Text(), sa.Computed("traits ->> 'email'", persisted=True), nullable=True),
        sa.Column("traits", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("trait_stamps", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_users_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_users"),
        sa.UniqueConstraint("workspace_id", "external_id", name="uq_users_workspace_id_external_id"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "account_activity",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_account_activity_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", name="pk_account_activity"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "account_facts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="subscribed", nullable=False),
        sa.Column("mrr", sa.Numeric(), nullable=True),
        sa.Column("users", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("csm_id", sa.Uuid(), nullable=True),
        sa.Column("account_executive_id", sa.Uuid(), nullable=True),
        sa.Column("owner_state", sa.Text(), server_default="none", nullable=False),
        sa.Column("owner_source", sa.Text(), nullable=True),
        sa.Column("owner_pending", sa.Text(), nullable=True),
        sa.Column("owner_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("owner_external_id", sa.Text(), nullable=True),
        sa.Column("owner_name", sa.Text(), nullable=True),
        sa.Column("owner_email", sa.Text(), nullable=True),
        sa.Column("owner_joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_sessions", sa.BigInteger(), nullable=True),
        sa.Column("owner_last_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_account_facts_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", name="pk_account_facts"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "ix_account_facts_due",
        "account_facts",
        ["workspace_id", "next_check_at"],
        unique=False,
        postgresql_where=sa.text("next_check_at is not null"),
    )
    op.create_index(
        "ix_account_facts_workspace_id_mrr_account_id",
        "account_facts",
        ["workspace_id", "mrr", "account_id"],
        unique=False,
    )
    op.create_index(
        "ix_account_facts_workspace_id_owner_id", "account_facts", ["workspace_id", "owner_id"], unique=False
    )
    op.create_index(
        "ix_account_facts_workspace_id_owner_last_seen_at_account_id",
        "account_facts",
        ["workspace_id", "owner_last_seen_at", "account_id"],
        unique=False,
    )
    op.create_table(
        "key_roles",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role in ('csm', 'account_executive')", name=op.f("ck_key_roles_role")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_key_roles_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "member_id"],
            ["members.workspace_id", "members.id"],
            name="fk_key_roles_workspace_id_member_id_members",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_key_roles_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", "role", name="pk_key_roles"),
    )
    op.create_index("ix_key_roles_workspace_id_member_id", "key_roles", ["workspace_id", "member_id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("linked", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_linked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_memberships_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["users.workspace_id", "users.id"],
            name="fk_memberships_workspace_id_user_id_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", "user_id", name="pk_memberships"),
    )
    op.create_index("ix_memberships_workspace_id_user_id", "memberships", ["workspace_id", "user_id"], unique=False)
    op.create_table(
        "owner_changes",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_user_id", sa.Uuid(), nullable=True),
        sa.Column("to_user_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("trait_key", sa.Text(), nullable=True),
        sa.Column("trait_value", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_owner_changes_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_owner_changes"),
    )
    op.create_index(
        "ix_owner_changes_workspace_id_account_id_id",
        "owner_changes",
        ["workspace_id", "account_id", "id"],
        unique=False,
    )
    op.create_table(
        "owner_choices",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chosen_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_owner_choices_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", name="pk_owner_choices"),
    )
    op.create_table(
        "owner_claims",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("trait_key", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Numeric(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_owner_claims_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", "trait_key", "stamp", name="pk_owner_claims"),
    )
    op.create_table(
        "user_activity",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sessions", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["users.workspace_id", "users.id"],
            name="fk_user_activity_workspace_id_user_id_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name="pk_user_activity"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "user_days",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["users.workspace_id", "users.id"],
            name="fk_user_days_workspace_id_user_id_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", "day", name="pk_user_days"),
    )
    wall("accounts")
    wall("account_activity")
    wall("account_facts", pump=True)
    wall("dirty_accounts", pump=True)
    wall("owner_claims")
    wall("owner_choices")
    wall("owner_changes")
    wall("key_roles")
    wall("users")
    wall("user_activity")
    wall("user_days")
    wall("memberships")


def downgrade() -> None:
    op.drop_table("user_days")
    op.drop_table("user_activity")
    op.drop_table("owner_claims")
    op.drop_table("owner_choices")
    op.drop_index("ix_owner_changes_workspace_id_account_id_id", table_name="owner_changes")
    op.drop_table("owner_changes")
    op.drop_index("ix_memberships_workspace_id_user_id", table_name="memberships")
    op.drop_table("memberships")
    op.drop_index("ix_key_roles_workspace_id_member_id", table_name="key_roles")
    op.drop_table("key_roles")
    op.drop_index("ix_account_facts_workspace_id_owner_last_seen_at_account_id", table_name="account_facts")
    op.drop_index("ix_account_facts_workspace_id_owner_id", table_name="account_facts")
    op.drop_index("ix_account_facts_workspace_id_mrr_account_id", table_name="account_facts")
    op.drop_index(
        "ix_account_facts_due", table_name="account_facts", postgresql_where=sa.text("next_check_at is not null")
    )
    op.drop_table("account_facts")
    op.drop_table("account_activity")
    op.drop_table("users")
    op.drop_table("accounts")
    op.drop_index("ix_dirty_accounts_failing", table_name="dirty_accounts", postgresql_where=sa.text("attempts > 0"))
    op.drop_table("dirty_accounts")
    for signature in reversed(FUNCTIONS):
        op.execute(f"drop function {signature}")
