"""What can be told from a request's head alone: its size, its sense, and what it says about the body to come."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from app.api import refusals
from app.intake import guard

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 100
MAX_URL_BYTES: Final = 8 * 1024
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
_ONCE: Final = frozenset(
    {b"host", b"authorization", b"content-length", b"content-type", b"content-encoding", b"transfer-encoding"}
)
_WANTED: Final = _ONCE | {b"x-request-id", b"cookie", b"steward-client"}


@dataclass(frozen=True, slots=True)
class Head:
    """The headers that decide how a request is treated; each of them at most once."""

    values: dict[bytes, bytes]

    def get(self, name: bytes) -> bytes | None:
        """A header's value, or None."""
        return self.values.get(name)

    @property
    def announces_body(self) -> bool:
        """Whether a body follows."""
        return b"transfer-encoding" in self.values or self.values.get(b"content-length", b"0").lstrip(b"0") != b""


def read(scope: MutableMapping[str, Any]) -> Head:
    """The head of a request, after its size and sense are checked."""
    url_bytes = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if url_bytes > MAX_URL_BYTES:
        raise refusals.UriTooLong(f"Addresses may have {MAX_URL_BYTES} bytes.")
    size, values = url_bytes, {}
    for name, value in scope["headers"]:
        size += len(name) + len(value) + 4
        if name in _WANTED:
            if name in values and name in _ONCE:
                raise refusals.BadRequest(f"The header {name.decode()} was sent twice.")
            values[name] = value
    if size > MAX_HEAD_BYTES or len(scope["headers"]) > MAX_HEADERS:
        raise refusals.HeadTooLarge(f"At most {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes.")
    _check_sense(scope, values)
    return Head(values)


def _check_sense(scope: MutableMapping[str, Any], values: dict[bytes, bytes]) -> None:
    if not values.get(b"host") and scope["http_version"] != "1.0":
        raise refusals.BadRequest("The header host is missing.")
    if not values.get(b"content-length", b"0").isdigit() or len(values.get(b"content-length", b"")) > 18:
        raise refusals.BadRequest("The header content-length is not a number.")
    if b"%00" in (scope.get("raw_path") or b"") or b"%00" in scope["query_string"]:
        raise guard.NulCharacter("The address contains the NUL character.")


def routable(raw_path: bytes) -> str | None:
    """The path with encoded slashes and per cent signs left encoded, so that an id may contain them; None: as it is.

    The route decodes its parameters once more (`routing.StrictRoute`).
    """
    lower = raw_path.lower()
    if b"%2f" not in lower and b"%25" not in lower:
        return None
    kept = raw_path.replace(b"%25", b"%2525").replace(b"%2f", b"%252F").replace(b"%2F", b"%252F")
    return unquote(kept.decode("latin-1"))
