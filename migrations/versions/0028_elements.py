"""Elements: what counts as one, and of which instances events have told.

Phase: expand. New tables only; nothing that runs today reads them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import veil, wall

revision = "0028_elements"
down_revision = "0027_metrics"
branch_labels = None
depends_on = None

ACCOUNT = (
    "exists (select from account_facts f where f.workspace_id = element_instances.workspace_id "
    "and f.account_id = element_instances.record_id)"
)
ORGANIZATION = (
    "exists (select from organizations o where o.workspace_id = element_instances.workspace_id "
    "and o.id = element_instances.record_id)"
)


def made(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def at(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def owned(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_workspace_id_workspaces"
    return sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "elements",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("definition", postgresql.JSONB(), nullable=False),
        sa.Column("counted_as", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        made("created_at"),
        made("updated_at"),
        at("archived_at"),
        owned("elements"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_elements"),
    )
    op.create_index(
        "uq_elements_slug",
        "elements",
        ["workspace_id", "slug"],
        unique=True,
        postgresql_where=sa.text("archived_at is null"),
    )
    op.create_table(
        "element_instances",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("element_id", sa.Uuid(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        at("enabled_at"),
        at("disabled_at"),
        at("first_at"),
        at("last_at"),
        owned("element_instances"),
        sa.PrimaryKeyConstraint("workspace_id", "record_id", "element_id", "instance", name="pk_element_instances"),
    )
    wall("elements")
    wall("element_instances")
    veil("element_instances", f"{ACCOUNT} or {ORGANIZATION}")


def downgrade() -> None:
    op.drop_table("element_instances")
    op.drop_table("elements")
