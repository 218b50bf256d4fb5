"""What an account's MRR was, and since when."""

from decimal import Decimal

from sqlalchemy import Numeric
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, inside_workspace


class MrrChange(Base):
    """That an account's MRR became another one; nothing: it had none from then on."""

    __tablename__ = "mrr_changes"
    __table_args__ = (inside_workspace("account_id", "accounts"),)

    workspace_id: Mapped[Key]
    account_id: Mapped[Key]
    changed_at: Mapped[At] = mapped_column(primary_key=True)
    mrr: Mapped[Decimal | None] = mapped_column(Numeric)
