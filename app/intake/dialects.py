"""Every dialect by the name of its source: how an item that was refused is read again, by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.domain.messages import Envelope, Source
from app.intake import analytics, guard, reading, rudderstack, tracking
from app.intake.guard import Limits
from app.intake.reading import BadMessage
from app.intake.tracking import Around


@dataclass(frozen=True, slots=True)
class Situation:
    """What a reader must be told besides the item: when it came, and how large one may be."""

    received_at: datetime
    event_bytes: int


Reader = Callable[[Any, Situation], Envelope | None]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How items of one source are read. With `long_texts`, only the size of the item bounds its texts."""

    read: Reader
    long_texts: bool = False

    def limits(self, event_bytes: int) -> Limits:
        """How large the parts of an item may be."""
        return Limits(text_bytes=event_bytes) if self.long_texts else guard.LIMITS


def _api(item: Any, situation: Situation) -> Envelope:
    return reading.read_alone(item, received_at=situation.received_at)


def _segment(item: Any, situation: Situation) -> Envelope | None:
    return tracking.read(item, Around(situation.received_at, situation.event_bytes, {}))


def _rudderstack(item: Any, situation: Situation) -> Envelope | None:
    return tracking.read(item, rudderstack.around(situation.received_at, situation.event_bytes))


def _analytics(item: Any, situation: Situation) -> Envelope:
    return analytics.read(item, received_at=situation.received_at, event_bytes=situation.event_bytes)


DIALECTS: Final[Mapping[Source, Dialect]] = {
    "api": Dialect(_api),
    "segment": Dialect(_segment, long_texts=True),
    "rudderstack": Dialect(_rudderstack, long_texts=True),
    "analytics": Dialect(_analytics, long_texts=True),
}


def read_again(source: Source, item: Any, received_at: datetime, event_bytes: int) -> Envelope:
    """Read an item that was put aside, as of when it was received. Raises `BadMessage`: it is as bad as it was.

    The item is as `reading.Refused` kept it, or as somebody has mended it since.
    """
    dialect = DIALECTS[source]
    if fault := guard.fault_of(item, dialect.limits(event_bytes)):
        raise BadMessage(fault.detail, code=fault.code)
    if not isinstance(item, dict):
        raise BadMessage("A message is an object.")
    envelope = reading.read_one(item, lambda one: dialect.read(one, Situation(received_at, event_bytes)))
    if envelope is None:
        raise BadMessage("It says nothing about an account or a user known by an id.", code="nothing_to_record")
    return envelope
