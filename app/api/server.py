"""Serves the application with uvicorn, which by itself waits for ever for a request's head, however large."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api import logs, problems, refusals
from app.api.heads import MAX_HEAD_BYTES, MAX_URL_BYTES
from app.domain.errors import DomainError
from app.domain.ids import new_id

HEAD_SECONDS: Final = 10.0
KEEP_ALIVE_SECONDS: Final = 5
GRACE_SECONDS: Final = 20


def run(app: ASGIApp, sockets: Sequence[socket.socket], *, log_level: str = "info") -> None:
    """Serve until SIGTERM or SIGINT; what is in flight then has 20 seconds to finish."""
    logs.configure(log_level)
    uvicorn.Server(config(app)).run(sockets=list(sockets))


def config(app: ASGIApp, **more: Any) -> uvicorn.Config:
    """How Steward is served."""
    settings: dict[str, Any] = {
        "http": Patient,
        "ws": "none",
        "log_config": None,
        "access_log": False,  # the gate writes its own
        "server_header": False,
        "proxy_headers": False,  # who called is what the socket says
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "backlog": 2048,
    }
    return uvicorn.Config(app, **(settings | more))


class Patient(HttpToolsProtocol):
    """uvicorn's protocol with a limit to its patience: a head arrives whole within ten seconds and 16 KiB."""

    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heads = 0  # counts the heads begun, to see whether one chunk of bytes began another
        self._head_open = True
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected and should speak soon."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came; those of a head that is still incomplete afterwards are counted."""
        open_before, head = self._head_open, self._heads
        super().data_received(data)
        if not (open_before and self._head_open and self._heads - head <= (head == 0)):
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            long_url = len(getattr(self, "url", b"")) > MAX_URL_BYTES
            self._refuse(refusals.UriTooLong() if long_url else refusals.HeadTooLarge())

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        super().on_message_begin()
        self._heads += 1
        self._head_open, self._head_bytes = True, 0
        if self._timer is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._head_open = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets a problem document too."""
        self._refuse(refusals.BadRequest(msg))

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._too_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait()  # the head that is late follows a request that is still being answered
        elif self._heads:
            self._refuse(refusals.SlowHead())
        else:
            self.transport.close()

    def _refuse(self, error: DomainError) -> None:
        """Answer what never became a request, and hang up."""
        status, body = problems.bare(error, request_id=new_id().hex)
        head = (
            f"content-type: {problems.MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "cache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()
