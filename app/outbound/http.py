"""HTTP out: one guarded client per process; a call ends by its deadline, keeps little, and follows nothing."""

import asyncio
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from app.domain.destinations import DestinationNotAllowed
from app.domain.retries import wished
from app.outbound import destinations, dialling
from app.outbound.addresses import NOTHING, Allow
from app.outbound.outcomes import Outcome, excerpt

__all__ = ["Client", "Outcome"]

log = logging.getLogger(__name__)

KEPT_BYTES: Final = 16 * 1024
DEADLINE_SECONDS: Final = 20.0
CONNECT_SECONDS: Final = 10.0
KEEPALIVE_SECONDS: Final = 4.0  # shorter than common servers' 5 s: a POST is not sent into a connection being closed
CONNECTIONS: Final = 1000
MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 8 * 1024
USER_AGENT: Final = "Steward"

_ENDED: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


class _Response(aiohttp.ClientResponse):
    """An answer without its reason phrase: nothing needs it, and bytes outside UTF-8 in it break the transport."""

    async def start(self, connection: Any) -> Self:
        await super().start(connection)
        self.reason = None
        return self


@dataclass(slots=True)
class _Answer:
    """What has arrived so far; kept even when the call fails later."""

    status: int | None = None
    retry_after: float | None = None
    body: bytearray = field(default_factory=bytearray)


class Client:
    """Posts to other people's servers. Enter it once per process and share it; it holds the connections.

    `tls` and `lookup` replace the trusted certificates and the name lookup, for tests and private authorities.
    """

    def __init__(
        self,
        allow: Allow = NOTHING,
        *,
        deadline: float = DEADLINE_SECONDS,
        tls: ssl.SSLContext | None = None,
        lookup: dialling.Lookup | None = None,
    ) -> None:
        self._allow = allow
        self._deadline = deadline
        self._tls = tls or httpx.create_ssl_context()
        self._lookup = lookup
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self._allow != NOTHING:
            log.warning("outbound calls may reach more than the public internet: %s", self._allow.describe())
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs, and some of them are secrets
        session = await self._stack.enter_async_context(self._open_session())
        transport = AiohttpTransport(verify=self._tls, client=session, trust_env=False)
        self._http = await self._stack.enter_async_context(_over(transport, self._deadline))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, repeatable: bool = True) -> Outcome:
        """POST exactly these bytes; see `send`."""
        return await self.send("POST", url, body, headers, repeatable=repeatable)

    async def send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, repeatable: bool = True
    ) -> Outcome:
        """Make one call. Whatever the network and the receiver do is an Outcome, never an exception.

        Redirects are failures. Credentials sent in an `Authorization` header are blanked out of the excerpt.
        `repeatable`: the receiver recognises a repetition (as by `webhook-id`), so that a call put on a kept
        connection just as the receiver closed it, unanswered, is put on another at once.
        """
        started, answer, dial = time.perf_counter(), _Answer(), dialling.Dial()
        error: str | None = None
        try:
            with _noting(dial):
                async with asyncio.timeout(self._deadline):
                    request = self._request(method, url, body, headers, dial)
                    while not await self._exchanged(request, answer, dial, repeatable=repeatable):
                        pass
        except (OSError, aiohttp.ClientError, httpx.HTTPError, httpx.InvalidURL, DestinationNotAllowed) as exc:
            error = _error(exc, dial)
        if error is None and answer.status is not None and 300 <= answer.status < 400:
            error = "redirect_not_followed"
        duration = round((time.perf_counter() - started) * 1000)
        return Outcome(answer.status, error, answer.retry_after, excerpt(answer.body, headers), duration)

    def _request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], dial: dialling.Dial
    ) -> httpx.Request:
        destinations.check_url(url, self._allow)
        request = self._http.build_request(method, url, content=body, headers=headers)
        dial.listed = self._allow.lists_name(request.url.host)
        return request

    async def _exchanged(
        self, request: httpx.Request, answer: _Answer, dial: dialling.Dial, *, repeatable: bool
    ) -> bool:
        """Exchange once; False when the connection was a kept one that had ended: there is one fewer of them now."""
        dial.reused = False
        try:
            await self._exchange(request, answer)
        except httpx.HTTPError as exc:
            stale = dial.reused and answer.status is None and isinstance(exc.__cause__, _ENDED)
            if not (stale and repeatable):
                raise
            return False
        return True

    async def _exchange(self, request: httpx.Request, answer: _Answer) -> None:
        response = await self._http.send(request, stream=True)
        try:
            answer.status = response.status_code
            answer.retry_after = wished(
                response.headers.get_list("retry-after"),
                response.headers.get_list("x-ratelimit-reset") if response.status_code == 429 else (),
                now=datetime.now(UTC),
            )
            async for piece in response.aiter_raw():
                answer.body += piece[: KEPT_BYTES - len(answer.body)]
                if len(answer.body) >= KEPT_BYTES:
                    break
        finally:
            await response.aclose()  # with the body unfinished this drops the connection

    def _open_session(self) -> aiohttp.ClientSession:
        gate = dialling.Gate(self._allow)
        resolver = dialling.GuardedResolver(gate, self._lookup)
        self._stack.push_async_callback(resolver.close)
        connector = aiohttp.TCPConnector(
            ssl=self._tls,
            resolver=resolver,
            use_dns_cache=False,
            socket_factory=gate.make_socket,
            keepalive_timeout=KEEPALIVE_SECONDS,
            limit=CONNECTIONS,
        )
        traces = aiohttp.TraceConfig()
        traces.on_connection_create_end.append(_note_connected)
        traces.on_connection_reuseconn.append(_note_reused)
        return aiohttp.ClientSession(
            connector=connector,
            response_class=_Response,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            trace_configs=[traces],
        )


def _over(transport: httpx.AsyncBaseTransport, deadline: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        timeout=httpx.Timeout(None, connect=min(CONNECT_SECONDS, deadline)),
    )


@contextmanager
def _noting(dial: dialling.Dial) -> Iterator[None]:
    token = dialling.current.set(dial)
    try:
        yield
    finally:
        dialling.current.reset(token)


async def _note_connected(_session: aiohttp.ClientSession, _context: Any, _params: Any) -> None:
    if (dial := dialling.current.get(None)) is not None:
        dial.connected = True


async def _note_reused(_session: aiohttp.ClientSession, _context: Any, _params: Any) -> None:
    if (dial := dialling.current.get(None)) is not None:
        dial.connected = dial.reused = True


def _error(exc: Exception, dial: dialling.Dial) -> str:
    """The public code for what went wrong. Before there is a connection, silence and refusal look the same."""
    cause = exc.__cause__ if isinstance(exc, httpx.HTTPError) else exc
    if dial.refused or isinstance(cause, DestinationNotAllowed | httpx.InvalidURL | aiohttp.InvalidURL):
        return "destination_not_allowed"
    if isinstance(cause, aiohttp.ClientSSLError):
        return "tls_failed"
    if isinstance(cause, aiohttp.ClientResponseError):
        return "answer_not_understood"
    if isinstance(cause, TimeoutError) and dial.connected:
        return "timed_out"
    return "connection_failed"
