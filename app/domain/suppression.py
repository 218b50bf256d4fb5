"""Who must not come back: people and accounts that were deleted are remembered by a keyed hash of their id alone."""

import hmac
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

from app.domain.messages import AccountMessage, Message, UserMessage, as_text

Kind = Literal["user", "account"]
_PURPOSE: Final = b"steward suppression"


def key(master: str) -> bytes:
    """The key of the hashes, derived from the master key; without it, they say nothing about whose they are."""
    return hmac.digest(master.encode(), _PURPOSE, sha256)


def disguise(key: bytes, workspace_id: UUID, kind: Kind, external_id: str) -> bytes:
    """32 bytes that stand for a deleted user or account."""
    return hmac.digest(key, b"|".join((workspace_id.bytes, kind.encode(), external_id.encode())), sha256)


def owner_named(message: Message, owner_trait: str | None) -> str | None:
    """The user whom an account's owner trait names."""
    if owner_trait is None or not isinstance(message, AccountMessage):
        return None
    return as_text(message.traits.get(owner_trait))


def without_owner(message: Message, owner_trait: str | None) -> Message:
    """The message as it may be stored when that user was deleted: the trait counts as cleared."""
    if owner_trait is None or not isinstance(message, AccountMessage):
        return message
    return replace(message, traits={**message.traits, owner_trait: None})


def named_in(message: Message) -> Iterator[tuple[Kind, str]]:
    """The users and accounts a message names."""
    accounts = message.accounts if isinstance(message, UserMessage) else (getattr(message, "account", None),)
    yield from (("account", name) for name in accounts if name is not None)
    if (user := getattr(message, "user", None)) is not None:
        yield "user", user
