"""Deleted users and accounts: the deletions under way, and who must not come back."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Json, Key, Made, Str, owned_by_workspace


class Suppression(Base):
    """A deleted user or account, by a keyed hash of its external id; late messages about it are dropped."""

    __tablename__ = "suppressions"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("kind in ('user', 'account')", name="kind"),
        Index(None, "workspace_id", "created_at", "disguise"),
    )

    workspace_id: Mapped[Key]
    disguise: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    kind: Mapped[Str]
    created_at: Mapped[Made]


class Erasure(Base):
    """The deletion of one user or account. Whose it was is forgotten when it is done: the disguise stays."""

    __tablename__ = "erasures"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("kind in ('user', 'account')", name="kind"),
        CheckConstraint("state in ('waiting', 'running', 'done')", name="state"),
        CheckConstraint(
            "state <> 'done' or (subject_id is null and external_id is null and known_since is null)", name="forgotten"
        ),
        Index(None, "workspace_id", "disguise"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    kind: Mapped[Str]
    disguise: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[Str] = mapped_column(server_default="waiting")
    subject_id: Mapped[UUID | None] = mapped_column(Uuid)
    external_id: Mapped[str | None] = mapped_column(Text)
    known_since: Mapped[At | None]
    stage: Mapped[int] = mapped_column(server_default=text("0"))
    cursor: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    counts: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    requested_at: Mapped[At]
    finished_at: Mapped[At | None]
