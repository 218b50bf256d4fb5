"""One message in a request of its own: the same service as a batch, with its verdict as the answer's status."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic_core import PydanticCustomError

from app.api.deps import State
from app.api.group_commit import Overloaded
from app.domain.audit import Entry, masked
from app.domain.erasures import Suppressed
from app.domain.errors import Conflict, DomainError
from app.domain.ids import new_id
from app.domain.keys import Caller
from app.domain.messages import Message
from app.intake import guard, reading
from app.intake.items import Timed
from app.intake.reading import BadMessage, Taken
from app.services import audit


class MessageIdReused(Conflict):
    """This message id was taken before, with another body."""

    code = "message_id_reused"


Make = Callable[[datetime, timedelta], tuple[Message, ...]]
REFUSALS: tuple[type[DomainError], ...] = (BadMessage, MessageIdReused, Suppressed, guard.MalformedJson, Overloaded)


@dataclass(frozen=True, slots=True)
class Single:
    """What became of one message, and the id it goes by; without one of its own, sending it again counts twice."""

    status: Literal["accepted", "duplicate"]
    message_id: str
    deduplicated: bool


async def record(
    state: State, caller: Caller, sent: Timed, make: Make, *, action: str, may_wait: bool = False
) -> Single:
    """Record the messages that `make(received_at, skew)` gives. Raises `BadMessage`, `MessageIdReused`, `Suppressed`.

    It is applied before this returns, so that routes can show what was stored; with `may_wait`, as the key's mode says.
    What a person does leaves a line in the audit log; what programs send has its receipts.
    """
    messages = _made(state, make)
    raw = sent.model_dump(mode="json", by_alias=True, exclude_unset=True)
    envelope = reading.envelope_of(raw, messages, sent)
    (verdict,) = await state.reception.receive(caller, "api", Taken([envelope], [0], {}, 1), directly=not may_wait)
    if verdict.status == "suppressed":
        raise Suppressed("Nothing of it was stored. To let them come back, delete their suppression.")
    if verdict.status == "conflict":
        raise MessageIdReused("Send other content under another message id; the first one stands.")
    if caller.member_id is not None:
        async with state.database.transaction(caller.workspace_id) as db:
            await audit.record(db, caller.workspace_id, Entry(state.now(), caller.actor, action, request=masked(raw)))
    return Single(
        status="duplicate" if verdict.status == "duplicate" else "accepted",
        message_id=sent.message_id or new_id().hex,
        deduplicated=sent.message_id is not None,
    )


def _made(state: State, make: Make) -> tuple[Message, ...]:
    try:
        return make(state.now(), timedelta(0))
    except PydanticCustomError as error:
        raise BadMessage(error.message(), code=error.type) from None
