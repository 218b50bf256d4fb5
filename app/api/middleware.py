"""The gate every request passes: its head is judged first, then its key, and only then is its body read.

Plain ASGI: nothing here may cancel a handler or keep a body in memory twice.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog
from starlette.types import ASGIApp

from app.api import admission, bodies, lanes, problems, refusals
from app.api.deps import State, state_of
from app.api.exchanges import Exchange
from app.db.base import may_run_again
from app.domain.errors import HINDERED, DomainError, TooMany, Unavailable
from app.domain.ids import new_id

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
ASGIScope = MutableMapping[str, Any]

LONGEST_REQUEST_ID: Final = 64
CLIENT_LEFT: Final = 499
PAUSE_SECONDS: Final = 0.1  # before a sender over its limits is told so: those who do not wait are slowed by it

log = structlog.get_logger("steward.http")


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
            if exchange.hold is not None:
                exchange.hold.close()
            seconds = time.perf_counter() - started
            state.metrics.count(scope, exchange.status, seconds)
            _log(exchange, seconds)

    async def _serve(self, exchange: Exchange, receive: Receive, state: State) -> None:
        try:
            admitted = await admission.admit(exchange, receive, state)
            if admitted is not None:
                await self.app(exchange.scope, admitted, exchange.send)
        except bodies.Gone:
            exchange.status = CLIENT_LEFT
        except DomainError as error:
            exchange.late = isinstance(error, refusals.SlowBody)
            await _refuse(exchange, receive, error)
        except Exception as error:
            if not may_run_again(error):
                log.exception("unhandled", request_id=exchange.scope["steward.request_id"])
            if exchange.status:
                raise  # the answer has begun: let the server cut the connection
            await _refuse(exchange, receive, _told(error))


def _told(error: Exception) -> DomainError:
    """Who lost a race may simply ask again; anything else is our fault."""
    if may_run_again(error):
        return Unavailable(HINDERED, retry_after=1)
    return refusals.Internal("Quote the request id when you report this.")


async def _refuse(exchange: Exchange, receive: Receive, error: DomainError) -> None:
    if isinstance(error, TooMany):
        if exchange.unread:
            exchange.unread = not await bodies.skip(receive)
        await asyncio.sleep(PAUSE_SECONDS)
    await problems.answer(error, exchange.scope)(exchange.scope, receive, exchange.send)


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
        path=printable(lanes.hushed(scope["path"])),
        status=exchange.status,
        ms=round(seconds * 1000, 2),
        request_id=scope["steward.request_id"],
        by=caller.actor if caller else None,
    )


def printable(text: str) -> str:
    """Text that cannot break or colour a line of the log, cut to a readable length."""
    shown = text[:300]
    return shown if shown.isprintable() else shown.encode("unicode_escape").decode()
