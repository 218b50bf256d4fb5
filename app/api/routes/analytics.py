"""The addresses of Vitally's analytics API, and its one answer."""

from functools import partial
from typing import Any, Final, Literal

from app.api import problems, tracking
from app.api.deps import Sender, State
from app.api.direct import direct
from app.api.group_commit import Overloaded
from app.api.routing import Router
from app.api.tracking import Unusable
from app.domain.keys import Caller
from app.domain.wire import Wire
from app.intake import analytics
from app.intake.analytics import CALLS, MOST_ITEMS

SUCCESS: Final[dict[str, Any]] = {"message": "Success."}

SAID: Final = {"messageId": "m-1", "timestamp": "2026-03-01T09:30:00.000Z"}
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "organization": {"organizationId": "acme-group", "traits": {"name": "Acme Group"}},
    "account": {"accountId": "acme", "organizationId": "acme-group", "traits": {"name": "Acme", "ownerId": "user-1"}},
    "user": {"userId": "user-1", "accountId": "acme", "traits": {"name": "Ada", "email": "ada@acme.test"}},
    "track": {"event": "Report Exported", "userId": "user-1", "accountId": "acme", "properties": {"pages": 3}},
    "unlink": {"userId": "user-1", "accountId": "acme"},
    "customobjectinstance": {
        "externalId": "T-1", "customObjectId": "ticket", "name": "Printer", "accountId": "acme",
        "traits": {"open": True},
    },
}  # fmt: skip
SCHEMAS: Final = {kind: call.model_json_schema() for kind, call in CALLS.items()}
BATCH: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_ITEMS,
    "items": {"oneOf": [{**schema, "required": ["type", *schema["required"]]} for schema in SCHEMAS.values()]},
}

router = Router("analytics", base="/analytics/v1")


class SuccessOut(Wire):
    """The request was read."""

    message: Literal["Success."]


async def serve_single(kind: str, state: State, caller: Caller, body: bytes) -> dict[str, Any]:
    """Record one message."""
    event_bytes = state.settings.event_bytes
    read = partial(analytics.read_single, kind, body, now=state.now(), event_bytes=event_bytes)
    await tracking.one(state, caller, "analytics", read)
    return SUCCESS


async def serve_batch(state: State, caller: Caller, body: bytes) -> dict[str, Any]:
    """Record an array of messages; bad ones are put aside."""
    read = partial(analytics.read_batch, body, now=state.now(), event_bytes=state.settings.event_bytes)
    await tracking.many(state, caller, "analytics", read)
    return SUCCESS


async def documented(caller: Sender) -> SuccessOut:
    """Documents the routes, which are served by the functions above."""
    raise NotImplementedError


def _add(kind: str, serve: Any, summary: str, schema: dict[str, Any], example: Any) -> None:
    content = {"application/json": {"schema": schema, "example": example}}
    router.add_api_route(
        f"/{kind}",
        documented,
        methods=["POST"],
        operation_id=f"analytics{kind.title()}",
        summary=summary,
        description="As Vitally's analytics API takes it. Repeating a message is harmless.",
        responses=problems.problems(Unusable, Overloaded),
        openapi_extra={"requestBody": {"required": True, "content": content}},
        route_class_override=direct(serve),
    )


for _kind, _call in CALLS.items():
    _summary = (_call.__doc__ or "").partition(". ")[0].removesuffix(".") + "."
    _add(_kind, partial(serve_single, _kind), _summary, SCHEMAS[_kind], {**EXAMPLES[_kind], **SAID})
_add(
    "batch",
    serve_batch,
    "Send up to 100 messages.",
    BATCH,
    [{"type": kind, **example, **SAID, "messageId": f"m-{kind}"} for kind, example in EXAMPLES.items()],
)
