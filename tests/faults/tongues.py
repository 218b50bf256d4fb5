"""The same message in every dialect: what it says is the same, so what must come of it is the same."""

import base64
from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Tongue:
    """Where a dialect is posted, how its key is shown, the body for some messages, and the answer that takes it."""

    path: str
    status: int
    authorization: object
    body: object
    most: int = 500  # messages in one request


def _bearer(key):
    return f"Bearer {key}"


def _basic(key):
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def as_tracked(message):
    """A message of ours as a tracking library would have put it."""
    kind, said = message["type"], {name: message[name] for name in ("messageId", "timestamp")}
    user = {"userId": message["userId"]} if "userId" in message else {"anonymousId": "somebody"}
    context = {"context": {"groupId": message["accountId"]}} if "accountId" in message else {}
    if kind == "event":
        return {"type": "track", **said, **user, **context, **_only(message, "event", "properties")}
    if kind == "account":
        return {"type": "group", **said, **user, "groupId": message["accountId"], "traits": message["traits"]}
    if kind == "user":
        return {"type": "identify", **said, **user, **context, "traits": message["traits"]}
    gone = {"company": {"id": message["accountId"], "remove": True}}
    return {"type": "identify", **said, **user, "traits": gone}


def _only(message, *names):
    return {name: message[name] for name in names}


def has_tracked_form(message):
    """A user of two accounts is said with two calls there; an event of nobody's account is somebody's usual one."""
    return "accountIds" not in message and (message["type"] != "event" or "accountId" in message)


TONGUES = {
    "api": Tongue("/api/v1/batch", 202, _bearer, lambda messages: {"messages": messages}),
    "segment": Tongue("/v1/batch", 200, _basic, lambda messages: {"batch": [as_tracked(one) for one in messages]}),
    "rudderstack": Tongue("/rudderstack", 200, _basic, lambda messages: as_tracked(messages[0]), most=1),
}


def of(message):
    """The tongue a message is always told in where each has one: a third of them in Segment's."""
    return "segment" if has_tracked_form(message) and crc32(message["messageId"].encode()) % 3 == 0 else "api"
