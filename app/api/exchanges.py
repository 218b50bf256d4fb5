"""One request and its answer, as the gate sees them."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from app.api import bodies
from app.api.holds import Hold

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
ASGIScope = MutableMapping[str, Any]
Headers = list[tuple[bytes, bytes]]


class Exchange:
    """One request and its answer: what is known of it by the time it is logged."""

    __slots__ = ("_receive", "_send", "headers", "hold", "late", "scope", "status", "unread")

    def __init__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.status = 0
        self.unread = False
        self.late = False
        self.hold: Hold | None = None
        self.headers: Headers = []
        self._receive = receive
        self._send = send

    async def send(self, message: Message) -> None:
        """Pass an answer on, marked with the request id; a body nobody read closes the connection."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            headers += self.headers
            headers.append((b"x-request-id", self.scope["steward.request_id"].encode()))
            if self.unread:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif self.unread and not self.late and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await bodies.drain(self._receive, known="steward.caller" in self.scope)
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)
