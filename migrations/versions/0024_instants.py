"""Dates in traits stop at the calendar's ends: what an offset, 24:00 or rounding carries beyond, no program could read.

Phase: expand. The function gives every other value as before, and what it gave beyond the ends is put right, a row at a
time and by a look at the facts only; safe while the previous release runs.
"""

from alembic import op

revision = "0024_instants"
down_revision = "0023_audit"
branch_labels = None
depends_on = None

INSTANT = r"""
create or replace function steward_instant(value jsonb) returns timestamptz
language plpgsql immutable parallel safe
set timezone to 'UTC'
as $$
begin
    if jsonb_typeof(value) is distinct from 'string' or (value #>> '{{}}') !~
        '^\d{{4}}-\d{{2}}-\d{{2}}([T ]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d{{1,9}})?)?(Z|[-+]\d{{2}}:?\d{{2}})?)?$' then
        return null;
    end if;
    return {found};
exception when others then
    return null;
end
$$
"""
FIRST = "timestamptz '0001-01-01 00:00:00+00'"
LAST = "timestamptz '9999-12-31 23:59:59.999999+00'"
READ = "(value #>> '{}')::timestamptz"

# What is derived from dates in traits and kept.
KEPT = {
    "account_facts": ("trial_ends_at", "churned_at", "renews_at", "joined_at", "owner_joined_at"),
    "user_facts": ("deactivated_at",),
    "organization_facts": ("trial_ends_at", "churned_at", "renews_at"),
}


def upgrade() -> None:
    op.execute(INSTANT.format(found=f"least(greatest({READ}, {FIRST}), {LAST})"))
    op.execute("set local steward.pump = 'on'")  # an owner who is no superuser sees the rows through this door only
    for table, names in KEPT.items():
        put = ", ".join(
            f"{name} = case when {name} is not null then least(greatest({name}, {FIRST}), {LAST}) end" for name in names
        )
        beyond = " or ".join(f"{name} < {FIRST} or {name} > {LAST}" for name in names)
        op.execute(f"update {table} set {put} where {beyond}")  # noqa: S608 - constants


def downgrade() -> None:
    op.execute(INSTANT.format(found=READ))
