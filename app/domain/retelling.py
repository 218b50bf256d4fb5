"""Says in the words of our own dialect what a message was understood to mean, where the sender's own are not kept."""

from typing import Any

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


def retell(envelope: Envelope) -> dict[str, Any]:
    """The item of a batch that means the same; for what no single item can say, an object with several."""
    first, *more = envelope.messages
    told = _present(_said(first))
    if more and isinstance(more[0], ParentMessage):  # an account and its organization are told in one
        told |= _said(more.pop(0))
    if more:
        told = {"type": "several", "items": [told, *(_present(_said(message)) for message in more)]}
    told["timestamp"] = first.at.isoformat()
    if envelope.message_id is not None:
        told["messageId"] = envelope.message_id
    return told


def _present(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value not in (None, [], {})}


def _said(message: Message) -> dict[str, Any]:
    match message:
        case AccountMessage():
            return {"type": "account", "accountId": message.account, "traits": dict(message.traits)}
        case UserMessage():
            return {
                "type": "user",
                "userId": message.user,
                "accountIds": list(message.accounts),
                "organizationIds": list(message.organizations),
                "traits": dict(message.traits),
            }
        case EventMessage():
            return {
                "type": "event",
                "event": message.name,
                "userId": message.user,
                "accountId": message.account,
                "organizationId": message.organization,
                "properties": orjson.loads(message.properties),
            }
        case UnlinkMessage():
            return {"type": "unlink", "userId": message.user, "accountId": message.account}
        case OrganizationMessage():
            return {
                "type": "organization",
                "organizationId": message.organization,
                "traits": dict(message.traits),
            }
        case ParentMessage():
            return {"type": "account", "accountId": message.account, "organizationId": message.organization}
        case InstanceMessage():
            return {
                "type": "customObjectInstance",
                "customObject": message.custom_object,
                "instanceId": message.instance,
                "name": message.name,
                "accountId": message.account,
                "organizationId": message.organization,
                "traits": dict(message.traits),
            }
