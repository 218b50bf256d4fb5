"""What RudderStack's server hands on: one untouched event of a library per request, its times already corrected."""

from datetime import datetime
from functools import partial

from app.intake import guard, tracking
from app.intake.guard import Limits
from app.intake.reading import Taken, read_items
from app.intake.tracking import Around


def around(now: datetime, event_bytes: int) -> Around:
    """There is no envelope, and the server may hand on a message long after its library sent it."""
    return Around(now, event_bytes, {}, settled=True)


def read_event(body: bytes, *, now: datetime, event_bytes: int) -> Taken:
    """Read one event."""
    item, fault = guard.parse_one(body, Limits(text_bytes=event_bytes))
    here = around(now, event_bytes)
    return read_items([item], {0: fault} if fault else {}, partial(tracking.read, around=here), here.complete)
