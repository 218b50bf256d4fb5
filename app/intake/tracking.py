"""One event of a tracking library, as Segment shaped them: what it says about users, accounts and what they did.

Plain dictionaries rather than models: this is the hot path of every library, and most of an event is not for us.
Source of the rules: Segment's tracking API, and how Vitally reads that stream; see docs/segment.md.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from app.domain.messages import Envelope
from app.intake import clocks, reading
from app.intake.calls import KINDS, Object, Said, id_of, object_of
from app.intake.reading import BadMessage

REPEATS_SENT_AT: Final = "analytics-node"  # so two libraries call themselves: Segment's former one, and RudderStack's


@dataclass(frozen=True, slots=True)
class Around:
    """What holds for every event of a request: when it came, how large one may be, what the envelope says."""

    received_at: datetime
    event_bytes: int
    context: Object
    sent_at: datetime | None = None  # where that clock was wrong; else a refused event would differ in every retry
    timestamp: datetime | None = None
    settled: bool = False  # a server between the library and us has already corrected `timestamp`

    @classmethod
    def of(cls, envelope: Object, received_at: datetime, event_bytes: int) -> "Around":
        """What the envelope of a batch says."""
        sent_at = clocks.guessed(envelope.get("sentAt"))
        return cls(
            received_at=received_at,
            event_bytes=event_bytes,
            context=object_of(envelope, "context"),
            sent_at=sent_at if sent_at is not None and clocks.differ(sent_at, received_at) else None,
            timestamp=clocks.guessed(envelope.get("timestamp")),
        )

    def complete(self, item: Object) -> Object:
        """The event with what the envelope said for it, and without its key: as good alone as in its batch."""
        found = {name: value for name, value in item.items() if name != "writeKey"}
        if self.context:
            own = found.get("context")
            found["context"] = {**self.context, **own} if type(own) is dict else own or self.context
        if self.sent_at is not None and found.get("sentAt") is None:
            found["sentAt"] = self.sent_at.isoformat()
        if self.timestamp is not None and found.get("originalTimestamp") is None and found.get("timestamp") is None:
            found["timestamp"] = self.timestamp.isoformat()
        return found


def read(item: Any, around: Around) -> Envelope | None:
    """What an event says; None: nothing about anybody known by an id. Raises BadMessage."""
    if type(item) is not dict:
        raise BadMessage("An event is an object.", pointer="#")
    if len(orjson.dumps(item)) > around.event_bytes:
        raise BadMessage(f"An event takes at most {around.event_bytes} bytes.", code="limit_exceeded")
    kind = item.get("type")
    translate = KINDS.get(kind) if type(kind) is str else None
    if translate is None:
        raise BadMessage(f"The type is one of {', '.join(KINDS)}.", code="unknown_type", pointer="#/type")
    context = object_of(item, "context")
    if around.context:
        context = {**around.context, **context}
    said = Said(
        item=item,
        at=_time(item, context, around),
        user=id_of(item, "userId"),
        group=id_of(context, "groupId", "#/context"),
        about_user=object_of(context, "traits", "#/context"),
    )
    message_id = id_of(item, "messageId")
    messages = translate(said)
    return Envelope(messages, message_id, _hash(said)) if messages else None


def _hash(said: Said) -> int:
    """Over what a retry repeats and what is stored; never over what libraries note about a delivery."""
    item = said.item
    heard = item.get("originalTimestamp") or item.get("timestamp")
    parts = (
        item["type"], said.user, said.group, said.about_user, heard, item.get("groupId"), item.get("event"),
        item.get("name"), item.get("category"), item.get("traits"), item.get("properties"),
    )  # fmt: skip
    return reading.body_hash(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))


def _time(item: Object, context: Object, around: Around) -> datetime:
    timestamp = item.get("timestamp")
    if around.settled and timestamp is not None:
        return clocks.happened(clocks.told(timestamp, "#/timestamp"), None, around.received_at)
    if (first := item.get("originalTimestamp")) is not None:
        original = clocks.told(first, "#/originalTimestamp")
    else:
        original = clocks.told(timestamp, "#/timestamp") if timestamp is not None else around.timestamp
    own = item.get("sentAt")
    sent_at = around.sent_at if own is None else clocks.guessed(own)
    library = context.get("library")
    may_be_stale = type(library) is dict and library.get("name") == REPEATS_SENT_AT
    return clocks.happened(original, sent_at, around.received_at, may_be_stale=may_be_stale)
