"""Segments: named groups of records, the links that make membership, and who entered and left when.

`record_id` is an account, a user or an organization, as the segment's subject says; deleting one clears what is here.
"""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, Made, Ref, Str, inside_workspace, owned_by_workspace


class Segment(Base):
    """Without a filter, members come by hand and from automations only."""

    __tablename__ = "segments"
    __table_args__ = (
        owned_by_workspace(),
        CheckConstraint("subject in ('accounts', 'users', 'organizations')", name="subject"),
        Index(
            "uq_segments_name",
            "workspace_id",
            "subject",
            text("lower(name)"),
            unique=True,
            postgresql_where=text("archived_at is null"),
        ),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    subject: Mapped[Str]
    name: Mapped[Str]
    description: Mapped[str | None] = mapped_column(Text)
    color: Mapped[str | None] = mapped_column(Text)
    filter: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[Made]
    updated_at: Mapped[Made]
    archived_at: Mapped[At | None]


class SegmentLink(Base):
    """One reason why a record is in a segment: `rule`, `manual`, `api`, or an automation such as `playbook:<id>`.

    Each automation adds and removes its own links only.
    """

    __tablename__ = "segment_links"
    __table_args__ = (
        inside_workspace("segment_id", "segments"),
        Index(None, "workspace_id", "record_id", "segment_id"),
    )

    workspace_id: Mapped[Key]
    segment_id: Mapped[Key]
    record_id: Mapped[Key]
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    added_at: Mapped[At]
    added_by: Mapped[str | None] = mapped_column(Text)


class SegmentExclusion(Base):
    """A record was removed by hand: the automations in `sources` do not bring it back."""

    __tablename__ = "segment_exclusions"
    __table_args__ = (
        inside_workspace("segment_id", "segments"),
        Index(None, "workspace_id", "record_id", "segment_id"),
    )

    workspace_id: Mapped[Key]
    segment_id: Mapped[Key]
    record_id: Mapped[Key]
    sources: Mapped[list[str]] = mapped_column(ARRAY(Text))
    excluded_at: Mapped[At]
    excluded_by: Mapped[str | None] = mapped_column(Text)


class SegmentChange(Base):
    """Membership history: written in the same transaction as the change."""

    __tablename__ = "segment_changes"
    __table_args__ = (
        inside_workspace("segment_id", "segments"),
        CheckConstraint("change in ('entered', 'left')", name="change"),
        Index(None, "workspace_id", "segment_id", "at", "id"),
        Index(None, "workspace_id", "record_id", "segment_id", "at", "id"),
    )

    workspace_id: Mapped[Key]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    segment_id: Mapped[Ref]
    record_id: Mapped[Ref]
    change: Mapped[Str]
    at: Mapped[At]
    source: Mapped[Str]
    reason: Mapped[Str]
    changed_by: Mapped[str | None] = mapped_column(Text)
