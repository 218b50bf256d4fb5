"""API keys: what a secret looks like, what it may do, and which fakes are refused without asking anyone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID
from zlib import crc32

from app.domain.errors import Conflict, Forbidden, NotFound, Rejected, Unauthenticated

BRAND: Final = "stw"
RANDOM_DIGITS: Final = 30
CHECK_DIGITS: Final = 6
HINT_CHARACTERS: Final = 17  # brand, environment, type and the first four random digits
LONGEST_OVERLAP: Final = timedelta(days=30)
REDACTED: Final = "(API key)"
"""What stands in the place of a secret, where a text is kept that somebody put one into."""
USED_EVERY: Final = timedelta(minutes=1)
"""How coarse `last_used_at` is: at most one write per key in this time."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET: Final = re.compile(r"stw_(?:live|test)_(?:ing|rea|adm|key)_[0-9A-Za-z]{36}")

Environment = Literal["live", "test"]
IngestMode = Literal["direct", "inbox"]
"""Whether what is sent is processed before it is acknowledged, or read and stored, and processed afterwards."""


class Scope(StrEnum):
    """What a key may do; `admin` includes the other two."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


class MissingKey(Unauthenticated):
    """The request carries no API key."""

    code = "missing_api_key"


class InvalidKey(Unauthenticated):
    """The API key is not valid."""

    code = "invalid_api_key"


class InsufficientScope(Forbidden):
    """The API key lacks a scope."""

    code = "insufficient_scope"


class UnknownKey(NotFound):
    """There is no such API key."""

    code = "unknown_key"


class KeyRevoked(Conflict):
    """The API key has been revoked."""

    code = "key_revoked"


class ExpiryInThePast(Rejected):
    """A key cannot expire before it is made."""

    code = "expiry_in_the_past"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: the workspace and key behind a secret, what it may do, and how it is treated."""

    workspace_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    requests_per_minute: int | None = None  # None: as many as any key
    ingest_mode: IngestMode = "direct"

    def require(self, scope: Scope) -> None:
        """InsufficientScope unless the key has `scope` or `admin`."""
        if scope not in self.scopes and Scope.ADMIN not in self.scopes:
            raise InsufficientScope(f"This needs a key with the scope `{scope}`.", scope=str(scope))


@dataclass(frozen=True, slots=True)
class Grant:
    """What the key table says about one secret."""

    caller: Caller
    expires_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether the secret still opens anything at `now`."""
        return self.expires_at is None or now < self.expires_at


def secret(environment: Environment, scopes: Iterable[str], entropy: bytes) -> str:
    """A new secret, `stw_<environment>_<type>_<30 random><6 check>`, from 32 random bytes."""
    number = int.from_bytes(entropy) % len(_ALPHABET) ** RANDOM_DIGITS
    head = f"{BRAND}_{environment}_{_kind(frozenset(scopes))}_{_base62(number, RANDOM_DIGITS)}"
    return head + _check(head)


def well_formed(text: str) -> bool:
    """Whether this could be a secret of ours: right shape, right check digits. Costs no look-up."""
    return _SECRET.fullmatch(text) is not None and text.endswith(_check(text[:-CHECK_DIGITS]))


def fingerprint(text: str) -> bytes:
    """What is stored of a secret: SHA-256 suffices, since 178 random bits leave nothing to guess."""
    return sha256(text.encode()).digest()


def hint(text: str) -> str:
    """What may be shown of a secret, to recognise it by."""
    return text[:HINT_CHARACTERS]


def redact(text: str) -> str:
    """The text without anything that looks like a secret of ours."""
    return _SECRET.sub(REDACTED, text)


def _kind(scopes: frozenset[str]) -> str:
    (only,) = scopes if len(scopes) == 1 else ("key",)
    return only[:3]


def _check(head: str) -> str:
    return _base62(crc32(head.encode()), CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    found = []
    for _ in range(digits):
        number, digit = divmod(number, len(_ALPHABET))
        found.append(_ALPHABET[digit])
    return "".join(reversed(found))
