"""Facts under a key (traits, key roles) that reports ask for, and how often: which of them are kept in columns."""

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, owned_by_workspace


class HotFact(Base):
    """`asked` counts reports that lacked the column, from anew when a day went by without one; at two it is hot."""

    __tablename__ = "hot_facts"
    __table_args__ = (owned_by_workspace(),)

    workspace_id: Mapped[Key]
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    path: Mapped[str] = mapped_column(Text, primary_key=True)
    reading: Mapped[str] = mapped_column(Text, primary_key=True)
    asked: Mapped[int] = mapped_column(BigInteger)
    last_asked_at: Mapped[At]
