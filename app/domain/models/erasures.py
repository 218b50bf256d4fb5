"""Deleted users and accounts: who must not come back."""

from sqlalchemy import CheckConstraint, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import Base, Key, Made, Str, owned_by_workspace


class Suppression(Base):
    """A deleted user or account, by a keyed hash of its external id; late messages about it are dropped."""

    __tablename__ = "suppressions"
    __table_args__ = (owned_by_workspace(), CheckConstraint("kind in ('user', 'account')", name="kind"))

    workspace_id: Mapped[Key]
    disguise: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    kind: Mapped[Str]
    created_at: Mapped[Made]
