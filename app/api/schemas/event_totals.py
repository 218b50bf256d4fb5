"""The wire contract of how often events happened."""

from pydantic import Field

from app.api.schemas.base import Instant, Page
from app.domain.wire import Wire


class EventTotalOut(Wire):
    """How often an event happened. A day is a UTC day, and the last thirty include today."""

    event: str = Field(examples=["Report exported"])
    total: int = Field(description="How often it ever happened, whatever became of the events themselves.")
    first_at: Instant
    last_at: Instant
    last_30_days: int = Field(alias="last30Days")
    previous_30_days: int = Field(alias="previous30Days", description="How often in the thirty days before these.")
    change_percent: float | None = Field(
        description="By how much the last thirty days differ from those before; null: there were none before."
    )


EventTotalPage = Page[EventTotalOut]
