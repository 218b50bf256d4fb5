"""Key roles and a traits map of organizations.

Phase: expand. New tables and columns with constant defaults; a check that lets more through; and `organizations.name`,
which a trigger sets from now on, as that of accounts: the previous release, which never writes it, goes on as it was.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations.walls import veil, wall

revision = "0031_parents"
down_revision = "0030_health"
branch_labels = None
depends_on = None

SEEN = "exists (select from organizations o where o.workspace_id = {0}.workspace_id and o.id = {0}.organization_id)"
TABLES = (
    "organization_roles",
    "organization_role_changes",
    "organization_role_traits",
)
COLUMNS = {
    "key_roles": "jsonb not null default '{}'",
    "role_holders": "uuid[] not null default '{}'",
    "csm_id": "uuid",
    "account_executive_id": "uuid",
    "joined_at": "timestamptz",
}
FIELD = "field ~ '^([a-z_]+|role:[a-z0-9_]+)$'"
WIDER = "field ~ '^(organization:)?([a-z_]+|role:[a-z0-9_]+)$'"

# The first mapped trait that is text or a number, and not blank; without a map, the trait `name` as it is.
NAME = """
create function steward_organization_name(workspace uuid, traits jsonb) returns text
language plpgsql stable parallel safe
as $$
declare
    keys text[];
    found text;
begin
    select m.trait_keys into keys from trait_mappings m
    where m.workspace_id = workspace and m.field = 'organization:name';
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
create function steward_name_organization() returns trigger
language plpgsql
as $$
begin
    new.name := steward_organization_name(new.workspace_id, new.traits);
    return new;
end
$$
"""
# The first mapped trait that is a number: what an organization says of its MRR itself.
MRR = """
create function steward_organization_mrr(workspace uuid, traits jsonb) returns numeric
language sql stable parallel safe
as $$
    select steward_number(traits -> k.key)
    from unnest(coalesce(
        (select m.trait_keys from trait_mappings m where m.workspace_id = workspace and m.field = 'organization:mrr'),
        '{mrr}'
    )) with ordinality as k (key, n)
    where steward_number(traits -> k.key) is not null
    order by k.n limit 1
$$
"""
# The name as it was before a stamp, by the map that is in force now.
NAME_BEFORE = """
create function steward_organization_name_before(
    workspace uuid, record uuid, traits jsonb, stamps jsonb, before numeric
) returns text
language sql stable parallel safe
as $$
    select steward_organization_name(workspace, jsonb_object_agg(
        k.key, steward_trait_before(workspace, record, traits, stamps, k.key, before)
    ))
    from unnest(coalesce(
        (select m.trait_keys from trait_mappings m where m.workspace_id = workspace and m.field = 'organization:name'),
        '{name}'
    )) as k (key)
$$
"""
# Of two flushes that give an account its first organization at once, the later sees no row until it overwrites it.
LEFT = """
create function steward_mark_left() returns trigger
language plpgsql
as $$
begin
    insert into dirty_records (workspace_id, subject, record_id)
    values (old.workspace_id, 'organizations', old.organization_id);
    return null;
