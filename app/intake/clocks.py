"""When a tracked event happened, by our clock, given what three clocks said of it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic_core import PydanticCustomError

from app.domain.messages import OLDEST
from app.intake.items import instant
from app.intake.reading import BadMessage

SMALL_GAP: Final = timedelta(seconds=5)
"""Between sending and receiving: a journey, not a wrong clock."""


def told(value: Any, pointer: str) -> datetime | None:
    """A time of an event; refused when it is none."""
    try:
        return instant(value)
    except PydanticCustomError as error:
        raise BadMessage(error.message(), code=error.type, pointer=pointer) from None


def guessed(value: Any) -> datetime | None:
    """A time that only helps; one that cannot be read is no help."""
    try:
        return instant(value)
    except PydanticCustomError:
        return None


def differ(sent_at: datetime, received_at: datetime) -> bool:
    """Whether the sender's clock was wrong, or its message took very long."""
    return abs(received_at - sent_at) > SMALL_GAP


def happened(
    original: datetime | None, sent_at: datetime | None, received_at: datetime, *, may_be_stale: bool = False
) -> datetime:
    """`original` as our clock would have read it, never after `received_at`; refused when before 2000.

    A sender whose clock was wrong when sending had the same wrong clock at `original`: the gap moves both. But some
    libraries repeat an old `sent_at` when they send again (`may_be_stale`); for them `original` is believed, unless it
    lies in the future.
    """
    if original is None:
        return received_at
    at = original
    if sent_at is not None and differ(sent_at, received_at) and not (may_be_stale and original <= received_at):
        at = _moved(original, received_at - sent_at)
    at = min(at, received_at)
    if at < OLDEST:
        raise BadMessage("A time lies between the year 2000 and now.", code="timestamp_out_of_range")
    return at


def _moved(original: datetime, gap: timedelta) -> datetime:
    try:
        return original + gap
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if gap > timedelta(0) else datetime.min.replace(tzinfo=UTC)
