"""What the door does around every write, in its transaction: do it once, keep its answer, and write who did it.

A route that only reads has none of this, whatever its method: reports and previews are asked for with POST.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from functools import wraps
from typing import Any, Final

from fastapi import Request, Response
from pydantic import BaseModel

from app.api.heads import SAFE
from app.db.base import Session
from app.domain import audit as log
from app.domain.audit import Entry
from app.domain.idempotency import Answer, Attempt, attempt
from app.domain.keys import Caller
from app.domain.secrets import Keyring
from app.services import audit, idempotency

KEY_HEADER: Final = "idempotency-key"
LONGEST_PATH: Final = 1000
_ANSWER: Final = "steward.answer"

Endpoint = Callable[..., Coroutine[Any, Any, Any]]


class Repeated(Exception):
    """This write was done before: here is what it was answered with."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("done before")
        self.answer = answer


async def on_repeated(_request: Request, repeated: Exception) -> Response:
    """The first answer again, marked as such."""
    assert isinstance(repeated, Repeated)  # noqa: S101 - registered for this kind only
    first = repeated.answer
    headers = {"Idempotency-Replayed": "true"}
    return Response(first.body, first.status, headers, media_type="application/json" if first.body else None)


def told(endpoint: Endpoint) -> Endpoint:
    """The endpoint, leaving what it returned with its transaction, where the door finds it before it commits."""

    @wraps(endpoint)
    async def call(*args: Any, **kwargs: Any) -> Any:
        result = await endpoint(*args, **kwargs)
        for value in kwargs.values():
            if isinstance(value, Session):
                value.info[_ANSWER] = result
        return result

    return call


@asynccontextmanager
async def around(
    request: Request, caller: Caller, db: Session, keys: Keyring, *, now: datetime, writes: bool
) -> AsyncIterator[None]:
    """One write. Raises `Repeated`, and what `services.idempotency.begin` raises, before it is done."""
    if not writes or request.method in SAFE:
        yield
        return
    body = await request.body()
    asked = _attempt(request, caller, body)
    if asked is not None:
        first = await idempotency.begin(db, caller.workspace_id, asked, keys, now=now)
        if first is not None:
            raise Repeated(first)
    yield
    result = db.info.get(_ANSWER)
    await audit.record(db, caller.workspace_id, _entry(request, caller, db, body, result, now))
    if asked is not None:
        await idempotency.end(db, caller.workspace_id, asked, _answer(request, result), keys, now=now)


def _attempt(request: Request, caller: Caller, body: bytes) -> Attempt | None:
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    path, query = request.scope["path"], request.scope["query_string"]
    return attempt(actor=caller.actor, operation=_operation(request), key=key, path=path, query=query, body=body)


def _operation(request: Request) -> str:
    return str(request.scope["route"].operation_id)


def _answer(request: Request, result: Any) -> Answer:
    if isinstance(result, Response):
        return Answer(result.status_code, bytes(result.body))
    status = request.scope["route"].status_code or 200
    body = result.model_dump_json(by_alias=True).encode() if isinstance(result, BaseModel) else b""
    return Answer(status, body)


def _entry(request: Request, caller: Caller, db: Session, body: bytes, result: Any, now: datetime) -> Entry:
    action = _operation(request)
    given = request.path_params if log.keeps_path(action) else {}
    return Entry(
        at=now,
        actor=caller.actor,
        action=action,
        target=_made(result) or next((str(value) for value in given.values()), None),
        path=request.url.path[:LONGEST_PATH] if log.keeps_path(action) else None,
        request=log.kept(action, body),
        request_id=request.scope.get("steward.request_id"),
        details=audit.details(db),
    )


def _made(result: Any) -> str | None:
    """The id in an answer, as the wire has it."""
    if not isinstance(result, BaseModel) or "id" not in type(result).model_fields:
        return None
    shown = result.model_dump(mode="json", include={"id"})["id"]
    return shown if isinstance(shown, str) else None
