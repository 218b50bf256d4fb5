"""Secrets at rest: sealed under a master key kept outside the database, and bound to the cell they were written to.

AES-256-GCM. The associated data names workspace, table, column and row, so a sealed value copied to another cell
does not open. The nonce is derived from the key, the place and the text (a keyed hash, as in SIV): nothing random is
needed here, and the same nonce can only come back with the same place and text.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES: Final = 12
_VERSION: Final = "s1"


class SecretUnreadable(Exception):
    """A sealed value does not open here: other key, other place, or altered. Says no more on purpose."""


@dataclass(frozen=True, slots=True)
class Place:
    """The one cell a sealed value belongs to."""

    workspace_id: UUID
    table: str
    column: str
    row_id: UUID

    def aad(self) -> bytes:
        """The associated data that ties a sealed value to this place."""
        return f"{self.workspace_id.hex}|{self.table}|{self.column}|{self.row_id.hex}".encode()


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """One derived key: a public id to find it again, a half that encrypts and a half that makes nonces."""

    id: str
    cipher: bytes
    nonces: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """The key new secrets are sealed with, and those of earlier master keys that can still open."""

    current: Key
    previous: tuple[Key, ...] = ()

    def find(self, key_id: str) -> Key | None:
        """The key with this id, current or previous."""
        return next((key for key in (self.current, *self.previous) if key.id == key_id), None)


def keyring(master: str, previous: Sequence[str] = ()) -> Keyring:
    """The keys derived from the present master key and from those it replaced."""
    return Keyring(_derive(master), tuple(_derive(old) for old in previous))


def seal(secret: str, keys: Keyring, place: Place) -> str:
    """`secret` in a form safe to store at `place`: version, key id and ciphertext, joined by dots."""
    key, text, aad = keys.current, secret.encode(), place.aad()
    nonce = hmac.digest(key.nonces, len(aad).to_bytes(4) + aad + text, "sha256")[:_NONCE_BYTES]
    sealed = AESGCM(key.cipher).encrypt(nonce, text, aad)
    return f"{_VERSION}.{key.id}.{urlsafe_b64encode(nonce + sealed).decode()}"


def unseal(sealed: str, keys: Keyring, place: Place) -> str:
    """The secret sealed for `place`; SecretUnreadable when it was not, or its key is gone."""
    version, _, rest = sealed.partition(".")
    key_id, _, blob = rest.partition(".")
    key = keys.find(key_id)
    if version != _VERSION or key is None:
        raise SecretUnreadable("no key opens this secret")
    try:
        raw = urlsafe_b64decode(blob)
        return AESGCM(key.cipher).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.aad()).decode()
    except (InvalidTag, NotBase64, ValueError):
        raise SecretUnreadable("this secret does not open here") from None


def is_stale(sealed: str, keys: Keyring) -> bool:
    """Whether the rotation job should seal this value anew: it was not sealed with the current key."""
    return not sealed.startswith(f"{_VERSION}.{keys.current.id}.")


def mask(secret: str) -> str:
    """What may be shown of a secret: its last four characters, and those only when it is long."""
    return "****" + (secret[-4:] if len(secret) >= 16 else "")


def _derive(master: str) -> Key:
    material = HKDF(SHA256(), length=64, salt=None, info=b"steward secrets at rest, version 1").derive(master.encode())
    return Key(id=sha256(b"key id" + material).hexdigest()[:8], cipher=material[:32], nonces=material[32:])
