"""The batch endpoint: a plain ASGI callable, because at this rate the framework's share of a request matters."""

from collections import Counter, defaultdict
from collections.abc import MutableMapping
from typing import Any, Final

import orjson
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from app.api import problems
from app.api.deps import Sender, caller_of, state_of
from app.api.group_commit import Overloaded
from app.api.routing import Router
from app.api.schemas.messages import BatchOut, Status
from app.domain import keys
from app.domain.errors import DomainError
from app.domain.messages import Verdict
from app.intake import guard, reading
from app.intake.items import BatchIn
from app.intake.reading import BadBatch, Taken

PLURAL: Final[dict[Status, str]] = {
    "accepted": "accepted",
    "duplicate": "duplicates",
    "conflict": "conflicts",
    "rejected": "rejected",
    "suppressed": "suppressed",
}


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Read, record, answer after the commit. The key was checked before the body was read."""
    try:
        caller = caller_of(scope, keys.Scope.INGEST)
        state = state_of(scope)
        taken = reading.read_batch(await _body(receive), now=state.now())
        verdicts = await state.reception.receive(caller, "api", taken)
    except DomainError as error:
        await problems.answer(error, scope)(scope, receive, send)
        return
    body = orjson.dumps(_summary(taken, verdicts))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message: MutableMapping[str, Any] = await receive()
        if message["type"] == "http.disconnect":
            raise reading.BadBatch("The request ended before its body did.")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _summary(taken: Taken, verdicts: list[Verdict]) -> dict[str, Any]:
    counts = Counter(verdict.status for verdict in verdicts)
    indexes: defaultdict[str, list[int]] = defaultdict(list)
    for index, verdict in enumerate(verdicts):
        if verdict.code is not None:
            indexes[verdict.code].append(index)
    unnamed = sum(envelope.message_id is None for envelope in taken.envelopes)
    return {
        **{plural: counts[status] for status, plural in PLURAL.items()},
        "withoutMessageId": unnamed,
        "results": [verdict.status for verdict in verdicts],
        "faults": [_fault(taken, verdicts[found[0]], found) for found in indexes.values()],
    }


def _fault(taken: Taken, verdict: Verdict, indexes: list[int]) -> dict[str, Any]:
    refused = taken.refused.get(indexes[0])
    return {
        "code": verdict.code,
        "status": verdict.status,
        "indexes": indexes,
        "detail": verdict.detail,
        "pointer": refused.error.pointer if refused else None,
    }


class DirectRoute(APIRoute):
    """A route that FastAPI documents and the callable above serves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app = answer


router = Router("ingestion")
router.route_class = DirectRoute

EXAMPLE = {
    "messages": [
        {
            "type": "account",
            "messageId": "a-1",
            "accountId": "acme",
            "traits": {"name": "Acme", "mrr": 250, "ownerId": "user-1"},
        },
        {
            "type": "user",
            "messageId": "u-1",
            "userId": "user-1",
            "accountId": "acme",
            "traits": {"email": "ada@acme.test"},
        },
        {"type": "event", "messageId": "e-1", "userId": "user-1", "accountId": "acme", "event": "Report Exported"},
    ]
}


@router.post(
    "/batch",
    status_code=202,
    operation_id="postBatch",
    responses=problems.problems(BadBatch, guard.MalformedJson, guard.DuplicateKey, Overloaded),
    openapi_extra={"requestBody": {"content": {"application/json": {"example": EXAMPLE}}}},
)
async def post_batch(body: BatchIn, caller: Sender) -> BatchOut:
    """Send up to 500 messages of any kinds; each gets its own verdict, and what is `accepted` is on disk.

    Sending a message again under the same `messageId` is harmless. The order of messages, and how they are spread over
    batches, makes no difference to the state they leave.
    """
    raise NotImplementedError  # `answer` serves this route; the signature is its documentation
