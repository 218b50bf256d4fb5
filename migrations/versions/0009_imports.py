"""Bulk imports: files, their progress and what was wrong with their rows.

Phase: expand. New tables only; nothing that runs today reads them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0009_imports"
down_revision = "0008_rejected_messages"
branch_labels = None
depends_on = None

OPEN = "state in ('uploading', 'checking', 'checked', 'running', 'failed')"


def count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), server_default="", nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("mapping", postgresql.JSONB(), nullable=False),
        sa.Column("null_text", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="uploading", nullable=False),
        count("parts"),
        count("bytes_total"),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("layout", postgresql.JSONB(), nullable=True),
        count("bytes_done"),
        count("last_row"),
        count("broken"),
        sa.Column("skipping", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        count("rows_read"),
        count("accepted"),
        count("duplicates"),
        count("suppressed"),
        count("rejected"),
        count("errors_kept"),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('accounts', 'users', 'events')", name=op.f("ck_imports_kind")),
        sa.CheckConstraint("format in ('csv', 'jsonl')", name=op.f("ck_imports_format")),
        sa.CheckConstraint(
            "state in ('uploading', 'checking', 'checked', 'running', 'done', 'cancelled', 'failed')",
            name=op.f("ck_imports_state"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_imports_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_imports"),
    )
    op.create_index(
        "uq_imports_open",
        "imports",
        ["workspace_id", "kind", "sha256"],
        unique=True,
        postgresql_where=sa.text(f"sha256 is not null and {OPEN}"),
    )
    op.create_table(
        "import_parts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_import_parts_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "import_id", "number", name="pk_import_parts"),
    )
    # Parts are written once, read once or twice and deleted: compressing them would cost more than it saves.
    op.execute("alter table import_parts alter column data set storage external")
    op.create_table(
        "import_errors",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=True),
        sa.Column("column_name", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "import_id"],
            ["imports.workspace_id", "imports.id"],
            name="fk_import_errors_workspace_id_import_id_imports",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "import_id", "number", name="pk_import_errors"),
    )
    wall("imports")
    wall("import_parts")
    wall("import_errors")


def downgrade() -> None:
    op.drop_table("import_errors")
    op.drop_table("import_parts")
    op.drop_index("uq_imports_open", table_name="imports")
    op.drop_table("imports")
