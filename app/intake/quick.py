"""Reads items of our own dialect that are plainly well-formed, which most are, at a quarter of the careful look's cost.

Says nothing about the others: `items.py` alone knows what is wrong with an item. A test holds the two equal.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from app.domain.messages import MOST_AHEAD, OLDEST, AccountMessage, EventMessage, Message, UserMessage
from app.intake.items import MOST_TRAITS

Read = tuple[Message, str | None]
Item = Mapping[str, Any]

_SHORT: Final = 64  # characters that cannot pass 256 bytes
_TIMED: Final = {"type", "timestamp", "messageId"}
_EVENT: Final = frozenset({*_TIMED, "event", "userId", "accountId", "properties"})
_USER: Final = frozenset({*_TIMED, "userId", "accountId", "traits"})
_ACCOUNT: Final = frozenset({*_TIMED, "accountId", "traits"})
_NOTHING: Final[dict[str, Any]] = {}


def read(item: Any, now: datetime, skew: timedelta) -> Read | None:
    """What the item says, and its message id; None when it deserves a careful look."""
    if type(item) is not dict:
        return None
    kind = item.get("type")
    reader = _READERS.get(kind) if type(kind) is str else None
    message_id = item.get("messageId")
    if reader is None or not (message_id is None or _plain(message_id)):
        return None
    at = _happened(item.get("timestamp"), now, skew)
    message = reader(item, at) if at is not None else None
    return None if message is None else (message, message_id)


def _plain(text: Any) -> bool:
    return type(text) is str and 0 < len(text) <= _SHORT and not text.isspace()


def _plain_if_any(text: Any) -> bool:
    return text is None or _plain(text)


def _happened(timestamp: Any, now: datetime, skew: timedelta) -> datetime | None:
    if timestamp is None:
        return now
    if type(timestamp) is not str or timestamp[10:11] != "T":
        return None
    try:
        at = datetime.fromisoformat(timestamp)
        at = (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)) + skew
    except (ValueError, OverflowError):
        return None
    return at if OLDEST <= at <= now + MOST_AHEAD else None


def _event(item: Item, at: datetime) -> EventMessage | None:
    user, account, name = item.get("userId"), item.get("accountId"), item.get("event")
    properties = item.get("properties", _NOTHING)
    if not (item.keys() <= _EVENT and _plain(name) and _plain_if_any(user) and _plain_if_any(account)):
        return None
    if type(properties) is not dict or (user is None and account is None):
        return None
    return EventMessage(at, name, account, user, orjson.dumps(properties))  # type: ignore[arg-type]  # `name` is plain


def _user(item: Item, at: datetime) -> UserMessage | None:
    user, account, traits = item.get("userId"), item.get("accountId"), item.get("traits", _NOTHING)
    if not (item.keys() <= _USER and _plain(user) and _plain_if_any(account) and _few(traits)):
        return None
    return UserMessage(at, user, () if account is None else (account,), traits)  # type: ignore[arg-type]  # as above


def _account(item: Item, at: datetime) -> AccountMessage | None:
    account, traits = item.get("accountId"), item.get("traits", _NOTHING)
    if not (item.keys() <= _ACCOUNT and _plain(account) and _few(traits)):
        return None
    return AccountMessage(at, account, traits)  # type: ignore[arg-type]  # as above


def _few(traits: Any) -> bool:
    return type(traits) is dict and len(traits) <= MOST_TRAITS


_READERS: Final[dict[str, Callable[[Item, datetime], Message | None]]] = {
    "event": _event,
    "user": _user,
    "account": _account,
}
