"""Cursors: where a list goes on, sealed so that a client can hand one back but not make or move one.

The seal covers the scope (workspace, list, filter and order), so a cursor opens only where it was given out.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.domain.errors import Malformed

_MAC_BYTES: Final = 16


class InvalidCursor(Malformed):
    """The cursor was not given out for this list."""

    code = "invalid_cursor"


def key(master: str) -> bytes:
    """The key cursors are sealed with, derived from the master key."""
    return hmac.digest(master.encode(), b"steward cursors, version 1", "sha256")


def seal(values: Sequence[Any], *, key: bytes, scope: str) -> str:
    """A cursor that carries the sort values of the last row shown: JSON values, times and UUIDs."""
    text = json.dumps([_plain(value) for value in values], separators=(",", ":"), allow_nan=False).encode()
    return urlsafe_b64encode(_mac(text, key, scope) + text).rstrip(b"=").decode()


def unseal(cursor: str, *, key: bytes, scope: str) -> list[Any]:
    """The values sealed in `cursor`; InvalidCursor when it is altered, or belongs to another list or workspace."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        raw = b""
    mac, text = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(text, key, scope)):
        raise InvalidCursor("This cursor does not belong here; start again without one.")
    return [_rich(value) for value in json.loads(text)]


def _mac(text: bytes, key: bytes, scope: str) -> bytes:
    return hmac.digest(key, scope.encode() + b"\0" + text, "sha256")[:_MAC_BYTES]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    return {"id": value.hex} if isinstance(value, UUID) else value


def _rich(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return datetime.fromisoformat(value["at"]) if "at" in value else UUID(hex=value["id"])
