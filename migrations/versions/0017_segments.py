"""Segments, the links that make membership, and its history.

Phase: expand. New tables only; nothing that runs today reads them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0017_segments"
down_revision = "0016_key_roles"
branch_labels = None
depends_on = None


def made(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def at(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def of_segment(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", "segment_id"],
        ["segments.workspace_id", "segments.id"],
        name=f"fk_{table}_workspace_id_segment_id_segments",
        ondelete="CASCADE",
    )


def upgrade() -> None:
    op.create_table(
        "segments",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("color", sa.Text(), nullable=True),
        sa.Column("filter", postgresql.JSONB(), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        made("created_at"),
        made("updated_at"),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("subject in ('accounts', 'users', 'organizations')", name=op.f("ck_segments_subject")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_segments_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_segments"),
    )
    op.create_index(
        "uq_segments_name",
        "segments",
        ["workspace_id", "subject", sa.text("lower(name)")],
        unique=True,
        postgresql_where=sa.text("archived_at is null"),
    )
    op.create_table(
        "segment_links",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        at("added_at"),
        sa.Column("added_by", sa.Text(), nullable=True),
        of_segment("segment_links"),
        sa.PrimaryKeyConstraint("workspace_id", "segment_id", "record_id", "source", name="pk_segment_links"),
    )
    op.create_table(
        "segment_exclusions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("sources", postgresql.ARRAY(sa.Text()), nullable=False),
        at("excluded_at"),
        sa.Column("excluded_by", sa.Text(), nullable=True),
        of_segment("segment_exclusions"),
        sa.PrimaryKeyConstraint("workspace_id", "segment_id", "record_id", name="pk_segment_exclusions"),
    )
    for table in ("segment_links", "segment_exclusions"):
        name = f"ix_{table}_workspace_id_record_id_segment_id"
        op.create_index(name, table, ["workspace_id", "record_id", "segment_id"])
    op.create_table(
        "segment_changes",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        at("at"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.CheckConstraint("change in ('entered', 'left')", name=op.f("ck_segment_changes_change")),
        of_segment("segment_changes"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_segment_changes"),
    )
    for columns in (["segment_id", "at", "id"], ["record_id", "segment_id", "at", "id"]):
        keys = ["workspace_id", *columns]
        op.create_index(f"ix_segment_changes_{'_'.join(keys)}", "segment_changes", keys)
    for table in ("segments", "segment_links", "segment_exclusions", "segment_changes"):
        wall(table)


def downgrade() -> None:
    for table in ("segment_changes", "segment_exclusions", "segment_links", "segments"):
        op.drop_table(table)
