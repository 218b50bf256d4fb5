"""Passwords are hashed with Argon2, in threads, few at a time: each takes 64 MiB and a tenth of a second on purpose."""

import asyncio
from functools import cache
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

AT_ONCE: Final = 2

_turns = asyncio.Semaphore(AT_ONCE)


@cache
def _argon2() -> PasswordHash:
    return PasswordHash((Argon2Hasher(),))


@cache
def _nobodys() -> str:
    """What is compared with when there is nobody of that name, so that it takes as long."""
    return _argon2().hash("nobody has this password")


async def hashed(password: str) -> str:
    """What is stored of a password."""
    async with _turns:
        return await asyncio.to_thread(_argon2().hash, password)


async def fits(password: str, stored: str | None) -> bool:
    """Whether a password is the stored one; as slow for None, which nothing fits."""
    async with _turns:
        return await asyncio.to_thread(_fits, password, stored)


def _fits(password: str, stored: str | None) -> bool:
    return _argon2().verify(password, stored or _nobodys()) and stored is not None
