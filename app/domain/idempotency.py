"""Writes that may be repeated: the same key and the same request get the same answer, and the write happens once."""

import re
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from app.domain.errors import Conflict, Malformed, Rejected

KEPT: Final = timedelta(hours=24)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")


class UnusableIdempotencyKey(Malformed):
    """The Idempotency-Key cannot be used."""

    code = "unusable_idempotency_key"


class IdempotencyKeyReused(Rejected):
    """The Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"


class RequestInProgress(Conflict):
    """A request with this Idempotency-Key is under way."""

    code = "request_in_progress"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write was answered with."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request with a key: `id` is of caller, operation and key together; `request_hash` of what was asked."""

    id: UUID
    request_hash: bytes


def attempt(*, actor: str, operation: str, key: str, path: str, query: bytes, body: bytes) -> Attempt:
    """What a request with this key is known by. Raises `UnusableIdempotencyKey`."""
    if not _KEY.match(key):
        raise UnusableIdempotencyKey("An Idempotency-Key has 1 to 255 visible ASCII characters, such as a UUID.")
    name = sha256(f"{actor}\0{operation}\0{key}".encode()).digest()
    asked = sha256(b"\0".join((path.encode(), query, body))).digest()
    return Attempt(UUID(bytes=name[:16]), asked)
