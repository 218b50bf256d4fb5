"""Elements: what counts as one, and of which instances events have told.

`record_id` is an account, or an organization for events that named it only; deleting an account clears what is here.
"""

from typing import Any

from sqlalchemy import Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.base import At, Base, Key, Made, Ref, Str, owned_by_workspace


class Element(Base):
    """`definition` says which events create, update and disable it, as `domain.elements` reads it.

    Its instances stand under `counted_as`, which changes with what they are counted from: those that were counted from
    other events are not mixed with them, and go in the background.
    """

    __tablename__ = "elements"
    __table_args__ = (
        owned_by_workspace(),
        Index("uq_elements_slug", "workspace_id", "slug", unique=True, postgresql_where=text("archived_at is null")),
    )

    workspace_id: Mapped[Key]
    id: Mapped[Key]
    slug: Mapped[Str]
    name: Mapped[Str]
    description: Mapped[str | None] = mapped_column(Text)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    counted_as: Mapped[Ref]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[Made]
    updated_at: Mapped[Made]
    archived_at: Mapped[At | None]


class ElementInstance(Base):
    """What events have told of one instance: the latest of what enables and of what disables it decides.

    Every column is a least or a greatest, so that the order of events cannot matter. `element_id` is the `counted_as`
    of its element.
    """

    __tablename__ = "element_instances"
    __table_args__ = (owned_by_workspace(),)

    workspace_id: Mapped[Key]
    record_id: Mapped[Key]
    element_id: Mapped[Key]
    instance: Mapped[str] = mapped_column(Text, primary_key=True)
    enabled_at: Mapped[At | None]  # the latest creation
    disabled_at: Mapped[At | None]  # the latest disabling
    first_at: Mapped[At | None]  # the first creation
    last_at: Mapped[At | None]  # the latest creation or update
