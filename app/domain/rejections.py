"""What was refused: how an item is put into words that any database can keep, and who is named in it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, Literal
from uuid import UUID

from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.keys import redact
from app.domain.messages import Source

MOST_BYTES: Final = 64 * 1024
"""Of one item; the rest of a longer one is not kept, and it cannot be replayed."""
LONGEST_DETAIL: Final = 500
LONGEST_NAME: Final = 256
LONG_ID: Final = 8
"""Characters from which on an id is looked for inside longer texts too."""
MOST_IDS: Final = 200
"""In one item; one with more might name anybody."""

_SECRET: Final = frozenset({"writeKey", "write_key"})
_RENEWED: Final = frozenset({"sentAt", "receivedAt", "_metadata"})
_CONSTANT: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|Infinity')
_ID_KEY: Final = re.compile(r".*ids?|users?|accounts?|groups?|company", re.IGNORECASE)

State = Literal["open", "replayed", "all"]
Outcome = Literal["accepted", "duplicate", "conflict", "rejected", "suppressed"]


class UnknownRejected(NotFound):
    """There is no such rejected message in this workspace."""

    code = "unknown_rejected_message"


class AlreadyReplayed(Conflict):
    """The rejected message was replayed already."""

    code = "already_replayed"


class NotReplayable(Conflict):
    """The rejected message was too large to be kept whole."""

    code = "not_replayable"


class NoFilter(Rejected):
    """Deleting many rejected messages needs a filter."""

    code = "no_filter"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of the refused is kept, per workspace; the oldest goes first."""

    age: timedelta
    rows: int
    bytes: int

    @classmethod
    def of(cls, days: int, rows: int, bytes_: int) -> "Bounds":
        """The bounds as settings say them."""
        return cls(timedelta(days=days), rows, bytes_)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rejected messages are asked for; None: any. Times are when an item was first refused."""

    state: State = "open"
    source: str | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    replayable: bool | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return any((self.source, self.code, self.since, self.until, self.replayable is not None))


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused item, ready to be kept. `hash` is the same for every attempt of a sender to send it."""

    source: Source
    key_id: UUID | None
    code: str
    detail: str
    pointer: str | None
    message_id: str | None
    item: str
    whole: bool
    hash: bytes
    told: Any = field(compare=False, repr=False)

    @property
    def names(self) -> set[str] | None:
        """Every id in it, as far as can be told: whoever was deleted is not kept. None: too many to look at."""
        if not self.whole:
            return None
        found = set[str]()
        for name in _ids(self.told):
            found.add(name)
            if len(found) > MOST_IDS:
                return None
        return found


def refusal(
    source: Source, item: Any, *, code: str, detail: str | None, pointer: str | None = None, key_id: UUID | None = None
) -> Refusal:
    """Put a refused item into words. Keys of senders are left out of it: they are secrets."""
    told, text = item, _json(item)
    if any(name in text for name in _SECRET):
        told = _without_secrets(item)
        text = _json(told)
    written = text = redact(text)
    if isinstance(told, dict) and not _RENEWED.isdisjoint(told):
        written = redact(_json({name: value for name, value in told.items() if name not in _RENEWED}))
    encoded = text.encode()
    whole = len(encoded) <= MOST_BYTES
    return Refusal(
        source=source,
        key_id=key_id,
        code=code,
        detail=plain(redact(detail or ""), LONGEST_DETAIL),
        pointer=None if pointer is None else plain(redact(pointer), LONGEST_NAME),
        message_id=_message_id(told),
        item=text if whole else encoded[:MOST_BYTES].decode(errors="ignore"),
        whole=whole,
        hash=blake2b(written.encode(), digest_size=16).digest(),
        told=told if whole else None,
    )


def needle(text: str) -> str:
    """How a text is spelled in a kept item: inside the quotes of JSON."""
    return _json(text)[1:-1]


def plain(text: str, longest: int = LONGEST_NAME) -> str:
    """Text that a column can hold."""
    return text.replace("\0", "\\u0000")[:longest]


def _without_secrets(item: Any) -> Any:
    """A copy without the fields that hold keys, however deep they are."""
    whole = [item]
    waiting: list[Any] = [whole]
    while waiting:
        node = waiting.pop()
        for place, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, dict):
                node[place] = {name: inner for name, inner in value.items() if name not in _SECRET}
            elif isinstance(value, list | tuple):
                node[place] = list(value)
            else:
                continue
            waiting.append(node[place])
    return whole[0]


def _json(value: Any) -> str:
    """JSON, also of numbers that are none of PostgreSQL's: they were refused, and are shown as they came."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "Infinity" in text:
        return _CONSTANT.sub(lambda found: "1e999" if found[0] == "Infinity" else found[0], text)
    return text


def _message_id(item: Any) -> str | None:
    found = item.get("messageId") if isinstance(item, dict) else None
    return plain(redact(str(found))) if isinstance(found, str | int) and found != "" else None


def _ids(item: Any) -> Iterator[str]:
    """Texts and whole numbers under keys that look like ids."""
    waiting: list[tuple[bool, Any]] = [(False, item)]
    while waiting:
        named, node = waiting.pop()
        if isinstance(node, Mapping):
            waiting += ((_ID_KEY.fullmatch(key) is not None, value) for key, value in node.items())
        elif isinstance(node, list):
            waiting += ((named, value) for value in node)
        elif named and isinstance(node, str | int) and len(found := str(node)) <= LONGEST_NAME:
            yield found
