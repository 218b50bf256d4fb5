"""API keys: what a workspace sees of them, and the global table that finds the workspace behind a secret."""

from sqlalchemy import ForeignKeyConstraint, Index
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import LargeBinary, Text

from app.domain.models.base import At, Base, Key, Made, Ref, Str, owned_by_workspace


class ApiKey(Base):
    __tablename__ = "api_keys"
    __table_args__ = (owned_by_workspace(),)

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    name: Mapped[Str]
    hint: Mapped[Str]  # the first characters of the newest secret, to recognise it by
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[Made]
    rotated_at: Mapped[At | None]
    expires_at: Mapped[At | None]
    revoked_at: Mapped[At | None]
    last_used_at: Mapped[At | None]
    requests_per_minute: Mapped[int | None]
    ingest_mode: Mapped[Str] = mapped_column(server_default="direct")


class KeySecret(Base):
    """SHA-256 of a live secret -> its key. Global on purpose: it is read before the workspace is known."""

    __tablename__ = "key_secrets"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "key_id"], ["api_keys.workspace_id", "api_keys.id"], ondelete="CASCADE"),
        Index(None, "workspace_id", "key_id"),
    )

    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    workspace_id: Mapped[Ref]
    key_id: Mapped[Ref]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[At | None]
    requests_per_minute: Mapped[int | None]
    ingest_mode: Mapped[Str] = mapped_column(server_default="direct")
