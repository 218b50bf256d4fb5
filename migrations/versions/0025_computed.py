"""Columns for what is worked out of events, answers and rules, beside accounts and organizations.

Phase: expand. New columns with constant defaults only; safe while the previous release runs.
"""

from alembic import op

revision = "0025_computed"
down_revision = "0024_instants"
branch_labels = None
depends_on = None

COMPUTED = {
    "active_users": "bigint not null default 0",
    "active_user_share": "numeric",
    "last_received_at": "timestamptz",
    "last_sent_at": "timestamptz",
    "elements": "jsonb not null default '{}'",
    "element_firsts": "jsonb not null default '{}'",
    "element_lasts": "jsonb not null default '{}'",
    "elements_used": "bigint not null default 0",
    "nps": "numeric",
    "nps_responses": "bigint not null default 0",
    "nps_promoters": "bigint not null default 0",
    "nps_passives": "bigint not null default 0",
    "nps_detractors": "bigint not null default 0",
    "nps_last_at": "timestamptz",
    "metrics": "jsonb not null default '{}'",
    "metric_changes": "jsonb not null default '{}'",
    "health": "numeric",
    "health_label": "text",
    "health_scores": "jsonb not null default '{}'",
    "health_labels": "jsonb not null default '{}'",
}
TABLES = {
    "account_facts": COMPUTED,
    "organization_facts": COMPUTED,
    "user_facts": {"nps_score": "numeric", "nps_group": "text", "nps_responded_at": "timestamptz"},
}


def upgrade() -> None:
    for table, columns in TABLES.items():
        added = ", ".join(f"add column {name} {type_}" for name, type_ in columns.items())
        op.execute(f"alter table {table} {added}")


def downgrade() -> None:
    for table, columns in TABLES.items():
        op.execute(f"alter table {table} {', '.join(f'drop column {name}' for name in columns)}")
