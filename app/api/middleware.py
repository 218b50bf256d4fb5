"""The gate every request passes: its head is judged first, then its key, and only then is its body read.

Plain ASGI: nothing here may cancel a handler or keep a body in memory twice.
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog
from starlette.types import ASGIApp

from app.api import bodies, heads, problems, refusals
from app.api.deps import State, state_of
from app.domain.errors import DomainError
from app.domain.ids import new_id

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
ASGIScope = MutableMapping[str, Any]

KEYED_PREFIX: Final = "/api/"
LONGEST_REQUEST_ID: Final = 64
CLIENT_LEFT: Final = 499

log = structlog.get_logger("steward.http")


class Exchange:
    """One request and its answer: what is known of it by the time it is logged."""

    __slots__ = ("_receive", "_send", "late", "scope", "status", "unread")

    def __init__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.status = 0
        self.unread = False
        self.late = False
        self._receive = receive
        self._send = send

    async def send(self, message: Message) -> None:
        """Pass an answer on, marked with the request id; a body nobody read closes the connection."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            headers.append((b"x-request-id", self.scope["steward.request_id"].encode()))
            if self.unread:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif self.unread and not self.late and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await bodies.drain(self._receive, known="steward.caller" in self.scope)
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)


class Gate:
    """The outermost middleware: admits, answers what goes wrong, and leaves one line in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        scope["steward.request_id"] = _request_id(scope)
        exchange = Exchange(scope, receive, send)
        state = state_of(scope)
        try:
            await self._serve(exchange, receive, state)
        finally:
            seconds = time.perf_counter() - started
            state.metrics.count(scope, exchange.status, seconds)
            _log(exchange, seconds)

    async def _serve(self, exchange: Exchange, receive: Receive, state: State) -> None:
        try:
            admitted = await _admit(exchange, receive, state)
            await self.app(exchange.scope, admitted, exchange.send)
        except bodies.Gone:
            exchange.status = CLIENT_LEFT
        except DomainError as error:
            exchange.late = isinstance(error, refusals.SlowBody)
            await _refuse(exchange, receive, error)
        except Exception:
            log.exception("unhandled", request_id=exchange.scope["steward.request_id"])
            if exchange.status:
                raise  # the answer has begun: let the server cut the connection
            await _refuse(exchange, receive, refusals.Internal("Quote the request id when you report this."))


async def _refuse(exchange: Exchange, receive: Receive, error: DomainError) -> None:
    await problems.answer(error, exchange.scope)(exchange.scope, receive, exchange.send)


async def _admit(exchange: Exchange, receive: Receive, state: State) -> Receive:
    """Check head, key and body in this order; the `receive` to go on with."""
    scope = exchange.scope
    exchange.unread = True
    head = heads.read(scope)
    exchange.unread = head.announces_body
    if not scope["path"].startswith(KEYED_PREFIX):
        return receive
    scope["steward.caller"] = await state.callers.identify(head.get(b"authorization"))
    state.usage.note(scope["steward.caller"])
    if (path := heads.routable(scope.get("raw_path") or b"")) is not None:
        scope["path"] = path
    if not head.announces_body:
        return receive
    bodies.check_announced(head, state.settings)
    body = await bodies.collect(receive, state.settings)
    exchange.unread = False
    return bodies.replay(bodies.decode(head, body, state.settings), receive)


def _request_id(scope: ASGIScope) -> str:
    """The caller's own id for the request when it is a sane one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and 0 < len(value) <= LONGEST_REQUEST_ID:
            text: str = value.decode("latin-1")
            if text.isascii() and text.replace("-", "").replace("_", "").replace(".", "").isalnum():
                return text
    return new_id().hex


def _log(exchange: Exchange, seconds: float) -> None:
    scope = exchange.scope
    caller = scope.get("steward.caller")
    log.info(
        "request",
        method=scope["method"],
        path=printable(scope["path"]),
        status=exchange.status,
        ms=round(seconds * 1000, 2),
        request_id=scope["steward.request_id"],
        key=caller.key_id.hex if caller else None,
    )


def printable(text: str) -> str:
    """Text that cannot break or colour a line of the log, cut to a readable length."""
    shown = text[:300]
    return shown if shown.isprintable() else shown.encode("unicode_escape").decode()
