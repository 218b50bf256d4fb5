"""What tracking libraries are answered: that it went well, and for people, what became of the events."""

from typing import Literal

from pydantic import Field

from app.domain.wire import Wire


class TrackedOut(Wire):
    """The call was read. Everything `accepted` is stored for good; nothing needs to be sent again."""

    success: Literal[True]
    accepted: int
    duplicates: int = Field(description="Taken before, under the same `messageId`.")
    conflicts: int = Field(description="Their `messageId` was taken before by another event, which stands.")
    rejected: int = Field(description="Not understood; put aside with the reason.")
    suppressed: int = Field(description="About a user or account that was deleted; nothing of these was stored.")
    ignored: int = Field(description="About nobody known by an id, or of no meaning here.")
