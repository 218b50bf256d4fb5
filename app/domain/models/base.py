"""The mapping's common ground: naming convention, column shorthands, the workspace key every table leads with."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import DateTime, ForeignKeyConstraint, MetaData, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Key = Annotated[UUID, mapped_column(Uuid, primary_key=True)]
Ref = Annotated[UUID, mapped_column(Uuid)]
Str = Annotated[str, mapped_column(Text)]
At = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Made = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]


class Base(DeclarativeBase):
    """Every table of Steward."""

    metadata = MetaData(naming_convention=NAMING)


def owned_by_workspace() -> ForeignKeyConstraint:
    """The foreign key of every workspace-owned table: deleting a workspace takes its rows along."""
    return ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE")


def inside_workspace(column: str, table: str, *, name: str | None = None) -> ForeignKeyConstraint:
    """A reference that cannot leave the workspace: (workspace_id, column) -> table(workspace_id, id).

    `name` is only for one that the convention would give more than PostgreSQL's 63 characters: it is cut there.
    """
    return ForeignKeyConstraint(
        ["workspace_id", column], [f"{table}.workspace_id", f"{table}.id"], ondelete="CASCADE", name=name
    )