end
$$
"""
FUNCTIONS = {
    "steward_organization_name(uuid, jsonb)": NAME,
    "steward_name_organization()": NAMED,
    "steward_organization_mrr(uuid, jsonb)": MRR,
    "steward_organization_name_before(uuid, uuid, jsonb, jsonb, numeric)": NAME_BEFORE,
    "steward_mark_left()": LEFT,
}
# Until now organizations followed the map of accounts in these: they go on so until somebody maps theirs.
COPIES = """
insert into trait_mappings (workspace_id, field, trait_keys, updated_at)
select workspace_id, 'organization:' || field, trait_keys, updated_at from trait_mappings
where field in ('mrr', 'status', 'renewal', 'trial_end', 'churn')
"""


def key(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def word(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def at(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def counted() -> sa.Column[Any]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def owned(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_workspace_id_workspaces"
    return sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=name, ondelete="CASCADE")


def inside(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{other}.workspace_id", f"{other}.id"],
        name=f"fk_{table}_workspace_id_{column}_{other}"[:63],  # PostgreSQL cuts it there
        ondelete="CASCADE",
    )


def primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("workspace_id", *columns, name=f"pk_{table}")


def upgrade() -> None:
    make_tables()
    for table in TABLES:
        wall(table)
        veil(table, SEEN.format(table))
    added = ", ".join(f"add column {name} {type_}" for name, type_ in COLUMNS.items())
    op.execute(f"alter table organization_facts {added}")
    map_traits()


def make_tables() -> None:
    op.create_table(
        "organization_roles",
        key("workspace_id"),
        key("organization_id"),
        word("role"),
        key("member_id"),
        word("source"),
        at("assigned_at"),
        word("assigned_by", nullable=True),
        owned("organization_roles"),
        inside("organization_roles", "organization_id", "organizations"),
        inside("organization_roles", "member_id", "members"),
        primary("organization_roles", "organization_id", "role"),
    )
    op.create_index("ix_organization_roles_workspace_id_member_id", "organization_roles", ["workspace_id", "member_id"])
    op.create_table(
        "organization_role_changes",
        key("workspace_id"),
        counted(),
        key("organization_id"),
        word("role"),
        key("from_member_id", nullable=True),
        key("to_member_id", nullable=True),
        word("source"),
        word("changed_by", nullable=True),
        at("changed_at"),
        inside("organization_role_changes", "organization_id", "organizations"),
        primary("organization_role_changes", "id"),
    )
    op.create_index(
        "ix_organization_role_changes_record", "organization_role_changes", ["workspace_id", "organization_id", "id"]
    )
    op.create_table(
        "organization_role_traits",
        key("workspace_id"),
        key("organization_id"),
        word("role"),
        word("value", nullable=True),
        sa.Column("chosen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        word("chosen_with", nullable=True),
        word("problem", nullable=True),
        inside("organization_role_traits", "organization_id", "organizations"),
        primary("organization_role_traits", "organization_id", "role"),
    )
    op.create_index(
        "ix_organization_role_traits_awaited",
        "organization_role_traits",
        ["workspace_id", sa.text("lower(value)")],
        postgresql_where=sa.text("problem is not null"),
    )


def map_traits() -> None:
    op.execute(
        "-- squawk-ignore ban-drop-constraint\nalter table trait_mappings drop constraint ck_trait_mappings_field"
    )
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"alter table trait_mappings add constraint ck_trait_mappings_field check ({WIDER})"
    )
    op.execute("alter table trait_mappings no force row level security")
    op.execute(COPIES)
    op.execute("alter table trait_mappings force row level security")
    for body in FUNCTIONS.values():
        op.execute(body)
    op.execute(
        "-- squawk-ignore ban-drop-generated-expression\nalter table organizations alter column name drop expression"
    )
    op.execute(
        "create trigger organizations_name before insert or update of traits on organizations "
        "for each row execute function steward_name_organization()"
    )
    op.execute(
        "create trigger account_parents_left after update on account_parents for each row "
        "when (old.organization_id is not null and old.organization_id is distinct from new.organization_id) "
        "execute function steward_mark_left()"
    )


def downgrade() -> None:
    op.execute("drop trigger account_parents_left on account_parents")
    op.execute("drop trigger organizations_name on organizations")
    op.execute("alter table organizations drop column name")
    op.execute("alter table organizations add column name text generated always as (traits ->> 'name') stored")
    for function in reversed(FUNCTIONS):
        op.execute(f"drop function {function}")
    op.execute("delete from trait_mappings where field like 'organization:%'")
    op.drop_constraint(op.f("ck_trait_mappings_field"), "trait_mappings", type_="check")
    op.create_check_constraint(op.f("ck_trait_mappings_field"), "trait_mappings", FIELD)
    op.execute(f"alter table organization_facts {', '.join(f'drop column {name}' for name in COLUMNS)}")
    for table in reversed(TABLES):
        op.drop_table(table)
