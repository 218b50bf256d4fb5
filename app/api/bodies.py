"""Reads a request's body within bounds of size, time and compression, and hands it on in one piece."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from app.api import refusals
from app.api.heads import Head
from app.api.holds import Hold
from app.api.lanes import Lane
from app.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

RATIO_MATTERS_FROM: Final = 64 * 1024
DRAINED_BYTES: Final = {True: 8 * 1024 * 1024, False: 64 * 1024}
DRAINED_SECONDS: Final = {True: 2.0, False: 0.25}
SKIPPED_BYTES: Final = 512 * 1024
SKIPPED_SECONDS: Final = 0.25
_JSON: Final = b"application/json"


class Gone(Exception):
    """The client left before its request was complete; there is nobody to answer."""


def check_announced(head: Head, lane: Lane, settings: Settings) -> None:
    """Refuse from the head alone what would be refused after reading."""
    allowed = lane.bounds(settings).sent
    if int(head.get(b"content-length") or 0) > allowed:
        raise _too_large(allowed)
    if (head.get(b"content-encoding") or b"identity").strip().lower() not in {b"identity", b"gzip", b""}:
        raise refusals.UnsupportedContentEncoding("Send the body as it is, or with gzip.")
    if lane.json_only and not _is_json(head.get(b"content-type") or b""):
        raise refusals.UnsupportedMediaType("Send `Content-Type: application/json`.")


def _is_json(content_type: bytes) -> bool:
    media, _, parameters = content_type.lower().partition(b";")
    charset = parameters.replace(b'"', b"").replace(b" ", b"")
    return media.strip() == _JSON and charset in {b"", b"charset=utf-8", b"charset=utf8"}


def _too_large(allowed: int) -> refusals.PayloadTooLarge:
    return refusals.PayloadTooLarge(f"Bodies may have {allowed} bytes.", allowed=allowed)


async def collect(receive: Receive, hold: Hold, allowed: int, seconds: float) -> bytes:
    """The whole body as sent; SlowBody, PayloadTooLarge or what `hold` refuses when it does not keep to the bounds."""
    try:
        async with asyncio.timeout(seconds):
            return await _collect(receive, hold, allowed)
    except TimeoutError:
        raise refusals.SlowBody(f"The body did not arrive in {seconds:g} seconds.") from None


def decode(head: Head, body: bytes, hold: Hold, allowed: int, ratio: int | None) -> bytes:
    """The body without its compression; PayloadTooLarge or BadEncoding."""
    if (head.get(b"content-encoding") or b"").strip().lower() != b"gzip":
        return body
    plain = _gunzip(body, allowed, ratio)
    hold.grow(len(plain) - len(body))
    return plain


async def _collect(receive: Receive, hold: Hold, allowed: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > allowed:
            raise _too_large(allowed)
        hold.grow(len(piece))
        pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _gunzip(body: bytes, allowed: int, ratio: int | None) -> bytes:
    most = allowed if ratio is None else min(allowed, max(RATIO_MATTERS_FROM, len(body) * ratio))
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, most + 1)
    except zlib.error:
        raise refusals.BadEncoding("The body is not gzip.") from None
    if len(plain) > most:
        also = "" if ratio is None else f", and {ratio} times what was sent"
        raise refusals.PayloadTooLarge(f"Decompressed bodies may have {allowed} bytes{also}.", allowed=allowed)
    if not inflater.eof or inflater.unused_data:
        raise refusals.BadEncoding("The gzip body is cut short, or something follows it.")
    return plain


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body in one piece, and then whatever the server says."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def skip(receive: Receive) -> bool:
    """Pass over a body that is nearly there; whether its end was seen, so that the connection can be used again.

    Senders told to come back later come back on it, which costs both of us less than a new one.
    """
    left = SKIPPED_BYTES
    try:
        async with asyncio.timeout(SKIPPED_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return bool(message["type"] == "http.request")
    except TimeoutError:
        pass
    return False


async def drain(receive: Receive, *, known: bool) -> None:
    """Let a refused client finish a sentence: closing in the middle of it would destroy the answer on its way.

    Those whose key was good may finish a longer one.
    """
    left = DRAINED_BYTES[known]
    try:
        async with asyncio.timeout(DRAINED_SECONDS[known]):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
