"""Our own batch endpoint: a verdict per message."""

from collections import Counter, defaultdict
from typing import Any, Final

from app.api import problems
from app.api.deps import Sender, State
from app.api.direct import direct
from app.api.group_commit import Overloaded
from app.api.routing import Router
from app.api.schemas.messages import BatchOut, Status
from app.domain.keys import Caller
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


async def serve(state: State, caller: Caller, body: bytes) -> dict[str, Any]:
    """Read, record, answer after the commit."""
    taken = reading.read_batch(body, now=state.now())
    return _summary(taken, await state.reception.receive(caller, "api", taken))


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


router = Router("ingestion")
router.route_class = direct(serve, status=202)

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
        {
            "type": "organization",
            "messageId": "o-1",
            "organizationId": "acme-group",
            "traits": {"name": "Acme Group"},
        },
        {
            "type": "customObjectInstance",
            "messageId": "c-1",
            "customObject": "ticket",
            "instanceId": "T-1",
            "name": "Printer on fire",
            "accountId": "acme",
            "traits": {"open": True},
        },
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
    raise NotImplementedError  # `serve` serves this route; the signature is its documentation
