"""The dialect of Vitally's analytics API: six kinds of message, each at an address of its own or in an array.

Source: Vitally's help articles 9874131 to 9874157 and 14117172. Where they leave a choice, what their clients send is
taken: unknown members are ignored, and traits or properties may be missing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic_core import PydanticCustomError, from_json

from app.domain.errors import Rejected
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
from app.intake import guard, items, reading
from app.intake.guard import Limits
from app.intake.items import MOST_TRAITS, NAME_BYTES, EventName, ExternalId, MessageId, Timed
from app.intake.reading import BadBatch, BadMessage, Taken, read_items

MOST_ITEMS: Final = 100
NOW: Final = timedelta(0)


def _open(value: object) -> object:
    """Absent, null, and the empty list that PHP writes for an empty object, are empty objects."""
    return {} if value is None or value == [] else value


Properties = Annotated[dict[str, Any], BeforeValidator(_open), Field(default_factory=dict)]
Traits = Annotated[Properties, BeforeValidator(items.few_traits), Field(max_length=MOST_TRAITS)]


class Call(Timed):
    """What every message may say. It needs a `messageId` or a `timestamp`: with neither, no repeat could be told."""

    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"anyOf": [{"required": ["messageId"]}, {"required": ["timestamp"]}]}
    )

    message_id: MessageId = Field(None, description="Makes sending it again harmless. Default: a hash of the message.")


class OrganizationCall(Call):
    """Create or update an organization."""

    type: Literal["organization"] = "organization"
    organization_id: ExternalId
    traits: Traits

    def to_domain(self, at: datetime) -> tuple[Message, ...]:
        return (OrganizationMessage(at, self.organization_id, self.traits),)


class AccountCall(Call):
    """Create or update an account, and tell its organization."""

    type: Literal["account"] = "account"
    account_id: ExternalId
    organization_id: ExternalId | None = None
    traits: Traits

    def to_domain(self, at: datetime) -> tuple[Message, ...]:
        told = AccountMessage(at, self.account_id, self.traits)
        if "organization_id" not in self.model_fields_set:
            return (told,)
        return told, ParentMessage(at, self.account_id, self.organization_id)


class UserCall(Call):
    """Create or update a user of an account or an organization."""

    type: Literal["user"] = "user"
    user_id: ExternalId
    account_id: ExternalId | None = None
    organization_id: ExternalId | None = None
    traits: Traits

    def to_domain(self, at: datetime) -> tuple[Message, ...]:
        accounts, organizations = items.named(self.account_id), items.named(self.organization_id)
        if not accounts and not organizations:
            raise PydanticCustomError("missing_subject", "A user needs an accountId or an organizationId.")
        return (UserMessage(at, self.user_id, accounts, self.traits, organizations),)


class TrackCall(Call):
    """Something happened. With the user alone, it counts for the account they were last linked to."""

    type: Literal["track"] = "track"
    event: EventName
    user_id: ExternalId | None = None
    account_id: ExternalId | None = None
    organization_id: ExternalId | None = None
    properties: Properties

    def to_domain(self, at: datetime) -> tuple[Message, ...]:
        user, account, organization = self.user_id, self.account_id, self.organization_id
        if user is None and account is None and organization is None:
            raise PydanticCustomError("missing_subject", "An event needs a userId, an accountId or an organizationId.")
        usual = account is None and organization is None
        properties = orjson.dumps(self.properties)
        return (EventMessage(at, self.event, account, user, properties, organization, usual_account=usual),)


class UnlinkCall(Call):
    """A user no longer belongs to an account."""

    type: Literal["unlink"] = "unlink"
    user_id: ExternalId
    account_id: ExternalId

    def to_domain(self, at: datetime) -> tuple[Message, ...]:
        return (UnlinkMessage(at, self.account_id, self.user_id),)


class InstanceCall(Call):
    """Create or update an instance of a custom object. `customerId` is another word for `accountId`."""

    type: Literal["customobjectinstance"] = "customobjectinstance"
    custom_object_id: ExternalId
    external_id: ExternalId
    name: str | None = Field(None, max_length=NAME_BYTES)
    account_id: ExternalId | None = None
    customer_id: ExternalId | None = None
    organization_id: ExternalId | None = None
    traits: Traits

    def to_domain(self, at: datetime) -> tuple[Message, ...]:
        account, organization = self.account_id or self.customer_id, self.organization_id
        if account is None and organization is None:
            raise PydanticCustomError("missing_subject", "An instance needs an accountId or an organizationId.")
        object_, instance = self.custom_object_id, self.external_id
        return (InstanceMessage(at, object_, instance, self.name or None, account, organization, self.traits),)


AnyCall = OrganizationCall | AccountCall | UserCall | TrackCall | UnlinkCall | InstanceCall
Calls = Annotated[AnyCall, Field(discriminator="type")]
CALLS: Final[Mapping[str, type[AnyCall]]] = {
    "organization": OrganizationCall,
    "account": AccountCall,
    "user": UserCall,
    "track": TrackCall,
    "unlink": UnlinkCall,
    "customobjectinstance": InstanceCall,
}
_CALL: Final[TypeAdapter[AnyCall]] = TypeAdapter(Calls)


def read(item: Any, *, received_at: datetime, event_bytes: int) -> Envelope:
    """Read one message, which names its type. Without an id, the hash of what it says is its id."""
    canonical = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    if len(canonical) > event_bytes:
        raise BadMessage(f"A message takes at most {event_bytes} bytes.", code="limit_exceeded")
    said = _CALL.validate_python(item)
    if said.message_id is None and said.timestamp is None:
        raise BadMessage(
            "A message needs a messageId, a timestamp, or both.", code="missing_field", pointer="#/messageId"
        )
    messages = said.to_domain(said.happened(received_at, NOW))
    message_id = said.message_id or f"analytics:{blake2b(canonical, digest_size=16).hexdigest()}"
    return Envelope(messages, message_id, reading.body_hash(canonical))


def read_single(kind: str, body: bytes, *, now: datetime, event_bytes: int) -> Taken:
    """Read one message, of the type that its address says."""
    item, faults = _parse(body, Limits(text_bytes=event_bytes))
    if type(item) is not dict:
        raise BadBatch("A message is an object.")
    return _read([{**item, "type": kind}], faults, now, event_bytes)


def read_batch(body: bytes, *, now: datetime, event_bytes: int) -> Taken:
    """Read an array of messages. Raises Malformed or Rejected when it is none."""
    batch, faults = _parse(body, Limits(text_bytes=event_bytes))
    if type(batch) is not list:
        raise BadBatch("A batch is an array of messages.")
    if not 1 <= len(batch) <= MOST_ITEMS:
        raise BadBatch(f"A batch has 1 to {MOST_ITEMS} messages.", limit="batch", allowed=MOST_ITEMS)
    return _read(batch, faults, now, event_bytes)


def _parse(body: bytes, limits: Limits) -> tuple[Any, dict[int, Rejected]]:
    """The value in `body`, and what is wrong with items of the array that it is; or with itself, as the only item."""
    try:
        return guard.parse(body, limits), {}
    except Rejected:
        value = _again(body)
    parts = value if type(value) is list else [value]
    return value, {index: fault for index, one in enumerate(parts) if (fault := guard.fault_of(one, limits))}


def _again(body: bytes) -> Any:
    """What the guard could read but not let pass; refused if it could not even read it."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        raise BadBatch("The body is nested deeper than any request needs.", limit="depth") from None


def _read(batch: list[Any], faults: Mapping[int, Rejected], now: datetime, event_bytes: int) -> Taken:
    return read_items(batch, faults, partial(read, received_at=now, event_bytes=event_bytes))
