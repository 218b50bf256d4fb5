"""Our own dialect: six kinds of message, the same alone and in a batch."""

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
    InstanceMessage,
    Message,
    OrganizationMessage,
    ParentMessage,
    UnlinkMessage,
    UserMessage,
)
from app.domain.wire import Wire

ID_BYTES = 256
NAME_BYTES = 512
MOST_TRAITS = 200
MOST_ACCOUNTS = 100
MOST_ITEMS = 500


def external_id(value: object) -> str:
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


def event_name(value: object) -> str:
    """The name of an event; refused when blank or too long."""
    if not isinstance(value, str) or not value.strip():
        raise PydanticCustomError("blank_name", "An event needs a name.")
    if len(value) * 4 > NAME_BYTES and len(value.encode()) > NAME_BYTES:
        raise PydanticCustomError("name_too_long", "A name takes at most {limit} bytes.", {"limit": NAME_BYTES})
    return value


def instant(value: object) -> datetime | None:
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


def few_traits(value: object) -> object:
    """Traits, whatever they are; refused when they are too many."""
    if isinstance(value, dict) and len(value) > MOST_TRAITS:
        raise PydanticCustomError(
            "too_many_traits", "A message carries at most {limit} traits.", {"limit": MOST_TRAITS}
        )
    return value


ExternalId = Annotated[
    str,
    BeforeValidator(external_id),
    WithJsonSchema({"type": ["string", "integer"], "maxLength": ID_BYTES, "minLength": 1, "examples": ["user-1"]}),
]
EventName = Annotated[
    str,
    BeforeValidator(event_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NAME_BYTES, "examples": ["Report Exported"]}),
]
Instant = Annotated[
    datetime | None,
    BeforeValidator(instant),
    WithJsonSchema({"type": ["string", "null"], "format": "date-time", "examples": ["2026-03-01T09:30:00Z"]}),
]
Traits = Annotated[
    dict[str, Any],
    BeforeValidator(few_traits),
    Field(
        default_factory=dict,
        description="Merged into what is known: a missing trait is left alone, `null` clears it.",
        max_length=MOST_TRAITS,
    ),
]
MessageId = Annotated[
    str | None,
    BeforeValidator(lambda value: None if value is None else external_id(value)),
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
    organization_id: ExternalId | None = Field(
        None, description="Your id of the organization it belongs to; `null`: none any more. Left out: as before."
    )

    def messages(self, account: str, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        at = self.happened(received_at, skew)
        told = AccountMessage(at, account, self.traits)
        if "organization_id" not in self.model_fields_set:
            return (told,)
        return told, ParentMessage(at, account, self.organization_id)


class UserFields(Timed):
    traits: Traits

    def messages(
        self,
        user: str,
        accounts: tuple[str, ...],
        organizations: tuple[str, ...],
        received_at: datetime,
        skew: timedelta,
    ) -> tuple[Message, ...]:
        return (UserMessage(self.happened(received_at, skew), user, accounts, self.traits, organizations),)


class OrganizationFields(Timed):
    traits: Traits

    def messages(self, organization: str, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        return (OrganizationMessage(self.happened(received_at, skew), organization, self.traits),)


class EventIn(Timed):
    """Something happened: name the user who did it, the account or organization it happened at, or all of them."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [name]} for name in ("userId", "accountId", "organizationId")]}
    )

    event: EventName
    user_id: ExternalId | None = None
    account_id: ExternalId | None = None
    organization_id: ExternalId | None = None
    properties: dict[str, Any] = Field(default_factory=dict)

    def to_domain(self, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        if self.user_id is None and self.account_id is None and self.organization_id is None:
            raise PydanticCustomError("missing_subject", "An event needs a userId, an accountId or an organizationId.")
        at = self.happened(received_at, skew)
        properties = orjson.dumps(self.properties)
        return (EventMessage(at, self.event, self.account_id, self.user_id, properties, self.organization_id),)


class AccountItem(AccountFields):
    """Create or update an account."""

    type: Literal["account"]
    account_id: ExternalId

    def to_domain(self, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        return self.messages(self.account_id, received_at, skew)


class UserItem(UserFields):
    """Create or update a user and the accounts and organizations they belong to."""

    type: Literal["user"]
    user_id: ExternalId
    account_id: ExternalId | None = None
    account_ids: list[ExternalId] = Field(default_factory=list, max_length=MOST_ACCOUNTS)
    organization_id: ExternalId | None = None
    organization_ids: list[ExternalId] = Field(default_factory=list, max_length=MOST_ACCOUNTS)

    def to_domain(self, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        accounts = (*named(self.account_id), *self.account_ids)
        organizations = (*named(self.organization_id), *self.organization_ids)
        return self.messages(self.user_id, accounts, organizations, received_at, skew)


def named(name: str | None) -> tuple[str, ...]:
    """The name, if there is one."""
    return () if name is None else (name,)


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


class OrganizationItem(OrganizationFields):
    """Create or update an organization, the parent of accounts."""

    type: Literal["organization"]
    organization_id: ExternalId

    def to_domain(self, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        return self.messages(self.organization_id, received_at, skew)


class InstanceItem(Timed):
    """Create or update an instance of a custom object. What is left out or `null`, traits aside, stays as it was."""

    type: Literal["customObjectInstance"]
    custom_object: ExternalId = Field(description="Which custom object it is an instance of, such as `ticket`.")
    instance_id: ExternalId
    name: str | None = Field(None, min_length=1, max_length=NAME_BYTES)
    account_id: ExternalId | None = None
    organization_id: ExternalId | None = None
    traits: Traits

    def to_domain(self, received_at: datetime, skew: timedelta) -> tuple[Message, ...]:
        at = self.happened(received_at, skew)
        parents = self.account_id, self.organization_id
        return (InstanceMessage(at, self.custom_object, self.instance_id, self.name, *parents, self.traits),)


AnyItem = AccountItem | UserItem | EventItem | UnlinkItem | OrganizationItem | InstanceItem
Item = Annotated[AnyItem, Field(discriminator="type")]
ITEM: TypeAdapter[AnyItem] = TypeAdapter(Item)


class BatchIn(Wire):
    """Up to 500 messages. Each is judged on its own: a bad one never stops its neighbours."""

    messages: list[Item] = Field(min_length=1, max_length=MOST_ITEMS)
    sent_at: Annotated[
        Instant,
        Field(description="The sender's clock when it sent this; the difference to ours corrects all timestamps."),
    ] = None
