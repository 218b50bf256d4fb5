"""Segment's dialect: one event, or a batch of them in an envelope that speaks for all."""

from datetime import datetime
from functools import partial

from app.intake import guard, tracking
from app.intake.guard import Limits
from app.intake.reading import BadBatch, Taken, read_items
from app.intake.tracking import Around


def read_batch(body: bytes, *, now: datetime, event_bytes: int, most: int) -> Taken:
    """Read `{"batch": […], "context"?: …, "sentAt"?: …}`. Raises Malformed or Rejected when that is not what it is."""
    envelope, faults = guard.parse_batch(body, "batch", Limits(text_bytes=event_bytes))
    batch = envelope.get("batch") if type(envelope) is dict else None
    if type(batch) is not list:
        raise BadBatch('A batch is an object: {"batch": [ … ]}.', pointer="#/batch")
    if len(batch) > most:
        raise BadBatch(f"A batch has at most {most} events.", limit="batch", allowed=most)
    around = Around.of(envelope, now, event_bytes)
    return read_items(batch, faults, partial(tracking.read, around=around), around.complete)


def read_single(kind: str, body: bytes, *, now: datetime, event_bytes: int) -> Taken:
    """Read one event, of the kind that its address says."""
    item, fault = guard.parse_one(body, Limits(text_bytes=event_bytes))
    if type(item) is dict:
        item["type"] = kind
    around = Around(now, event_bytes, {})
    return read_items([item], {0: fault} if fault else {}, partial(tracking.read, around=around), around.complete)
