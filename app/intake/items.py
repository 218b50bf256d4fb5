"""Our own dialect: four kinds of message, the same alone and in a batch."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.domain.messages import (
    MOST_AHEAD,
    OLDEST,
    AccountMessage,
    EventMessage,
    Message,
    UnlinkMessage,
    UserMessage,
)
from app.domain.wire import Wire

ID_BYTES = 256
NAME_BYTES = 512
MOST_TRAITS = 200
MOST_ACCOUNTS = 100
MOST_ITEMS = 500


def _external_id(value: object) -> str:
    """Clients send ids as strings and as whole numbers; both are kept as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_id", "An id is a string or a whole number.")
    if not value.strip():
        raise PydanticCustomError("blank_id", "An id must not be blank.")
    if len(value) * 4 > ID_BYTES and len(value.encode()) > ID_BYTES:
        raise PydanticCustomError("id_too_long", "An id takes at most {limit} bytes.", {"limit": ID_BYTES})
    return value


def _event_name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PydanticCustomError("blank_name", "An event needs a name.")
    if len(value) * 4 > NAME_BYTES and len(value.encode()) > NAME_BYTES:
        raise PydanticCustomError("name_too_long", "A name takes at most {limit} bytes.", {"limit": NAME_BYTES})
    return value


def _instant(value: object) -> datetime | None:
    """ISO 8601 text; without an offset it is UTC. Numbers are refused: their unit would be a guess."""
    if value is None or isinstance(value, datetime):
        return value
    if isinstance(value, str) and len(value) >= 10 and value[10:11] in {"", "T", " "}:
        with suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(value)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    raise PydanticCustomError(
        "invalid_timestamp", "A time is ISO 8601 text such as 2026-03-01T09:30:00Z; without an offset it is UTC."
    )


def _traits(value: object) -> object:
    if isinstance(value, dict) and len(value) > MOST_TRAITS:
        raise PydanticCustomError(
            "too_many_traits", "A message carries at most {limit} traits.", {"limit": MOST_TRAITS}
        )
    return value


ExternalId = Annotated[
    str,
    BeforeValidator(_external_id),
    WithJsonSchema({"type": ["string", "integer"], "maxLength": ID_BYTES, "minLength": 1, "examples": ["user-1"]}),
]
EventName = Annotated[
    str,
    BeforeValidator(_event_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NAME_BYTES, "examples": ["Report Exported"]}),
]
Instant = Annotated[
    datetime | None,
    BeforeValidator(_instant),
    WithJsonSchema({"type": ["string", "null"], "format": "date-time", "examples": ["2026-03-01T09:30:00Z"]}),
]
Traits = Annotated[
    dict[str, Any],
    BeforeValidator(_traits),
    Field(
        default_factory=dict,
        description="Merged into what is known: a missing trait is left alone, `null` clears it.",
        max_length=MOST_TRAITS,
    ),
]
MessageId = Annotated[
    str | None,
    BeforeValidator(lambda value: None if value is None else _external_id(value)),
    WithJsonSchema({"type": ["string", "null"], "minLength": 1, "maxLength": ID_BYTES}),
    Field(description="Makes sending it again harmless. Without one, a repeat is taken as new."),
]
Timestamp = Annotated[
    Instant, Field(description="When it happened; ISO 8601, UTC where it names no offset. Default: now.")
]


class Timed(Wire):
    """What every message may say about itself."""

    message_id: MessageId = None
    timestamp: Timestamp = None

    def happened(self, received_at: datetime, skew: timedelta) -> datetime:
        """The time it happened by our clock. Raises when that is before 2000 or more than a day ahead."""
        if self.timestamp is None:
            return received_at
        try:
            at = self.timestamp + skew
        except OverflowError:
            at = OLDEST - timedelta(days=1)
        if not OLDEST <= at <= received_at + MOST_AHEAD:
            raise PydanticCustomError("timestamp_out_of_range", "A time lies between the year 2000 and a day from now.")
        return at


class AccountFields(Timed):
    traits: Traits

    def messages(self, account: str, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        return (AccountMessage(self.happened(received_at, skew), account, self.traits),)


class UserFields(Timed):
    traits: Traits

    def messages(
        self, user: str, accounts: tuple[str, ...], received_at: datetime, skew: timedelta
    ) -> tuple[Message, ...]:
        return (UserMessage(self.happened(received_at, skew), user, accounts, self.traits),)


class EventIn(Timed):
    """Something happened: name the user who did it, the account it happened at, or both."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["userId"]}, {"required": ["accountId"]}]})

    event: EventName
    user_id: ExternalId | None = None
    account_id: ExternalId | None = None
    properties: dict[str, Any] = Field(default_factory=dict)

    def to_domain(self, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        if self.user_id is None and self.account_id is None:
            raise PydanticCustomError("missing_subject", "An event needs a userId, an accountId, or both.")
        at = self.happened(received_at, skew)
        return (EventMessage(at, self.event, self.account_id, self.user_id, orjson.dumps(self.properties)),)


class AccountItem(AccountFields):
    """Create or update an account."""

    type: Literal["account"]
    account_id: ExternalId

    def to_domain(self, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        return self.messages(self.account_id, received_at, skew)


class UserItem(UserFields):
    """Create or update a user and the accounts they belong to."""

    type: Literal["user"]
    user_id: ExternalId
    account_id: ExternalId | None = None
    account_ids: list[ExternalId] = Field(default_factory=list, max_length=MOST_ACCOUNTS)

    def to_domain(self, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        one = () if self.account_id is None else (self.account_id,)
        return self.messages(self.user_id, (*one, *self.account_ids), received_at, skew)


class EventItem(EventIn):
    """Something happened."""

    type: Literal["event"]


class UnlinkItem(Timed):
    """A user no longer belongs to an account."""

    type: Literal["unlink"]
    user_id: ExternalId
    account_id: ExternalId

    def to_domain(self, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        return (UnlinkMessage(self.happened(received_at, skew), self.account_id, self.user_id),)


Item = Annotated[AccountItem | UserItem | EventItem | UnlinkItem, Field(discriminator="type")]
ITEM: TypeAdapter[AccountItem | UserItem | EventItem | UnlinkItem] = TypeAdapter(Item)


class BatchIn(Wire):
    """Up to 500 messages. Each is judged on its own: a bad one never stops its neighbours."""

    messages: list[Item] = Field(min_length=1, max_length=MOST_ITEMS)
    sent_at: Annotated[
        Instant,
        Field(description="The sender's clock when it sent this; the difference to ours corrects all timestamps."),
    ] = None
