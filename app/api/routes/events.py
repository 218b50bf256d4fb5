"""Events: post one. Many travel better in a batch."""

from app.api import single
from app.api.deps import Sender, Services
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.messages import EventOut
from app.intake.items import EventIn

router = Router("events")

EXAMPLE = {"event": "Report Exported", "userId": "user-1", "accountId": "acme", "messageId": "e-42"}


@router.post(
    "/events",
    status_code=202,
    operation_id="postEvent",
    responses=problems(*single.REFUSALS),
    openapi_extra={"requestBody": {"content": {"application/json": {"example": EXAMPLE}}}},
)
async def post_event(body: EventIn, caller: Sender, state: Services) -> EventOut:
    """Store one product event. Users and accounts it names are created when they are new.

    The reserved names `$message.received` (the user wrote to you) and `$message.sent` (you wrote to the user) feed the
    owner columns about conversations and count neither as activity nor as a session.
    """
    done = await single.record(state, caller, body, body.to_domain, may_wait=True, action="postEvent")
    return EventOut(status=done.status, message_id=done.message_id, deduplicated=done.deduplicated)
