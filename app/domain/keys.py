"""Keys and sessions: what a secret looks like, what it may do, and which fakes are refused without asking anyone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID
from zlib import crc32

from app.domain import ids
from app.domain.errors import Conflict, Forbidden, NotFound, Rejected, Unauthenticated
from app.domain.filters import NeedsMember
from app.domain.team import ALLOWED, MemberRole, Permission, Scope, check_role

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
_TOKEN: Final = re.compile(r"stw_(ses|inv)_[0-9A-Za-z]{36}")

Environment = Literal["live", "test"]
Token = Literal["ses", "inv"]
"""A session of a member who signed in; an invitation to become one."""
IngestMode = Literal["direct", "inbox"]
"""Whether what is sent is processed before it is acknowledged, or read and stored, and processed afterwards."""


class MissingKey(Unauthenticated):
    """The request carries no API key."""

    code = "missing_api_key"


class InvalidKey(Unauthenticated):
    """The API key is not valid."""

    code = "invalid_api_key"


class InsufficientScope(Forbidden):
    """The API key lacks a scope."""

    code = "insufficient_scope"


class InvalidSession(Unauthenticated):
    """The session has ended."""

    code = "invalid_session"


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
    """Who is asking: the workspace behind a secret, what it may do, and how it is treated.

    A program has a key with scopes; a member has a session, a role and the data-access groups they are in.
    """

    workspace_id: UUID
    key_id: UUID | None
    scopes: frozenset[str] = frozenset()
    requests_per_minute: int | None = None  # None: as many as any key
    ingest_mode: IngestMode = "direct"
    session_id: UUID | None = None
    member_id: UUID | None = None
    role: MemberRole | None = None  # None: a key
    groups: frozenset[UUID] = frozenset()
    grouped: bool = False  # whether the workspace has data-access groups at all

    @property
    def credential_id(self) -> UUID:
        """The key or the session the request came with."""
        found = self.key_id or self.session_id
        assert found is not None  # noqa: S101 - nobody calls without either
        return found

    @property
    def actor(self) -> str:
        """Who is on record for what this caller does: `mem_…` or `key_…`."""
        if self.member_id is not None:
            return ids.show("mem", self.member_id)
        return ids.show("key", self.credential_id)

    @property
    def sees_all(self) -> bool:
        """Whether no data-access group hides anything: from keys and admins, and where there are no groups."""
        return self.role in {None, MemberRole.ADMIN} or not self.grouped

    @property
    def veil(self) -> frozenset[UUID] | None:
        """The groups that decide what this caller sees; None: everything."""
        return None if self.sees_all else self.groups

    def may(self, permission: Permission) -> bool:
        """Whether this caller has a permission."""
        allowed = ALLOWED[permission]
        if self.role is not None:
            return self.role in allowed.roles
        return allowed.scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, permission: Permission) -> None:
        """Refuse who may not: a key with `InsufficientScope`, a member with `NotPermitted`."""
        if self.role is not None:
            check_role(self.role, permission)
        elif not self.may(permission):
            scope = ALLOWED[permission].scope
            raise InsufficientScope(f"This needs a key with the scope `{scope}`.", scope=str(scope))

    def person(self) -> UUID:
        """The member who asks. Raises `NeedsMember` for a key."""
        if self.member_id is None:
            raise NeedsMember("Sign in with POST /api/v1/sessions: a key is nobody of your team.")
        return self.member_id


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


def token(kind: Token, entropy: bytes) -> str:
    """A new secret of a person, `stw_<kind>_<30 random><6 check>`, from 32 random bytes."""
    number = int.from_bytes(entropy) % len(_ALPHABET) ** RANDOM_DIGITS
    head = f"{BRAND}_{kind}_{_base62(number, RANDOM_DIGITS)}"
    return head + _check(head)


def is_token(kind: Token, text: str) -> bool:
    """Whether this could be such a secret. Costs no look-up."""
    found = _TOKEN.fullmatch(text)
    return found is not None and found[1] == kind and text.endswith(_check(text[:-CHECK_DIGITS]))


def fingerprint(text: str) -> bytes:
    """What is stored of a secret: SHA-256 suffices, since 178 random bits leave nothing to guess."""
    return sha256(text.encode()).digest()


def hint(text: str) -> str:
    """What may be shown of a secret, to recognise it by."""
    return text[:HINT_CHARACTERS]


def redact(text: str) -> str:
    """The text without anything that looks like a secret of ours."""
    return _TOKEN.sub(REDACTED, _SECRET.sub(REDACTED, text))


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
