"""Where a request carries its key: in the Authorization header, as clients really write it, or as `writeKey` inside.

SDKs and people put the same key in many ways: plain or in base64, with a password, a colon too many, without padding,
with the scheme twice. All of these name one text, and only a text that is a key opens anything.
"""

import re
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Iterator
from typing import Final

from pydantic_core import from_json

from app.domain import keys

_SCHEMES: Final = (b"basic", b"bearer")
_RAW: Final = keys.BRAND.encode() + b"_"
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
_NAMED: Final = b'"writeKey"'
_WRITE_KEY: Final = re.compile(rb'"writeKey"\s*:\s*"(stw_[a-z]+_[a-z]+_[0-9A-Za-z]{36}):?"')
TRIED: Final = 2
"""How many different keys are looked for in one body."""


def read(authorization: bytes | None) -> str | None:
    """The secret in an Authorization header: a Bearer token, or the user name of Basic; None without one."""
    scheme, token = _split(authorization or b"")
    if not token:
        return None
    return token.decode("latin-1") if scheme == b"bearer" else _user_name(token)


def is_foreign(authorization: bytes | None) -> bool:
    """Whether there is no header, or a Bearer token that is none of ours: then the key may be in the body."""
    scheme, token = _split(authorization or b"")
    return not token or (scheme == b"bearer" and not token.startswith(_RAW))


def in_body(body: bytes) -> Iterator[str]:
    """Texts in a body that could be its write key: found without parsing what a stranger sent."""
    found = dict.fromkeys(match[1] for match in _WRITE_KEY.finditer(body))
    return (text for text in [name.decode() for name in list(found)[:TRIED]] if keys.well_formed(text))


def names_a_key(body: bytes) -> bool:
    """Whether a body says `writeKey` at all."""
    return _NAMED in body


def opens(body: bytes, secret: str) -> bool:
    """Whether `secret` is the body's own write key, and not one that is quoted somewhere inside it."""
    try:
        value = from_json(body)
    except ValueError:
        return False
    named = value.get("writeKey") if isinstance(value, dict) else None
    return isinstance(named, str) and named.strip().rstrip(":") == secret


def _split(authorization: bytes) -> tuple[bytes, bytes]:
    """Scheme and token; a scheme that is written twice is read once."""
    words = authorization.split(None, 2)
    if len(words) < 2 or words[0].lower() not in _SCHEMES:
        return b"", b""
    if len(words) == 3 and words[1].lower() in _SCHEMES:
        return words[1].lower(), words[2].strip()
    return words[0].lower(), b"".join(words[1:])


def _user_name(token: bytes) -> str:
    """`key`, `key:password` or either of them in base64, which may lack its padding or end in a colon."""
    text = token.partition(b":")[0].strip()
    if text.startswith(_RAW):
        return text.decode("latin-1")
    packed = text.rstrip(b"=").translate(_URL_SAFE)
    try:
        plain = a2b_base64(packed + b"=" * (-len(packed) % 4))
    except NotBase64:
        return ""
    return plain.partition(b":")[0].strip().decode("latin-1")
