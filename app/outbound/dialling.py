"""The guard at the point of dialling: whatever a URL or a name says, no socket is made for an address not allowed.

A name is resolved anew for every connection and refused unless *all* its addresses are allowed; then the very address
of each socket is judged once more before the socket exists, which also covers addresses written as literals (the
client does not ask a resolver about those).
"""

import asyncio
import contextvars
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from app.outbound.addresses import Allow, is_allowed, parse

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host name, as text."""

SLOW_NAMES: Final = 32
"""Lookups under way at once: a blocking call each, in threads of their own, so that slow names delay only others."""


class AddressRefused(OSError):
    """An address is not one we dial. Never shown: the outcome says `destination_not_allowed` and no more."""


@dataclass(slots=True)
class Dial:
    """What happened while connecting for one call, noted by the guard for the caller."""

    listed: bool = False  # the operator lists this host by name: it may lead anywhere
    refused: bool = False
    connected: bool = False
    reused: bool = False  # the connection had carried an earlier call


current: Final[contextvars.ContextVar[Dial]] = contextvars.ContextVar("dial")
"""The call being made in this context. Where there is none, nothing is listed and only allowed addresses pass."""


class Gate:
    """Judges addresses for one client."""

    def __init__(self, allow: Allow) -> None:
        self._allow = allow

    def check(self, *texts: str) -> None:
        """Raise AddressRefused unless every one of these addresses may be dialled."""
        dial = current.get(None)
        if dial is not None and dial.listed:
            return
        for text in texts:
            address = parse(text)
            if address is None or not is_allowed(address, self._allow):
                if dial is not None:
                    dial.refused = True
                raise AddressRefused("address not allowed")

    def make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that passed: the last place before anything leaves this machine."""
        family, kind, proto, _, where = info
        self.check(where[0])
        return socket.socket(family, kind, proto)


class GuardedResolver(AbstractResolver):
    """Resolves a name, or refuses it for any one of its addresses."""

    def __init__(self, gate: Gate, lookup: Lookup | None = None) -> None:
        self._gate = gate
        self._threads = ThreadPoolExecutor(SLOW_NAMES, thread_name_prefix="names")
        self._lookup = lookup or self._ask_system

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - part of the signature; we answer all
    ) -> list[ResolveResult]:
        """All addresses of `host`; AddressRefused when one of them is not allowed."""
        found = await self._lookup(host, port)
        if not found:
            raise OSError("no address")
        self._gate.check(*found)
        return [_result(host, address, port) for address in found]

    async def close(self) -> None:
        """Let go of the threads; lookups not yet begun are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask_system(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _getaddrinfo, host, port)


def _getaddrinfo(host: str, port: int) -> list[str]:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except UnicodeError as exc:  # a label too long or empty for the name system
        raise OSError("not a name") from exc
    return list(dict.fromkeys(_text(where) for *_, where in infos))


def _text(where: tuple[Any, ...]) -> str:
    """An address as text, with its zone where it has one: no address with a zone is public."""
    scope = where[3] if len(where) > 3 else 0
    return f"{where[0].partition('%')[0]}%{scope}" if scope else str(where[0])


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
