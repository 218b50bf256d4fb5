"""What the audit log keeps of a write: who, what, on which thing, and the request without its secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson

LONGEST_REQUEST: Final = 16_384
"""Bytes of a request that are kept; a longer one is not."""
HIDDEN: Final = "(hidden)"
_SECRET: Final = ("password", "secret", "token", "authorization", "apikey", "credential")
_SAID: Final = frozenset({"feedback", "answers"})  # what customers said, which a deletion could not find here
_NAMELESS: Final = frozenset({"deleteSuppression"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the audit log to be written. `details` is what a service adds, such as what was there before."""

    at: datetime
    actor: str
    action: str
    target: str | None = None
    path: str | None = None
    request: Any = None
    request_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Which lines of the log are asked for; what is None does not narrow."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def equal(self) -> Mapping[str, str]:
        """The columns that must have a value."""
        asked = {"actor": self.actor, "action": self.action, "target": self.target}
        return {name: value for name, value in asked.items() if value is not None}

    def digest(self) -> str:
        """A name for the list, so that a cursor does not open another one."""
        return sha256(repr(self).encode()).hexdigest()[:32]


def kept(action: str, body: bytes) -> Any:
    """A request's JSON as the log keeps it: without secrets, and not at all when long or about somebody deleted."""
    if not body or action in _NAMELESS:
        return None
    if len(body) > LONGEST_REQUEST:
        return {"notKept": f"{len(body)} bytes"}
    try:
        return masked(orjson.loads(body))
    except orjson.JSONDecodeError:
        return {"notKept": f"{len(body)} bytes"}


def masked(value: Any) -> Any:
    """The same JSON with whatever is called a secret hidden."""
    if isinstance(value, dict):
        return {key: _masked(key, part) for key, part in value.items()}
    return [masked(part) for part in value] if isinstance(value, list) else value


def _masked(key: str, value: Any) -> Any:
    if key in _SAID or _is_secret(key):
        return HIDDEN
    if key == "url" and isinstance(value, str) and "://" in value:  # receivers put secrets into paths
        scheme, _, rest = value.partition("://")
        return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}/…"
    return masked(value)


def keeps_path(action: str) -> bool:
    """Whether the path may be kept: it names the user or account that a deletion is about."""
    return action not in _NAMELESS


def _is_secret(key: str) -> bool:
    plain = key.replace("_", "").replace("-", "").lower()
    return any(word in plain for word in _SECRET)
