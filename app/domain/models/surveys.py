"""Surveys, what was answered, and on which days they were shown to whom."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Computed, Date, DateTime, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Json, Key, Made, Ref, Str, inside_workspace, owned_by_workspace


class Survey(Base):
    """`link_id` is named by the tokens of its links: another one ends them all."""

    __tablename__ = "surveys"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("kind in ('nps', 'custom')", name="kind"),
        Index(
            "uq_surveys_slug",
            "workspace_id",
            "slug",
            unique=True,
            postgresql_where=text("archived_at is null"),
        ),
        Index("uq_surveys_link_id", "workspace_id", "link_id", unique=True),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    slug: Mapped[Str]
    kind: Mapped[Str]
    name: Mapped[Str]
    description: Mapped[str | None] = mapped_column(Text)
    texts: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    display: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    questions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    link_id: Mapped[Ref]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[Made]
    updated_at: Mapped[Made]
    archived_at: Mapped[At | None]


class SurveyResponse(Base):
    """What a user answered, or that they would not. A score makes it count for the NPS: each user's latest does."""

    __tablename__ = "survey_responses"
    __table_args__ = (
        inside_workspace("survey_id", "surveys"),
        inside_workspace("user_id", "users"),
        CheckConstraint("score between 0 and 10", name="score"),
        CheckConstraint("num_nonnulls(responded_at, dismissed_at) = 1", name="at"),
        CheckConstraint("score is null or responded_at is not null", name="scored"),
        Index(
            "uq_survey_responses_external_id",
            "workspace_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id is not null"),
        ),
        Index(
            "ix_survey_responses_scores",
            "workspace_id",
            "user_id",
            "responded_at",
            "id",
            postgresql_where=text("score is not null"),
        ),
        Index(None, "workspace_id", "survey_id", "user_id"),
        Index(None, "workspace_id", "user_id"),
        Index(None, "workspace_id", "at", "id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    survey_id: Mapped[Ref]
    user_id: Mapped[Ref]
    external_id: Mapped[str | None] = mapped_column(Text)
    score: Mapped[int | None] = mapped_column(SmallInteger)
    feedback: Mapped[str | None] = mapped_column(Text)
    answers: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    responded_at: Mapped[At | None]
    dismissed_at: Mapped[At | None]
    at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), Computed("coalesce(responded_at, dismissed_at)", persisted=True)
    )
    source: Mapped[Str]
    created_at: Mapped[Made]
    updated_at: Mapped[Made]


class SurveyShowing(Base):
    """A UTC day on which a survey was shown to a user: a session in which they saw it."""

    __tablename__ = "survey_showings"
    __table_args__ = (
        inside_workspace("survey_id", "surveys"),
        inside_workspace("user_id", "users"),
        Index(None, "workspace_id", "user_id"),
    )

    workspace_id: Mapped[Key]
    survey_id: Mapped[Key]
    user_id: Mapped[Key]
    day: Mapped[date] = mapped_column(Date, primary_key=True)
