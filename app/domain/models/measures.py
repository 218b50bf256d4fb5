"""Events as they are counted: what is counted, by day and user, and in all.

`record_id` is an account, or an organization for events that named it only. Neither rows nor records have references:
events are stored the same way, and deletions clear both.
"""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Date, Identity, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, Made, Ref, Str, owned_by_workspace


class Measure(Base):
    """What is counted: the events of a name, or those of them whose properties fit a filter.

    `digest` stands for both (see `domain.matching`), so that names of any length have a small key.
    """

    __tablename__ = "measures"
    __table_args__ = (owned_by_workspace(), UniqueConstraint("workspace_id", "digest"))

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[Str]
    filter: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    digest: Mapped[Ref]
    created_at: Mapped[Made]


class MeasureDay(Base):
    """How many there were on a UTC day, of each user; nobody is the user whose id is nil."""

    __tablename__ = "measure_days"
    __table_args__ = ({"postgresql_with": {"fillfactor": "90"}},)

    workspace_id: Mapped[Key]
    record_id: Mapped[Key]
    measure_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    user_id: Mapped[Key]
    count: Mapped[int] = mapped_column(BigInteger)


class MeasureTotal(Base):
    """How many there ever were, the first and the last; the count is the sum over the days."""

    __tablename__ = "measure_totals"
    __table_args__ = ({"postgresql_with": {"fillfactor": "70"}},)

    workspace_id: Mapped[Key]
    record_id: Mapped[Key]
    measure_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[At]
    last_at: Mapped[At]


class Recount(Base):
    """Stored events being counted: for measures and elements that are new, or for a whole workspace.

    It goes through accounts, then through events of no account; the next event looked at is at or after the place.
    """

    __tablename__ = "recounts"
    __table_args__ = (owned_by_workspace(),)

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    is_whole: Mapped[bool]
    measures: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    elements: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    reached: Mapped[Ref | None]  # an account
    reached_at: Mapped[At | None]
    is_past_accounts: Mapped[bool] = mapped_column(server_default=text("false"))
    events: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    requested_at: Mapped[Made]
    finished_at: Mapped[At | None]
