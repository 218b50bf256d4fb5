"""Lets pages of any site, or of those listed, post to the lanes browsers use. No cookies, so nothing to steal by it."""

from collections.abc import Iterable, MutableMapping
from typing import Any, Final

Headers = list[tuple[bytes, bytes]]

ANY: Final = "*"
_EXPOSED: Final = (b"access-control-expose-headers", b"retry-after, x-request-id, ratelimit, ratelimit-policy")
_PREFLIGHT: Final[Headers] = [
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    # A star covers every header but Authorization; the others are named for browsers that do not know it.
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, anonymousid, *"),
    (b"access-control-max-age", b"7200"),
    (b"content-length", b"0"),
]


def headers(scope: MutableMapping[str, Any], origins: Iterable[str]) -> Headers:
    """What every answer on such a lane carries."""
    if ANY in origins:
        return [(b"access-control-allow-origin", b"*"), _EXPOSED]
    origin: bytes = next((value for name, value in scope["headers"] if name == b"origin"), b"")
    varies = (b"vary", b"origin")
    if origin.decode("latin-1") in origins:
        return [(b"access-control-allow-origin", origin), _EXPOSED, varies]
    return [varies]


async def preflight(send: Any) -> None:
    """The answer to a browser that asks before it posts."""
    await send({"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)})
    await send({"type": "http.response.body", "body": b""})
