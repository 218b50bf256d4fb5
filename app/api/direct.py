"""Routes served by a plain callable: at the rate of ingestion the framework's share of a request matters.

FastAPI documents such a route from its signature, and never calls it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problems
from app.api.deps import State, caller_of, state_of
from app.domain.errors import DomainError
from app.domain.keys import Caller
from app.domain.team import Permission
from app.intake import reading

Serve = Callable[[State, Caller, bytes], Awaitable[dict[str, Any]]]
"""What a route does with a body: the answer's content, or a DomainError."""


@dataclass(frozen=True, slots=True)
class _Direct:
    """Reads the body, whose key was checked before, and answers."""

    serve: Serve
    status: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            caller = caller_of(scope, Permission.INGEST)
            content = await self.serve(state_of(scope), caller, await _body(receive))
        except DomainError as error:
            await problems.answer(error, scope)(scope, receive, send)
            return
        body = orjson.dumps(content)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message: MutableMapping[str, Any] = await receive()
        if message["type"] == "http.disconnect":
            raise reading.BadBatch("The request ended before its body did.")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


class DirectRoute(APIRoute):
    """A route that FastAPI documents and a callable of its own serves."""


def direct(serve: Serve, *, status: int = 200) -> type[DirectRoute]:
    """The class of routes that `serve` serves; its good answers have the status given."""
    served: ASGIApp = _Direct(serve, status)

    class Route(DirectRoute):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.app = served

    return Route
