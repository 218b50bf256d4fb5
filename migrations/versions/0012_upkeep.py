"""Statistics for tables that just got their first rows; and functions with their owner's rights are for us alone.

Phase: expand. Safe while the previous release runs.
"""

from alembic import op

from migrations.walls import ROLE

revision = "0012_upkeep"
down_revision = "0011_inbox"
branch_labels = None
depends_on = None

# Never analysed since they were made, and no longer empty. Autovacuum comes by once a minute; until then the planner
# takes every workspace for ten rows, and keeps plans for that.
ANALYSE = """
create function steward_analyse_young_tables() returns integer
language plpgsql security definer
set search_path = public, pg_temp
as $$
declare
    young text;
    seen integer := 0;
begin
    for young in
        select relname from pg_class
        where relnamespace = 'public'::regnamespace and relkind = 'r' and reltuples < 0 and pg_relation_size(oid) > 0
            and relowner = (select oid from pg_roles where rolname = current_user)
        order by relname
    loop
        execute format('analyze public.%I', young);
        seen := seen + 1;
    end loop;
    return seen;
end
$$
"""
PRIVILEGED = (
    "steward_analyse_young_tables()",
    "steward_ensure_event_partitions(date, date)",
    "steward_drop_event_partition(date)",
    "steward_trim_event_default(timestamptz, integer)",
)


def upgrade() -> None:
    op.execute(ANALYSE)
    op.execute("alter function steward_ensure_event_partitions(date, date) set search_path = public, pg_temp")
    for function in PRIVILEGED:
        op.execute(f"revoke execute on function {function} from public")
        op.execute(f"grant execute on function {function} to {ROLE}")


def downgrade() -> None:
    for function in PRIVILEGED[1:]:
        op.execute(f"grant execute on function {function} to public")
    op.execute("alter function steward_ensure_event_partitions(date, date) set search_path = public")
    op.execute("drop function steward_analyse_young_tables()")
