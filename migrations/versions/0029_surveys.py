"""Surveys, their responses and the days on which they were shown; imports of NPS responses.

Phase: expand. New tables, and a wider check of a small table: nothing that runs today refuses what it allows.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import veil, wall

revision = "0029_surveys"
down_revision = "0028_elements"
branch_labels = None
depends_on = None

USER = "exists (select from users u where u.workspace_id = {0}.workspace_id and u.id = {0}.user_id)"


def key(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def at(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def made(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def json(name: str, empty: str = "{}") -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text(f"'{empty}'"), nullable=False)


def inside(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{other}.workspace_id", f"{other}.id"],
        name=f"fk_{table}_workspace_id_{column}_{other}",
        ondelete="CASCADE",
    )


def upgrade() -> None:
    op.create_table(
        "surveys",
        *(key("workspace_id"), key("id"), text("slug"), text("kind"), text("name"), text("description", nullable=True)),
        *(json("texts"), json("display"), json("questions", "[]"), key("link_id")),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        *(made("created_at"), made("updated_at"), at("archived_at")),
        sa.CheckConstraint("kind in ('nps', 'custom')", name=op.f("ck_surveys_kind")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_surveys_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_surveys"),
    )
    live = sa.text("archived_at is null")
    op.create_index("uq_surveys_slug", "surveys", ["workspace_id", "slug"], unique=True, postgresql_where=live)
    op.create_index("uq_surveys_link_id", "surveys", ["workspace_id", "link_id"], unique=True)
    responses()
    op.create_table(
        "survey_showings",
        *(key("workspace_id"), key("survey_id"), key("user_id"), sa.Column("day", sa.Date(), nullable=False)),
        *(inside("survey_showings", "survey_id", "surveys"), inside("survey_showings", "user_id", "users")),
        sa.PrimaryKeyConstraint("workspace_id", "survey_id", "user_id", "day", name="pk_survey_showings"),
    )
    op.create_index("ix_survey_showings_workspace_id_user_id", "survey_showings", ["workspace_id", "user_id"])
    for table in ("surveys", "survey_responses", "survey_showings"):
        wall(table)
    for table in ("survey_responses", "survey_showings"):
        veil(table, USER.format(table))
    kinds("'accounts', 'users', 'events', 'nps_responses'")


def responses() -> None:
    table = "survey_responses"
    op.create_table(
        table,
        *(key("workspace_id"), key("id"), key("survey_id"), key("user_id"), text("external_id", nullable=True)),
        sa.Column("score", sa.SmallInteger(), nullable=True),
        *(text("feedback", nullable=True), json("answers"), at("responded_at"), at("dismissed_at")),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            sa.Computed("coalesce(responded_at, dismissed_at)", persisted=True),
            nullable=True,
        ),
        *(text("source"), made("created_at"), made("updated_at")),
        sa.CheckConstraint("score between 0 and 10", name=op.f("ck_survey_responses_score")),
        sa.CheckConstraint("num_nonnulls(responded_at, dismissed_at) = 1", name=op.f("ck_survey_responses_at")),
        sa.CheckConstraint("score is null or responded_at is not null", name=op.f("ck_survey_responses_scored")),
        *(inside(table, "survey_id", "surveys"), inside(table, "user_id", "users")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_survey_responses"),
    )
    op.create_index(
        "uq_survey_responses_external_id",
        table,
        ["workspace_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id is not null"),
    )
    op.create_index(
        "ix_survey_responses_scores",
        table,
        ["workspace_id", "user_id", "responded_at", "id"],
        postgresql_where=sa.text("score is not null"),
    )
    for columns in (["survey_id", "user_id"], ["user_id"], ["at", "id"]):
        keys = ["workspace_id", *columns]
        op.create_index(f"ix_{table}_{'_'.join(keys)}", table, keys)


def kinds(allowed: str) -> None:
    """Which kinds of rows an import may be of. The table has few rows: it is checked in no time."""
    op.execute("-- squawk-ignore ban-drop-constraint\nalter table imports drop constraint ck_imports_kind")
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        f"alter table imports add constraint ck_imports_kind check (kind in ({allowed}))"
    )


def downgrade() -> None:
    op.execute("alter table imports no force row level security")
    op.execute("delete from imports where kind = 'nps_responses'")
    op.execute("alter table imports force row level security")
    kinds("'accounts', 'users', 'events'")
    for table in ("survey_showings", "survey_responses", "surveys"):
        op.drop_table(table)
