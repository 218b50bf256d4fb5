"""Segment's tracking API, as its libraries and those of RudderStack really call it."""

from functools import partial
from typing import Any, Final

from app.api import problems, tracking
from app.api.deps import Sender, State
from app.api.direct import direct
from app.api.group_commit import Overloaded
from app.api.routing import Router
from app.api.schemas.tracking import TrackedOut
from app.api.tracking import Unusable
from app.domain.keys import Caller
from app.intake import segment

SHORT: Final = {"identify": "i", "group": "g", "track": "t", "page": "p", "screen": "s", "alias": "a"}
"""The kinds of event, and the paths of the browser library for them."""

ID: Final = {"type": ["string", "integer", "null"], "maxLength": 256}
TIME: Final = {"type": ["string", "null"], "format": "date-time"}
OPEN: Final = {"type": ["object", "null"]}
EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "userId": ID,
        "anonymousId": ID,
        "messageId": ID,
        "timestamp": TIME,
        "originalTimestamp": TIME,
        "sentAt": TIME,
        "traits": OPEN,
        "properties": OPEN,
        "context": OPEN,
    },
}
BATCH: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {
            "type": "array",
            "items": {**EVENT, "properties": {"type": {"enum": list(SHORT)}, **EVENT["properties"]}},
        },
        "context": OPEN,
        "sentAt": TIME,
        "timestamp": TIME,
        "writeKey": {"type": "string"},
    },
}
REQUIRED: Final = {"group": "groupId", "track": "event", "alias": "previousId"}
SAID: Final = {"userId": "user-1", "messageId": "m-1", "timestamp": "2026-03-01T09:30:00.000Z"}
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "identify": {**SAID, "traits": {"email": "ada@acme.test", "company": {"id": "acme", "name": "Acme"}}},
    "group": {**SAID, "groupId": "acme", "traits": {"name": "Acme", "ownerId": "user-1"}},
    "track": {**SAID, "event": "Report Exported", "context": {"groupId": "acme"}},
    "page": {**SAID, "name": "Home", "properties": {"path": "/"}},
    "screen": {**SAID, "name": "Home"},
    "alias": {**SAID, "previousId": "anonymous-1"},
}
EXAMPLE_BATCH: Final = {
    "batch": [{"type": kind, **EXAMPLES[kind], "messageId": f"m-{kind}"} for kind in ("identify", "group", "track")],
    "sentAt": "2026-03-01T09:30:01.000Z",
}
TOLD: Final = {
    "identify": "Tell who a user is",
    "group": "Tell what an account is, and that the user belongs to it",
    "track": "Tell what a user did",
    "page": "Tell which page a user saw",
    "screen": "Tell which screen a user saw",
    "alias": "Accepted, and of no effect: users are never merged",
}

router = Router("segment", base="")


async def serve_batch(state: State, caller: Caller, body: bytes) -> dict[str, Any]:
    """Record a batch."""
    settings = state.settings
    read = partial(
        segment.read_batch, body, now=state.now(), event_bytes=settings.event_bytes, most=settings.batch_events
    )
    return await tracking.many(state, caller, "segment", read)


async def serve_single(kind: str, state: State, caller: Caller, body: bytes) -> dict[str, Any]:
    """Record one event."""
    read = partial(segment.read_single, kind, body, now=state.now(), event_bytes=state.settings.event_bytes)
    return await tracking.one(state, caller, "segment", read)


async def documented(caller: Sender) -> TrackedOut:
    """Documents the routes, which are served by the functions above."""
    raise NotImplementedError


def _takes(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


def _add_single(kind: str, short: str) -> None:
    described = {**EVENT["properties"], **({REQUIRED[kind]: {}} if kind in REQUIRED else {})}
    schema = {**EVENT, "properties": described, "required": [REQUIRED[kind]] if kind in REQUIRED else []}
    for path, shown in ((kind, True), (short, False)):
        router.add_api_route(
            f"/v1/{path}",
            documented,
            methods=["POST"],
            operation_id=f"segment{kind.title()}",
            summary=f"{TOLD[kind]}.",
            description="One event, with what libraries add to it.",
            responses=problems.problems(Unusable, Overloaded),
            openapi_extra=_takes(schema, EXAMPLES[kind]),
            include_in_schema=shown,
            route_class_override=direct(partial(serve_single, kind)),
        )


def _add_batch(path: str, *, shown: bool) -> None:
    router.add_api_route(
        f"/v1/{path}",
        documented,
        methods=["POST"],
        operation_id=f"segment{path.title()}",
        summary="Send many events.",
        description="Each is judged on its own: a bad one is put aside, and never stops its neighbours.",
        responses=problems.problems(Unusable, Overloaded),
        openapi_extra=_takes(BATCH, EXAMPLE_BATCH),
        include_in_schema=shown,
        route_class_override=direct(serve_batch),
    )


for _kind, _short in SHORT.items():
    _add_single(_kind, _short)
for _path in ("batch", "import", "b"):
    _add_batch(_path, shown=_path != "b")
