"""The address RudderStack's server delivers to when it is told that we are Vitally."""

from functools import partial
from typing import Any, Final

from app.api import problems, tracking
from app.api.deps import Sender, State
from app.api.direct import direct
from app.api.group_commit import Overloaded
from app.api.routes.segment import EVENT
from app.api.routing import Router
from app.api.schemas.tracking import TrackedOut
from app.api.tracking import Unusable
from app.domain.keys import Caller
from app.intake import rudderstack
from app.intake.calls import KINDS

SCHEMA: Final = {
    **EVENT,
    "properties": {"type": {"enum": list(KINDS)}, **EVENT["properties"]},
    "required": ["type"],
}
EXAMPLE: Final = {
    "type": "track",
    "messageId": "m-1",
    "userId": "user-1",
    "event": "Report Exported",
    "properties": {},
    "context": {"groupId": "acme"},
    "originalTimestamp": "2026-03-01T09:30:00.000Z",
    "sentAt": "2026-03-01T09:30:01.000Z",
    "timestamp": "2026-03-01T09:30:00.000Z",
}


async def serve(state: State, caller: Caller, body: bytes) -> dict[str, Any]:
    """Record one event."""
    read = partial(rudderstack.read_event, body, now=state.now(), event_bytes=state.settings.event_bytes)
    return await tracking.one(state, caller, "rudderstack", read)


router = Router("rudderstack", base="")
router.route_class = direct(serve)


@router.post(
    "/rudderstack",
    operation_id="rudderstack",
    responses=problems.problems(Unusable, Overloaded),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": SCHEMA, "example": EXAMPLE}}}
    },
)
async def rudder(caller: Sender) -> TrackedOut:
    """Take one event from RudderStack, as its library sent it.

    Point a Vitally destination at this installation. Other kinds of event than RudderStack sends there work too.
    """
    raise NotImplementedError  # `serve` serves this route; the signature is its documentation
