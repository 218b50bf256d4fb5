"""Webhooks signed the Standard Webhooks way, so that receivers verify them with a library they already have."""

import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks.webhooks import Webhook

PREFIX: Final = "whsec_"
FRESH_BYTES: Final = 32
BYTES: Final = range(24, 65)


def new_secret() -> str:
    """A fresh signing secret: `whsec_` and 32 random bytes in base64."""
    return PREFIX + b64encode(os.urandom(FRESH_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether `text` can sign: `whsec_` and 24 to 64 bytes in base64."""
    if not text.startswith(PREFIX):
        return False
    try:
        return len(b64decode(text.removeprefix(PREFIX), validate=True)) in BYTES
    except (NotBase64, ValueError):
        return False


def headers(message_id: str, body: bytes, secrets: Sequence[str], *, now: datetime) -> dict[str, str]:
    """The headers that go with exactly these UTF-8 bytes, for one attempt made `now`.

    `message_id` stays the same for every attempt and has no dot. One signature per secret: two while a secret is
    being rotated, so that a receiver with either of them accepts the message.
    """
    if not message_id or "." in message_id or not secrets:
        raise ValueError("a webhook needs an id without dots and at least one secret")
    at, text = now.astimezone(UTC).replace(microsecond=0), body.decode()
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, at, text) for secret in secrets),
    }
