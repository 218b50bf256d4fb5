"""The wire contract of rejected messages."""

from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from app.api.schemas.base import Instant, Page, WireId
from app.api.schemas.keys import KeyId
from app.domain.wire import Wire

RejectedId = Annotated[UUID, WireId("rej")]
SourceName = Literal["api", "segment", "analytics", "rudderstack", "import"]
StateName = Literal["open", "replayed", "all"]
OutcomeName = Literal["accepted", "duplicate", "conflict", "rejected", "suppressed"]

MENDED: Final[JsonDict] = {"item": {"type": "event", "event": "Login", "userId": "user-1", "accountId": "acme"}}


class RejectedOut(Wire):
    """One item that was refused, and why."""

    id: RejectedId
    source: SourceName = Field(description="The dialect it came in.")
    key_id: KeyId | None = Field(description="The key it was last sent with.")
    code: str = Field(description="Why it was refused the last time; see the list of errors.")
    detail: str
    pointer: str | None = Field(description="Where in the item, if it is about a part of it.")
    message_id: str | None = Field(description="The sender's own id of it.")
    size: int = Field(description="Bytes kept of it, as JSON.")
    replayable: bool = Field(validation_alias="whole", description="Whether it was kept whole.")
    first_at: Instant = Field(description="When it first came; a replay counts as of this moment.")
    last_at: Instant
    times: int = Field(description="How often it came: a sender that tries again makes no second entry.")
    tried_at: Instant | None = Field(description="When it was last replayed, with whatever outcome.")
    outcome: OutcomeName | None = Field(description="Of its last replay.")
    replayed_at: Instant | None = Field(description="When a replay was taken; null while it is open.")


class RejectedDetail(RejectedOut):
    """A rejected message with the item."""

    item: Any = Field(description="The item as it came; null where it was not kept whole.")
    excerpt: str | None = Field(description="The beginning of an item that was not kept whole.")


class RejectedCountOut(Wire):
    """How many items were refused for one reason on one day."""

    day: date = Field(strict=False, description="In UTC.")
    source: SourceName
    code: str
    refused: int = Field(description="Every time counts, also of an item that came before.")
    dropped: int = Field(description="Left the list unsettled on this day, because it was full or they were too old.")


class RejectedCounts(Wire):
    """Refusals by day, source and code, the latest day first. They outlive the list."""

    data: list[RejectedCountOut]


class ReplayOneIn(Wire):
    """How to try it again."""

    model_config = ConfigDict(json_schema_extra={"examples": [MENDED]})

    item: Any = Field(None, description="What to take in its place, in the same dialect; left out: the item as it is.")


class RejectedFilter(Wire):
    """Which rejected messages; what is left out does not matter."""

    source: SourceName | None = None
    code: str | None = Field(None, min_length=1, max_length=100)
    since: Instant | None = Field(None, description="First refused at this moment or later.")
    until: Instant | None = Field(None, description="First refused before this moment.")


class ReplayManyIn(RejectedFilter):
    """Which rejected messages to try again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "limit_exceeded"}]})

    cursor: str | None = Field(None, max_length=2000, description="`nextCursor` of the call before.")


class ReplayOut(Wire):
    """What trying one item again came to."""

    id: RejectedId
    outcome: OutcomeName = Field(
        description="`accepted` and `duplicate` settle it; `suppressed` removes it: its user or account was deleted."
    )
    code: str | None = Field(description="Why it was refused again.")
    detail: str | None
    pointer: str | None


class StillRefused(Wire):
    """Items that were refused again for one reason."""

    code: str
    count: int
    example: RejectedId
    detail: str


class ReplayManyOut(Wire):
    """What trying many items again came to. Go on with `cursor` set to `nextCursor` until `hasMore` is false."""

    accepted: int
    duplicates: int
    suppressed: int
    conflicts: int
    rejected: int
    still_refused: list[StillRefused] = Field(description="By code: conflicts and rejected.")
    next_cursor: str | None
    has_more: bool


class DeletedOut(Wire):
    """How many were deleted, and whether there are more."""

    deleted: int
    has_more: bool


RejectedPage = Page[RejectedOut]
