"""What the routes for tracking libraries share: how they answer.

Libraries drop or resend whole batches on any other status than 200, so that is the answer whenever the request could
be read at all, whatever became of each event in it; what was refused is kept where people can see it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from app.api.deps import State
from app.domain.errors import Malformed, Rejected
from app.domain.keys import Caller
from app.domain.messages import Source, Verdict
from app.intake.reading import Taken

Read = Callable[[], Taken]

COUNTED: Final = {
    "accepted": "accepted",
    "duplicate": "duplicates",
    "conflict": "conflicts",
    "rejected": "rejected",
    "suppressed": "suppressed",
    "ignored": "ignored",
}


class Unusable(Malformed):
    """The tracking call cannot be used."""

    code = "unusable_call"

    def __init__(self, cause: Rejected) -> None:
        super().__init__(cause.detail, **cause.context)
        self.code = cause.code  # type: ignore[misc]  # the same faults as in other dialects, under another status


async def many(state: State, caller: Caller, source: Source, read: Read) -> dict[str, Any]:
    """Record a batch: bad events are put aside, and only an envelope that cannot be read is refused."""
    taken = _read(read)
    return _counts(await state.reception.receive(caller, source, taken))


async def one(state: State, caller: Caller, source: Source, read: Read) -> dict[str, Any]:
    """Record one event. A bad one is put aside too, and its sender is told: there is nobody else in the request."""
    taken = _read(read)
    verdicts = await state.reception.receive(caller, source, taken)
    if refused := taken.refused.get(0):
        raise Unusable(refused.error)
    return _counts(verdicts)


def _read(read: Read) -> Taken:
    try:
        return read()
    except Rejected as error:
        raise Unusable(error) from None


def _counts(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    counts = Counter[str](verdict.status for verdict in verdicts)
    return {"success": True, **{name: counts[status] for status, name in COUNTED.items()}}
