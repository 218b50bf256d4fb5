"""Health scores, every version of their rules, and what they came to day by day.

`record_id` is an account or an organization, as `subject` says; deleting one clears what is here.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Date, Index, Integer, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Json, Key, Made, Str, inside_workspace, owned_by_workspace

SUBJECTS = "subject in ('accounts', 'organizations')"


class HealthScore(Base):
    """`rules` as they were written: a weight, conditions, and variants by segment."""

    __tablename__ = "health_scores"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint(SUBJECTS, name="subject"),
        Index(
            "uq_health_scores_slug",
            "workspace_id",
            "slug",
            unique=True,
            postgresql_where=text("archived_at is null"),
        ),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    subject: Mapped[Str]
    slug: Mapped[Str]
    name: Mapped[Str]
    description: Mapped[str | None] = mapped_column(Text)
    rules: Mapped[Json]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[Made]
    updated_at: Mapped[Made]
    archived_at: Mapped[At | None]


class HealthScoreVersion(Base):
    """What a score was made of from `at` on: days of the past name the version they were judged by."""

    __tablename__ = "health_score_versions"
    __table_args__ = (inside_workspace("score_id", "health_scores"),)

    workspace_id: Mapped[Key]
    score_id: Mapped[Key]
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    rules: Mapped[Json]
    at: Mapped[At]
    changed_by: Mapped[str | None] = mapped_column(Text)


class HealthDay(Base):
    """The last of a day on which something about a record's health changed; the days until the next are the same.

    `scores` has what each score came to, by slug; `inputs` the value and the state of each condition.
    """

    __tablename__ = "health_days"
    __table_args__ = (owned_by_workspace(), CheckConstraint(SUBJECTS, name="subject"))

    workspace_id: Mapped[Key]
    record_id: Mapped[Key]
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    subject: Mapped[Str]
    at: Mapped[At]
    health: Mapped[Decimal | None] = mapped_column(Numeric)
    health_label: Mapped[str | None] = mapped_column(Text)
    scores: Mapped[Json]
    inputs: Mapped[list[Any]] = mapped_column(JSONB)
    digest: Mapped[Str]  # of what is compared, to know whether anything changed
