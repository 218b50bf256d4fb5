"""Trait definitions, trait history, names by the traits map, and a map that may hold more fields.

Phase: expand. `accounts.name` stops being computed by PostgreSQL and is set by a trigger, which asks the traits map:
the previous release, which never writes it, goes on as it was.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0014_traits"
down_revision = "0013_facts"
branch_labels = None
depends_on = None

SUBJECTS = "subject in ('accounts', 'users', 'organizations')"

# The first mapped trait that is text or a number, and not blank; without a map, the trait `name` as it is.
NAME = """
create function steward_account_name(workspace uuid, traits jsonb) returns text
language plpgsql stable parallel safe
as $$
declare
    keys text[];
    found text;
begin
    select m.trait_keys into keys from trait_mappings m where m.workspace_id = workspace and m.field = 'name';
    if keys is null or keys = '{name}' then
        return traits ->> 'name';
    end if;
    select traits ->> k.key into found
    from unnest(keys) with ordinality as k (key, n)
    where jsonb_typeof(traits -> k.key) in ('string', 'number') and btrim(traits ->> k.key) <> ''
    order by k.n limit 1;
    return found;
end
$$
"""
NAMED = """
create function steward_name_account() returns trigger
language plpgsql
as $$
begin
    new.name := steward_account_name(new.workspace_id, new.traits);
    return new;
end
$$
"""

# What a trait was before a stamp. The row itself knows when its present value was said: most traits need no history.
TRAIT_BEFORE = """
create function steward_trait_before(
    workspace uuid, record uuid, traits jsonb, stamps jsonb, trait text, before numeric
) returns jsonb
language sql stable parallel safe
as $$
    select case
        when (stamps ->> trait)::numeric < before then nullif(traits -> trait, 'null')
        else (
            select nullif(h.patch -> trait, 'null') from trait_history h
            where h.workspace_id = workspace and h.record_id = record and h.stamp < before and h.patch ? trait
            order by h.stamp desc limit 1
        )
    end
$$
"""
FUNCTIONS = {
    "steward_account_name(uuid, jsonb)": NAME,
    "steward_name_account()": NAMED,
    "steward_trait_before(uuid, uuid, jsonb, jsonb, text, numeric)": TRAIT_BEFORE,
}


def word(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def upgrade() -> None:
    # The previous release writes the fields it knows, which the wider check lets through; a workspace has a few rows.
    op.execute(
        "-- squawk-ignore ban-drop-constraint\nalter table trait_mappings drop constraint ck_trait_mappings_field"
    )
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        "alter table trait_mappings add constraint ck_trait_mappings_field "
        "check (field ~ '^([a-z_]+|role:[a-z0-9_]+)$')"
    )
    op.create_table(
        "trait_definitions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        word("subject"),
        word("key"),
        word("label"),
        word("type"),
        sa.Column("options", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        word("editable_by"),
        sa.Column("custom", sa.Boolean(), nullable=False),
        word("description", nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(SUBJECTS, name=op.f("ck_trait_definitions_subject")),
        sa.CheckConstraint(
            "editable_by in ('admins_and_leaders', 'all_but_observers', 'nobody')",
            name=op.f("ck_trait_definitions_editable_by"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_trait_definitions_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "subject", "key", name="pk_trait_definitions"),
    )
    wall("trait_definitions")
    op.create_table(
        "trait_history",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("stamp", sa.Numeric(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        word("subject"),
        word("source"),
        sa.Column("patch", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(SUBJECTS, name=op.f("ck_trait_history_subject")),
        sa.PrimaryKeyConstraint("workspace_id", "record_id", "stamp", name="pk_trait_history"),
    )
    wall("trait_history", pump=True)
    for body in FUNCTIONS.values():
        op.execute(body)
    op.execute("-- squawk-ignore ban-drop-generated-expression\nalter table accounts alter column name drop expression")
    op.execute(
        "create trigger accounts_name before insert or update of traits on accounts "
        "for each row execute function steward_name_account()"
    )


def downgrade() -> None:
    op.execute("drop trigger accounts_name on accounts")
    op.execute("alter table accounts drop column name")
    op.execute("alter table accounts add column name text generated always as (traits ->> 'name') stored")
    for function in reversed(FUNCTIONS):
        op.execute(f"drop function {function}")
    for table in ("trait_history", "trait_definitions"):
        op.drop_table(table)
    op.execute("delete from trait_mappings where field not in ('owner', 'mrr', 'status')")
    op.drop_constraint(op.f("ck_trait_mappings_field"), "trait_mappings", type_="check")
    op.create_check_constraint("field", "trait_mappings", "field in ('owner', 'mrr', 'status')")
