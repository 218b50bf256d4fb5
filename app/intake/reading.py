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
from app.domain.messages import IGNORED, Envelope, Message, Verdict
from app.intake import guard, quick
from app.intake.items import ITEM, MOST_ITEMS, Instant, Timed

ITEM_BYTES: Final = 32 * 1024
_INSTANT: Final[TypeAdapter[datetime | None]] = TypeAdapter(Instant)
_SHORT: Final = 200

Read = Callable[[Any], Envelope | None]
"""How a dialect reads one parsed item; None: nothing to record. Raises BadMessage, or pydantic's errors, for one it
cannot take."""

Alone = Callable[[dict[str, Any]], dict[str, Any]]


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
    """Items as read: what may be recorded, and where each of it stood; what was refused, by position.

    An item that is neither had nothing to record.
    """

    envelopes: list[Envelope]
    positions: list[int]
    refused: dict[int, Refused]
    size: int
    items: Sequence[Any] = ()
    alone: Alone | None = None

    def item(self, index: int) -> Any:
        """The item at a position as `Refused` would keep it, for what is found to be wrong with it only later."""
        return _alone(self.items[index], self.alone) if self.items else None

    def verdicts(self, recorded: Sequence[Verdict]) -> list[Verdict]:
        """One verdict per item, in the order sent."""
        found = [IGNORED] * self.size
        for position, verdict in zip(self.positions, recorded, strict=True):
            found[position] = verdict
        for position, refused in self.refused.items():
            found[position] = refused.verdict
        return found


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
    sent_at = envelope.get("sentAt")
    read = partial(read_item, now=now, skew=_skew(sent_at, now))
    return read_items(items, faults, read, lambda item: item if sent_at is None else {**item, "sentAt": sent_at})


def read_alone(item: dict[str, Any], *, received_at: datetime) -> Envelope:
    """Read an item that a batch refused; it carries the batch's `sentAt`."""
    bare = {name: value for name, value in item.items() if name != "sentAt"}
    return read_item(bare, now=received_at, skew=_skew(item.get("sentAt"), received_at))


def _skew(sent_at: Any, now: datetime) -> timedelta:
    try:
        sent = _INSTANT.validate_python(sent_at)
    except ValidationError:
        raise BadBatch("sentAt is not an ISO 8601 time.", pointer="#/sentAt") from None
    return timedelta(0) if sent is None else now - sent


def read_items(items: Sequence[Any], faults: Mapping[int, Rejected], read: Read, alone: Alone | None = None) -> Taken:
    """Read each item for itself; `faults` are those the guard found already.

    `alone` gives a refused object what the batch around it said, so that it can be read again by itself.
    """
    taken = Taken([], [], {}, len(items), items, alone)
    for index, item in enumerate(items):
        try:
            if fault := faults.get(index):
                raise BadMessage(fault.detail, code=fault.code)  # noqa: TRY301 - one way to refuse
            envelope = read_one(item, read)
        except BadMessage as error:
            taken.refused[index] = Refused(error, _alone(item, alone))
            continue
        if envelope is not None:
            taken.envelopes.append(envelope)
            taken.positions.append(index)
    return taken


def _alone(item: Any, alone: Alone | None) -> Any:
    return alone(item) if alone is not None and type(item) is dict else item


def read_one(item: Any, read: Read) -> Envelope | None:
    """Read one item, with BadMessage for whatever is wrong with it."""
    try:
        return read(item)
    except ValidationError as error:
        raise _from_validation(error) from None
    except PydanticCustomError as error:
        raise BadMessage(error.message(), code=error.type) from None


def read_item(item: Any, *, now: datetime, skew: timedelta = timedelta(0)) -> Envelope:
    """Read one item of our own dialect; `skew` is what the sender's clock is behind ours."""
    if (found := quick.read(item, now, skew)) is not None:
        message, message_id = found
        return _envelope(item, (message,), message_id)
    parsed = ITEM.validate_python(item)
    return envelope_of(item, parsed.to_domain(now, skew), parsed)


def envelope_of(raw: Any, messages: tuple[Message, ...], parsed: Timed) -> Envelope:
    """What an item says with its identity: the sender's id and a hash of what was sent under it."""
    return _envelope(raw, messages, parsed.message_id)


def _envelope(raw: Any, messages: tuple[Message, ...], message_id: str | None) -> Envelope:
    canonical = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    if len(canonical) > ITEM_BYTES:
        raise BadMessage(f"A message takes at most {ITEM_BYTES} bytes.", code="limit_exceeded")
    return Envelope(messages, message_id, body_hash(canonical))


def body_hash(canonical: bytes) -> int:
    """64 bits, signed, that stand for what was sent under a message id."""
    return int.from_bytes(blake2b(canonical, digest_size=8).digest(), signed=True)


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
    {
        "invalid_id",
        "blank_id",
        "id_too_long",
        "blank_name",
        "name_too_long",
        "invalid_timestamp",
        "too_many_traits",
        "invalid_score",
    }
)
