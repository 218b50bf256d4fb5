"""Packs messages into bytes and back, exactly: what was acknowledged is what is applied, by any later release too.

A parcel is a row of frames, so that parcels are joined by joining their bytes. A frame is a version byte, two lengths,
the messages as JSON, and the properties of their events as they came, one after another.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from struct import Struct
from typing import Any, Final

import orjson

from app.domain.messages import (
    AccountMessage,
    Envelope,
    EventMessage,
    InstanceMessage,
    Message,
    OrganizationMessage,
    ParentMessage,
    UnlinkMessage,
    UserMessage,
)

VERSION: Final = 1
_HEAD: Final = Struct(">BII")

# Stored are positions in here and fields in the order of their class: both may grow at the end, and only there.
_KINDS: Final[tuple[type[Message], ...]] = (
    AccountMessage,
    UserMessage,
    EventMessage,
    UnlinkMessage,
    OrganizationMessage,
    ParentMessage,
    InstanceMessage,
)
_NUMBERS: Final = {kind: number for number, kind in enumerate(_KINDS)}
_EVENT: Final = _NUMBERS[EventMessage]


def _fields(kind: type[Message]) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(field.name for field in dataclasses.fields(kind) if field.name != "properties"))


_FIELDS: Final[Mapping[type[Message], Callable[[Any], tuple[Any, ...]]]] = {kind: _fields(kind) for kind in _KINDS}
_PROPERTIES: Final = [field.name for field in dataclasses.fields(EventMessage)].index("properties")


class Unreadable(ValueError):
    """A parcel that this release cannot open."""


def pack(envelopes: Iterable[Envelope]) -> bytes:
    """A parcel of these envelopes."""
    properties: list[bytes] = []
    rows = [
        (envelope.message_id, envelope.body_hash, *(_row(message, properties) for message in envelope.messages))
        for envelope in envelopes
    ]
    told, rest = orjson.dumps(rows), b"".join(properties)
    return b"".join((_HEAD.pack(VERSION, len(told), len(rest)), told, rest))


def _row(message: Message, properties: list[bytes]) -> tuple[Any, ...]:
    if isinstance(message, EventMessage):
        properties.append(message.properties)
        return _EVENT, len(message.properties), *_FIELDS[EventMessage](message)
    kind = type(message)
    return _NUMBERS[kind], *_FIELDS[kind](message)


def unpack(parcel: bytes) -> list[Envelope]:
    """The envelopes of a parcel, in the order packed. Raises `Unreadable`."""
    try:
        return [envelope for frame in _frames(parcel) for envelope in frame]
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable("The parcel is damaged.") from error


def _frames(parcel: bytes) -> Iterable[list[Envelope]]:
    start = 0
    while start < len(parcel):
        version, told, rest = _HEAD.unpack_from(parcel, start)
        if version != VERSION:
            raise Unreadable(f"The parcel is of version {version}.")
        middle = start + _HEAD.size + told
        end = middle + rest
        if end > len(parcel):
            raise Unreadable("The parcel is cut short.")
        yield _envelopes(orjson.loads(parcel[start + _HEAD.size : middle]), parcel[middle:end])
        start = end


def _envelopes(rows: Sequence[Sequence[Any]], properties: bytes) -> list[Envelope]:
    found, start = [], 0
    for message_id, body_hash, *told in rows:
        messages = []
        for number, *fields in told:
            if number == _EVENT:
                end = start + fields.pop(0)
                fields.insert(_PROPERTIES, properties[start:end])
                start = end
            messages.append(_message(_KINDS[number], fields))
        found.append(Envelope(tuple(messages), message_id, body_hash))
    return found


def _message(kind: type[Message], fields: list[Any]) -> Message:
    fields[0] = datetime.fromisoformat(fields[0])
    if kind is UserMessage:  # its accounts and organizations; no other field is an array
        fields = [tuple(value) if isinstance(value, list) else value for value in fields]
    return kind(*fields)
