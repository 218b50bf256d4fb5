"""Saved views: reports someone keeps, for themselves or for everyone."""

from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import Base, Key, Made, Str, owned_by_workspace


class View(Base):
    """A report as it was asked for. `owner` is the member (`mem_…`) or key (`key_…`) that made it."""

    __tablename__ = "views"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("subject in ('accounts', 'users', 'organizations')", name="subject"),
        CheckConstraint("scope in ('all', 'mine')", name="scope"),
        CheckConstraint("shared in ('private', 'shared')", name="shared"),
        Index(None, "workspace_id", "owner", "id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    subject: Mapped[Str]
    name: Mapped[Str]
    columns: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    filter: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    sort: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    group_by: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    aggregates: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    scope: Mapped[Str] = mapped_column(server_default="all")
    shared: Mapped[Str] = mapped_column(server_default="private")
    owner: Mapped[Str]
    pinned: Mapped[int | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[Made]
    updated_at: Mapped[Made]
