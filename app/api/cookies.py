"""A browser's session: in a cookie that no script can read, and that no page of another site can change things with."""

from http.cookies import CookieError, SimpleCookie
from typing import Final

from app.api.heads import SAFE, Head
from app.domain import keys
from app.domain.errors import Forbidden
from app.settings import Settings

NAME: Final = "steward_session"
CLIENT_HEADER: Final = b"steward-client"


class MissingClientHeader(Forbidden):
    """A page of another site may have sent this."""

    code = "missing_client_header"


def read(head: Head, method: str) -> bytes | None:
    """What the cookie says, as an Authorization header would; None without one. Raises `MissingClientHeader`.

    The header cannot be set by forms, nor by scripts of other sites, which would have to ask first and are refused.
    """
    secret = _secret(head.get(b"cookie") or b"")
    if secret is None:
        return None
    if method not in SAFE and not head.get(CLIENT_HEADER):
        raise MissingClientHeader("With a session cookie, writes carry the header `Steward-Client`, whatever it says.")
    return b"Bearer " + secret.encode()


def setting(secret: str, settings: Settings, scheme: str, seconds: int) -> str:
    """The Set-Cookie header of a session; for no time at all, the one that takes it away."""
    secure = scheme == "https" or settings.public_url.startswith("https://")
    parts = [f"{NAME}={secret}", "Path=/api", f"Max-Age={seconds}", "HttpOnly", "SameSite=Lax"]
    return "; ".join([*parts, "Secure"] if secure else parts)


def _secret(header: bytes) -> str | None:
    try:
        found = SimpleCookie(header.decode("latin-1")).get(NAME)
    except CookieError:
        return None
    return found.value if found is not None and keys.is_token("ses", found.value) else None
