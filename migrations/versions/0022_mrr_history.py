"""What the filter language needs: how MRR moved, lists in traits, and who must hear of whose changes.

Phase: expand. A new table, a new function, and columns without or with a constant default, which rewrite nothing; safe
while the previous release runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0022_mrr_history"
down_revision = "0021_bulk_edits"
branch_labels = None
depends_on = None

# A trait as a list of texts in lower case: what an array holds of texts, numbers, true and false; or the one of these
# that it is. Numbers lose zeros at their end, so that 7 and 7.0 are one. Nothing where there is none.
LIST = """
create function steward_list(value jsonb) returns text[]
language sql immutable parallel safe
return (
    select array_agg(case jsonb_typeof(item)
        when 'number' then trim_scale((item #>> '{}')::numeric)::text
        else lower(item #>> '{}') end)
    from jsonb_array_elements(
        case when jsonb_typeof(value) = 'array' then value else jsonb_build_array(value) end
    ) as t (item)
    where jsonb_typeof(item) in ('string', 'number', 'boolean')
)
"""


def upgrade() -> None:
    op.execute(LIST)
    op.create_table(
        "mrr_changes",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mrr", sa.Numeric(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_mrr_changes_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", "changed_at", name="pk_mrr_changes"),
    )
    wall("mrr_changes")
    texts = postgresql.ARRAY(sa.Text())
    op.add_column("workspaces", sa.Column("watches", texts, server_default=sa.text("'{}'"), nullable=False))
    op.add_column("organization_facts", sa.Column("told", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("organization_facts", "told")
    op.drop_column("workspaces", "watches")
    op.drop_table("mrr_changes")
    op.execute("drop function steward_list(jsonb)")
