"""Bulk imports: one row per file with its progress, the parts of the file, and what was wrong with its rows."""

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.domain.models.base import At, Base, Json, Key, Made, Str, inside_workspace, owned_by_workspace

KNOWN_AND_OPEN = "sha256 is not null and state in ('uploading', 'checking', 'checked', 'running', 'failed')"


def _count() -> Mapped[int]:
    return mapped_column(BigInteger, server_default=text("0"))


class Import(Base):
    __tablename__ = "imports"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("kind in ('accounts', 'users', 'events', 'nps_responses')", name="kind"),
        CheckConstraint("format in ('csv', 'jsonl')", name="format"),
        CheckConstraint(
            "state in ('uploading', 'checking', 'checked', 'running', 'done', 'cancelled', 'failed')", name="state"
        ),
        # Whoever begins to send a file that is on its way already goes on with that import.
        Index(
            "uq_imports_open",
            "workspace_id",
            "kind",
            "sha256",
            unique=True,
            postgresql_where=text(KNOWN_AND_OPEN),
        ),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    kind: Mapped[Str]
    format: Mapped[Str]
    filename: Mapped[Str] = mapped_column(server_default="")
    sha256: Mapped[str | None] = mapped_column(Text)  # as the sender says
    mapping: Mapped[Json]
    null_text: Mapped[str | None] = mapped_column(Text)
    state: Mapped[Str] = mapped_column(server_default="uploading")
    parts: Mapped[int] = _count()
    bytes_total: Mapped[int] = _count()
    digest: Mapped[str | None] = mapped_column(Text)  # the SHA-256 of what is stored
    layout: Mapped[Json | None]
    bytes_done: Mapped[int] = _count()  # where the next row begins
    last_row: Mapped[int] = _count()
    broken: Mapped[int] = _count()
    skipping: Mapped[bool] = mapped_column(server_default=text("false"))
    rows_read: Mapped[int] = _count()
    accepted: Mapped[int] = _count()
    duplicates: Mapped[int] = _count()
    suppressed: Mapped[int] = _count()
    rejected: Mapped[int] = _count()
    errors_kept: Mapped[int] = _count()
    error_code: Mapped[str | None] = mapped_column(Text)
    error_detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Made]
    started_at: Mapped[At | None]
    finished_at: Mapped[At | None]


class ImportPart(Base):
    """A piece of a file. It does not hang on its import, so that deleting one need not wait for a gigabyte."""

    __tablename__ = "import_parts"
    __table_args__ = (owned_by_workspace(),)

    workspace_id: Mapped[Key]
    import_id: Mapped[Key]
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ImportFault(Base):
    __tablename__ = "import_errors"
    __table_args__ = (inside_workspace("import_id", "imports"),)

    workspace_id: Mapped[Key]
    import_id: Mapped[Key]
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    code: Mapped[Str]
    pointer: Mapped[str | None] = mapped_column(Text)
    column_name: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[Str]
    excerpt: Mapped[Str]
