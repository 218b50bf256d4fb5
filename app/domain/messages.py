"""What senders tell Steward, whatever dialect they spoke: plain messages, and the verdict each of them gets."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import orjson

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
OLDEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
MOST_AHEAD: Final = timedelta(hours=24)
RECEIVED: Final = "$message.received"  # the user wrote to the workspace's team
SENT: Final = "$message.sent"  # the team wrote to the user
CONVERSATION: Final = frozenset({RECEIVED, SENT})

# Messages are not frozen, only because making a frozen one takes four times as long and thousands are made a second.

Traits = Mapping[str, Any]
Source = Literal["api", "segment", "analytics", "rudderstack", "import"]
"""The dialect a message was read from."""


@dataclass(slots=True)
class AccountMessage:
    """What is now known of an account. A missing trait is left alone, a null one is cleared."""

    at: datetime
    account: str
    traits: Traits


@dataclass(slots=True)
class UserMessage:
    """What is now known of a user, and accounts the user belongs to."""

    at: datetime
    user: str
    accounts: tuple[str, ...]
    traits: Traits
    organizations: tuple[str, ...] = ()


@dataclass(slots=True)
class ResponseMessage(UserMessage):
    """A user answered how likely they are to recommend you, at `at`; who is not known yet is from now on."""

    score: int = 0
    feedback: str | None = None
    external_id: str | None = None


@dataclass(slots=True)
class EventMessage:
    """Something happened: a user did it, at an account or an organization, or all of these.

    With `usual_account`, one that names a user only counts for the account this user was last linked to.
    """

    at: datetime
    name: str
    account: str | None
    user: str | None
    properties: bytes  # a JSON object, as it will be stored
    organization: str | None = None
    usual_account: bool = False


@dataclass(slots=True)
class UnlinkMessage:
    """A user no longer belongs to an account."""

    at: datetime
    account: str
    user: str


@dataclass(slots=True)
class OrganizationMessage:
    """What is now known of an organization, the optional parent of accounts."""

    at: datetime
    organization: str
    traits: Traits


@dataclass(slots=True)
class ParentMessage:
    """An account belongs to an organization from now on, or, with None, to none."""

    at: datetime
    account: str
    organization: str | None


@dataclass(slots=True)
class InstanceMessage:
    """What is now known of an instance of a custom object. A name or parent that is None is left alone."""

    at: datetime
    custom_object: str
    instance: str
    name: str | None
    account: str | None
    organization: str | None
    traits: Traits


Message = (
    AccountMessage | UserMessage | EventMessage | UnlinkMessage | OrganizationMessage | ParentMessage | InstanceMessage
)


@dataclass(slots=True)
class Envelope:
    """What one item of a sender said, with the identity that makes repeating it harmless.

    Without an id it is taken every time. Its messages, at least one, are taken together or not at all.
    """

    messages: tuple[Message, ...]
    message_id: str | None
    body_hash: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one message. `code` says why when it was not accepted.

    Some dialects also carry what is of no use here, such as visits of nobody in particular: that is "ignored".
    """

    status: Literal["accepted", "duplicate", "conflict", "rejected", "suppressed", "ignored"]
    code: str | None = None
    detail: str | None = None


ACCEPTED: Final = Verdict("accepted")
DUPLICATE: Final = Verdict("duplicate", "duplicate", "This message id was taken before, with the same body.")
MISUSED: Final = Verdict(
    "conflict", "message_id_reused", "This message id was taken before with another body; the first one stands."
)
SUPPRESSED: Final = Verdict("suppressed", "suppressed", "Its user or account was deleted; nothing of it was stored.")

CUSTOM: Final = "custom."
"""How the keys of traits begin that are managed in Steward alone."""
WITHOUT_CUSTOM: Final = Verdict(
    "accepted",
    "custom_traits_ignored",
    "Stored, but for its traits under `custom.`: those are managed in Steward, and edited through PATCH …/traits.",
)

IGNORED: Final = Verdict("ignored", "ignored", "It says nothing about an account or a user known by an id.")


def stamp(at: datetime, value: Any) -> int:
    """A number that orders all writes of one trait: by time, then, so that ties have one winner, by value."""
    return tick(at) | zlib.crc32(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def tick(at: datetime) -> int:
    """The least stamp of an instant: microseconds since 1970, times 2^32."""
    return (at - EPOCH) // timedelta(microseconds=1) << 32


def as_text(value: Any) -> str | None:
    """A trait's value as an external id: strings as they are, other values as their JSON text, null as nothing."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
