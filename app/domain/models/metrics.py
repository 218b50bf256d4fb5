"""Metrics: what is worked out for accounts and organizations, and what it was day by day.

`record_id` is an account or an organization; deleting an account clears what is here.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Date, Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, Made, Str, inside_workspace, owned_by_workspace

_LIVE = text("archived_at is null")


class Metric(Base):
    """An equation as it was written. `version` goes up with what it says; the past of `told_version` is worked out."""

    __tablename__ = "metrics"
    __table_args__ = (
        owned_by_workspace(),
        Index("uq_metrics_slug", "workspace_id", "slug", unique=True, postgresql_where=_LIVE),
        Index("uq_metrics_name", "workspace_id", text("lower(name)"), unique=True, postgresql_where=_LIVE),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    slug: Mapped[Str]
    name: Mapped[Str]
    description: Mapped[str | None] = mapped_column(Text)
    subjects: Mapped[list[str]] = mapped_column(ARRAY(Text))
    equation: Mapped[dict[str, Any]] = mapped_column(JSONB)
    version: Mapped[int] = mapped_column(server_default=text("1"))
    told_version: Mapped[int] = mapped_column(server_default=text("0"))
    history_days: Mapped[int]
    created_at: Mapped[Made]
    updated_at: Mapped[Made]
    archived_at: Mapped[At | None]


class MetricDay(Base):
    """What a metric came to be on a day, the last value of that day; it holds until the next row. None: no value.

    `is_told` is what was worked out of stored events afterwards, rather than seen on the day.
    """

    __tablename__ = "metric_days"
    __table_args__ = (inside_workspace("metric_id", "metrics"),)

    workspace_id: Mapped[Key]
    record_id: Mapped[Key]
    metric_id: Mapped[Key]
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    value: Mapped[Decimal | None] = mapped_column(Numeric)
    version: Mapped[int]
    is_told: Mapped[bool] = mapped_column(server_default=text("false"))
