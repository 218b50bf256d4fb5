"""The durable inbox: messages that are acknowledged and not yet applied."""

from sqlalchemy import BigInteger, Identity, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from app.domain.models.base import Base, Key, Made, owned_by_workspace


class Parcel(Base):
    """Messages of one or more requests, packed (see `domain.parcels`), until the transaction that applies them."""

    __tablename__ = "inbox"
    __table_args__ = (
        owned_by_workspace(),
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0.01",
                "autovacuum_vacuum_cost_delay": "0",
                "toast.autovacuum_vacuum_scale_factor": "0.01",
                "toast.autovacuum_vacuum_cost_delay": "0",
            }
        },
    )

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    received_at: Mapped[Made]
    due_at: Mapped[Made]
    messages: Mapped[int]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(Text)
    parcel: Mapped[bytes] = mapped_column(LargeBinary)
