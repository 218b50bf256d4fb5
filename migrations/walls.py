"""The second wall between workspaces: row security on every table a workspace owns, written once."""

from alembic import op

ROLE = "steward_app"
MEMBER = "steward_member"

# The sub-select is evaluated once per statement and keeps indexes usable; nullif makes "unset" mean "no rows".
WORKSPACE = "(select nullif(current_setting('steward.workspace', true), '')::uuid)"
GROUPS = "(select nullif(current_setting('steward.groups', true), '')::uuid[])"
PUMP = "(select current_setting('steward.pump', true)) = 'on'"


def ensure_role() -> None:
    """The role requests run as: it owns nothing and cannot step over row security."""
    op.execute(
        f"""
        do $$ begin
            if not exists (select from pg_roles where rolname = '{ROLE}') then
                create role {ROLE} nologin nosuperuser nobypassrls;
            end if;
            -- since 16, making a role gives its administration but not the right to act as it
            if not pg_has_role(
                current_user, '{ROLE}',
                case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end
            ) then
                execute format('grant {ROLE} to %I', current_user);
            end if;
        exception when duplicate_object or unique_violation then null;
        end $$
        """
    )
    op.execute(f"grant usage on schema public to {ROLE}")


def ensure_member_role() -> None:
    """The role of members who may not see everything: all that the application's role may, behind veils."""
    op.execute(
        f"""
        do $$ begin
            if not exists (select from pg_roles where rolname = '{MEMBER}') then
                create role {MEMBER} nologin nosuperuser nobypassrls;
            end if;
            if not pg_has_role('{MEMBER}', '{ROLE}', 'member') then
                grant {ROLE} to {MEMBER};
            end if;
            if not pg_has_role(
                current_user, '{MEMBER}',
                case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end
            ) then
                execute format('grant {MEMBER} to %I', current_user);
            end if;
        exception when duplicate_object or unique_violation then null;
        end $$
        """
    )


def veil(table: str, seen: str) -> None:
    """Data-access groups: of this table, members see only the rows for which `seen` holds. Keys and admins see all."""
    op.execute(f"create policy veil on {table} as restrictive for select to {MEMBER} using ({seen})")


def unveil(table: str) -> None:
    """Take a veil away."""
    op.execute(f"drop policy veil on {table}")


def grant(table: str) -> None:
    """Let the application's role work with a table."""
    op.execute(f"grant select, insert, update, delete on {table} to {ROLE}")


def wall(table: str, *, key: str = "workspace_id", pump: bool = False) -> None:
    """Row security, forced on the owner too: a transaction sees its own workspace only.

    `pump` adds a second door for the queue tables, through which a worker finds out whose work is due.
    """
    grant(table)
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy workspace on {table} using ({key} = {WORKSPACE}) with check ({key} = {WORKSPACE})")
    if pump:
        op.execute(f"create policy pump on {table} using ({PUMP}) with check ({PUMP})")
