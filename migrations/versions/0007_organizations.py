"""Organizations, the optional parents of accounts, and instances of custom objects.

Phase: expand. New tables, and columns that are null in every row there is; safe while the previous release runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import wall

revision = "0007_organizations"
down_revision = "0006_key_settings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("organization_id", sa.Uuid(), nullable=True))
    op.add_column("account_facts", sa.Column("organization_external_id", sa.Text(), nullable=True))
    op.create_table(
        "organizations",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), sa.Computed("traits ->> 'name'", persisted=True), nullable=True),
        sa.Column("traits", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("trait_stamps", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_organizations_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_organizations"),
        sa.UniqueConstraint("workspace_id", "external_id", name="uq_organizations_workspace_id_external_id"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "account_parents",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("stamp", sa.Numeric(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_account_parents_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "organization_id"],
            ["organizations.workspace_id", "organizations.id"],
            name="fk_account_parents_workspace_id_organization_id_organizations",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "account_id", name="pk_account_parents"),
    )
    op.create_index(
        "ix_account_parents_workspace_id_organization_id_account_id",
        "account_parents",
        ["workspace_id", "organization_id", "account_id"],
        unique=False,
    )
    op.create_table(
        "affiliations",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("first_linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "organization_id"],
            ["organizations.workspace_id", "organizations.id"],
            name="fk_affiliations_workspace_id_organization_id_organizations",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["users.workspace_id", "users.id"],
            name="fk_affiliations_workspace_id_user_id_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "organization_id", "user_id", name="pk_affiliations"),
    )
    op.create_index("ix_affiliations_workspace_id_user_id", "affiliations", ["workspace_id", "user_id"], unique=False)
    op.create_table(
        "custom_instances",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("custom_object", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("name_stamp", sa.Numeric(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("account_stamp", sa.Numeric(), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("organization_stamp", sa.Numeric(), nullable=True),
        sa.Column("traits", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("trait_stamps", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_custom_instances_workspace_id_workspaces", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["accounts.workspace_id", "accounts.id"],
            name="fk_custom_instances_workspace_id_account_id_accounts",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "organization_id"],
            ["organizations.workspace_id", "organizations.id"],
            name="fk_custom_instances_workspace_id_organization_id_organizations",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_custom_instances"),
        sa.UniqueConstraint(
            "workspace_id",
            "custom_object",
            "external_id",
            name="uq_custom_instances_workspace_id_custom_object_external_id",
        ),
    )
    op.create_index(
        "ix_custom_instances_workspace_id_custom_object_id",
        "custom_instances",
        ["workspace_id", "custom_object", "id"],
        unique=False,
    )
    op.create_index(
        "ix_custom_instances_workspace_id_account_id", "custom_instances", ["workspace_id", "account_id"], unique=False
    )
    op.create_index(
        "ix_custom_instances_workspace_id_organization_id",
        "custom_instances",
        ["workspace_id", "organization_id"],
        unique=False,
    )
    wall("organizations")
    wall("account_parents")
    wall("affiliations")
    wall("custom_instances")


def downgrade() -> None:
    op.drop_table("custom_instances")
    op.drop_table("affiliations")
    op.drop_table("account_parents")
    op.drop_table("organizations")
    op.drop_column("account_facts", "organization_external_id")
    op.drop_column("events", "organization_id")
