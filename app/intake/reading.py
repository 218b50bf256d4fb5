"""From wire items to envelopes: each item is judged on its own, so that a bad one never stops its neighbours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from app.domain.errors import Rejected
from app.domain.messages import Envelope, Message, Verdict
from app.intake import guard
from app.intake.items import ITEM, MOST_ITEMS, Instant, Timed

ITEM_BYTES: Final = 32 * 1024
_INSTANT: Final[TypeAdapter[datetime | None]] = TypeAdapter(Instant)
_SHORT: Final = 200

Read = Callable[[Any], Envelope]
"""How a dialect reads one parsed item. Raises BadMessage, or pydantic's errors, for one it cannot take."""


class BadBatch(Rejected):
    """The batch itself is not of the expected form."""

    code = "invalid_batch"


class BadMessage(Rejected):
    """The message is not of the expected form."""

    code = "invalid_message"

    def __init__(self, detail: str = "", *, code: str = "invalid_message", pointer: str | None = None) -> None:
        super().__init__(detail, **({"pointer": pointer} if pointer else {}))
        self.code = code  # type: ignore[misc]  # the kinds of fault are data here: see docs/errors.md
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that was not taken: why, and the item as it was parsed, complete enough to be read again alone."""

    error: BadMessage
    item: Any

    @property
    def verdict(self) -> Verdict:
        """What its sender is told."""
        return Verdict("rejected", self.error.code, self.error.detail)


@dataclass(frozen=True, slots=True)
class Taken:
    """Items as read: what may be recorded, and where each of it stood; what was refused, by position."""

    envelopes: list[Envelope]
    positions: list[int]
    refused: dict[int, Refused]
    size: int

    def verdicts(self, recorded: Sequence[Verdict]) -> list[Verdict]:
        """One verdict per item, in the order sent."""
        found = dict(zip(self.positions, recorded, strict=True))
        return [found.get(index) or self.refused[index].verdict for index in range(self.size)]


def read_batch(body: bytes, *, now: datetime) -> Taken:
    """Read `{"messages": […], "sentAt"?: …}`. Raises Malformed or Rejected when the envelope itself is wrong."""
    envelope, faults = guard.parse_batch(body, "messages")
    if not isinstance(envelope, dict) or not isinstance(envelope.get("messages"), list):
        raise BadBatch('A batch is an object: {"messages": [ … ]}.', pointer="#/messages")
    if unknown := envelope.keys() - {"messages", "sentAt"}:
        raise BadBatch("A batch has no other fields than messages and sentAt.", fields=sorted(unknown)[:5])
    items = envelope["messages"]
    if not 1 <= len(items) <= MOST_ITEMS:
        raise BadBatch(f"A batch has 1 to {MOST_ITEMS} messages.", limit="batch", allowed=MOST_ITEMS)
    return read_items(items, faults, partial(read_item, now=now, skew=_skew(envelope.get("sentAt"), now)))


def _skew(sent_at: Any, now: datetime) -> timedelta:
    try:
        sent = _INSTANT.validate_python(sent_at)
    except ValidationError:
        raise BadBatch("sentAt is not an ISO 8601 time.", pointer="#/sentAt") from None
    return timedelta(0) if sent is None else now - sent


def read_items(items: Sequence[Any], faults: Mapping[int, Rejected], read: Read) -> Taken:
    """Read each item for itself; `faults` are those the guard found already."""
    taken = Taken([], [], {}, len(items))
    for index, item in enumerate(items):
        if fault := faults.get(index):
            taken.refused[index] = Refused(BadMessage(fault.detail, code=fault.code), item)
            continue
        try:
            taken.envelopes.append(_read(item, read))
            taken.positions.append(index)
        except BadMessage as error:
            taken.refused[index] = Refused(error, item)
    return taken


def _read(item: Any, read: Read) -> Envelope:
    try:
        return read(item)
    except ValidationError as error:
        raise _from_validation(error) from None
    except PydanticCustomError as error:
        raise BadMessage(error.message(), code=error.type) from None


def read_item(item: Any, *, now: datetime, skew: timedelta = timedelta(0)) -> Envelope:
    """Read one item of our own dialect; `skew` is what the sender's clock is behind ours."""
    parsed = ITEM.validate_python(item)
    return envelope_of(item, parsed.to_domain(now, skew), parsed)


def envelope_of(raw: Any, messages: tuple[Message, ...], parsed: Timed) -> Envelope:
    """What an item says with its identity: the sender's id and a hash of what was sent under it."""
    canonical = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    if len(canonical) > ITEM_BYTES:
        raise BadMessage(f"A message takes at most {ITEM_BYTES} bytes.", code="limit_exceeded")
    body_hash = int.from_bytes(blake2b(canonical, digest_size=8).digest(), signed=True)
    return Envelope(messages, parsed.message_id, body_hash)


def _from_validation(error: ValidationError) -> BadMessage:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = [str(part) for part in first["loc"]]
    # The first part names the kind of message when the kind was recognised.
    pointer = "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in where[1:] or where)
    code = first["type"] if first["type"] in OWN_CODES else CODES.get(first["type"], "invalid_message")
    return BadMessage(first["msg"], code=code, pointer=pointer[:_SHORT])


CODES: Final = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "union_tag_invalid": "unknown_type",
    "union_tag_not_found": "unknown_type",
    "too_long": "limit_exceeded",
}
OWN_CODES: Final = frozenset(
    {"invalid_id", "blank_id", "id_too_long", "blank_name", "name_too_long", "invalid_timestamp", "too_many_traits"}
)
