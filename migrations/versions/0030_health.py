"""Health scores, the versions of their rules, and what they came to day by day.

Phase: expand. New tables only; nothing that runs today reads them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import veil, wall

revision = "0030_health"
down_revision = "0029_surveys"
branch_labels = None
depends_on = None

ACCOUNT = (
    "exists (select from account_facts f where f.workspace_id = health_days.workspace_id "
    "and f.account_id = health_days.record_id)"
)
ORGANIZATION = (
    "exists (select from organizations o where o.workspace_id = health_days.workspace_id "
    "and o.id = health_days.record_id)"
)


def key(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def word(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def json(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), nullable=False)


def at(name: str, *, nullable: bool = False, made: bool = False) -> sa.Column[Any]:
    default = sa.text("now()") if made else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def subject(table: str) -> tuple[sa.Column[Any], sa.CheckConstraint]:
    check = sa.CheckConstraint("subject in ('accounts', 'organizations')", name=op.f(f"ck_{table}_subject"))
    return word("subject"), check


def owned(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_workspace_id_workspaces"
    return sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "health_scores",
        key("workspace_id"),
        key("id"),
        *subject("health_scores"),
        word("slug"),
        word("name"),
        word("description", nullable=True),
        json("rules"),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        at("created_at", made=True),
        at("updated_at", made=True),
        at("archived_at", nullable=True),
        owned("health_scores"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_health_scores"),
    )
    op.create_index(
        "uq_health_scores_slug",
        "health_scores",
        ["workspace_id", "slug"],
        unique=True,
        postgresql_where=sa.text("archived_at is null"),
    )
    op.create_table(
        "health_score_versions",
        key("workspace_id"),
        key("score_id"),
        sa.Column("version", sa.Integer(), nullable=False),
        json("rules"),
        at("at"),
        word("changed_by", nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "score_id"],
            ["health_scores.workspace_id", "health_scores.id"],
            name="fk_health_score_versions_workspace_id_score_id_health_scores",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "score_id", "version", name="pk_health_score_versions"),
    )
    op.create_table(
        "health_days",
        key("workspace_id"),
        key("record_id"),
        sa.Column("day", sa.Date(), nullable=False),
        *subject("health_days"),
        at("at"),
        sa.Column("health", sa.Numeric(), nullable=True),
        word("health_label", nullable=True),
        json("scores"),
        json("inputs"),
        word("digest"),
        owned("health_days"),
        sa.PrimaryKeyConstraint("workspace_id", "record_id", "day", name="pk_health_days"),
    )
    for table in ("health_scores", "health_score_versions", "health_days"):
        wall(table)
    veil("health_days", f"case subject when 'accounts' then {ACCOUNT} else {ORGANIZATION} end")


def downgrade() -> None:
    for table in ("health_days", "health_score_versions", "health_scores"):
        op.drop_table(table)
