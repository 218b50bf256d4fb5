"""Links to surveys: a token names workspace, link, user and the end of its time, and nobody else can make one.

A survey has one link id at a time. Giving it another one ends every token that was made before.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct
from typing import Final
from uuid import UUID

from app.domain.surveys import InvalidSurveyLink

LONGEST: Final = 400  # days
MOST_AT_ONCE: Final = 1_000
_BODY: Final = Struct(">16s16s16sQ")
_MAC_BYTES: Final = 20
_CHARACTERS: Final = -(-(_BODY.size + _MAC_BYTES) * 4 // 3)
GONE: Final = "Ask whoever sent the link for a new one."


@dataclass(frozen=True, slots=True)
class Pass:
    """What a token says."""

    workspace_id: UUID
    link_id: UUID
    user_id: UUID
    expires_at: datetime


def key(master: str) -> bytes:
    """The key tokens are signed with, derived from the master key."""
    return hmac.digest(master.encode(), b"steward survey links, version 1", "sha256")


def write(what: Pass, *, key: bytes) -> str:
    """The token that says this; seconds are what its time is counted in."""
    ids = (what.workspace_id.bytes, what.link_id.bytes, what.user_id.bytes)
    body = _BODY.pack(*ids, int(what.expires_at.timestamp()))
    return urlsafe_b64encode(body + _mac(body, key)).rstrip(b"=").decode()


def read(token: str, *, key: bytes, now: datetime) -> Pass:
    """What a token says, if it is one of ours and its time is not over. Raises `InvalidSurveyLink`."""
    raw = _bytes(token)
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    if not hmac.compare_digest(mac, _mac(body, key)):
        raise InvalidSurveyLink(GONE)
    workspace_id, link_id, user_id, seconds = _BODY.unpack(body)
    expires_at = datetime.fromtimestamp(seconds, UTC)
    if now >= expires_at:
        raise InvalidSurveyLink(f"The link's time is over. {GONE}")
    return Pass(UUID(bytes=workspace_id), UUID(bytes=link_id), UUID(bytes=user_id), expires_at)


def _bytes(token: str) -> bytes:
    """Only the one way in which `write` spells a token is read."""
    if len(token) != _CHARACTERS or not token.isascii():
        return b""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
    return raw if urlsafe_b64encode(raw).rstrip(b"=").decode() == token else b""


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:_MAC_BYTES]
