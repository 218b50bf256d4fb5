"""What was refused, and how much of it."""

from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, Ref, Str, owned_by_workspace


class RejectedMessage(Base):
    """An item that was refused, with the reason. The same item refused again counts in `times`.

    `item` is text, since it may hold what `jsonb` cannot; where it is not `whole`, it is the beginning.
    """

    __tablename__ = "rejected_messages"
    __table_args__ = (
        owned_by_workspace(),
        UniqueConstraint("workspace_id", "source", "hash"),
        CheckConstraint("outcome in ('accepted', 'duplicate', 'conflict', 'rejected', 'suppressed')", name="outcome"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    source: Mapped[Str]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[Ref | None]
    code: Mapped[Str]
    detail: Mapped[Str]
    pointer: Mapped[str | None] = mapped_column(Text)
    message_id: Mapped[str | None] = mapped_column(Text)
    item: Mapped[Str]
    whole: Mapped[bool]
    size: Mapped[int]  # bytes of `item`
    first_at: Mapped[At]
    last_at: Mapped[At]
    times: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    tried_at: Mapped[At | None]
    outcome: Mapped[str | None] = mapped_column(Text)  # of the latest replay
    replayed_at: Mapped[At | None]  # when a replay was taken: it is settled


class RejectedCount(Base):
    """How many items were refused on a day, and how many dropped unread to keep within bounds. Outlives the items."""

    __tablename__ = "rejected_counts"
    __table_args__ = (owned_by_workspace(),)

    workspace_id: Mapped[Key]
    day: Mapped[date] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    refused: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    dropped: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class RejectedTotal(Base):
    """How much a workspace has in its list now, so that the bounds are checked without counting."""

    __tablename__ = "rejected_totals"
    __table_args__ = (owned_by_workspace(),)

    workspace_id: Mapped[Key]
    rows: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
