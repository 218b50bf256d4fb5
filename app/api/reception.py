"""What becomes of a request once it is read, whatever its dialect: recorded, or put aside with the reason."""

from collections.abc import Iterator, Sequence

from app.api.group_commit import GroupCommit
from app.api.inbox import Inbox
from app.api.metrics import Metrics
from app.api.shelf import Shelf
from app.domain.keys import Caller
from app.domain.messages import Source, Verdict
from app.domain.rejections import Refusal, refusal
from app.intake.reading import Taken


class Reception:
    """Shared by all requests of a process."""

    def __init__(self, commits: GroupCommit, inbox: Inbox, shelf: Shelf, metrics: Metrics) -> None:
        self._commits = commits
        self._inbox = inbox
        self._shelf = shelf
        self._metrics = metrics

    async def receive(self, caller: Caller, source: Source, taken: Taken, *, directly: bool = False) -> list[Verdict]:
        """Record what could be read; one verdict per item, in the order sent. Raises `Unavailable` when it could not.

        When this returns, what was accepted is committed, and what was refused is kept with the reason. `directly`
        applies it now whatever the key's mode, for answers that show what was stored.
        """
        with self._shelf.room(caller.workspace_id, len(taken.refused)):
            recorded = await self._record(caller, taken, directly=directly) if taken.envelopes else []
        refusals = list(_refusals(caller, source, taken, recorded))
        if refusals:
            await self._shelf.keep(caller.workspace_id, refusals)
            self._metrics.count_refused(source, (one.code for one in refusals))
        return taken.verdicts(recorded)

    async def _record(self, caller: Caller, taken: Taken, *, directly: bool) -> list[Verdict]:
        if caller.ingest_mode == "inbox" and not directly:
            return await self._inbox.append(caller.workspace_id, taken.envelopes)
        return await self._commits.record(caller.workspace_id, taken.envelopes)


def _refusals(caller: Caller, source: Source, taken: Taken, recorded: Sequence[Verdict]) -> Iterator[Refusal]:
    """What to keep. Who sends a message alone has the answer: there are no items then."""
    for one in taken.refused.values():
        error = one.error
        yield refusal(
            source, one.item, code=error.code, detail=error.detail, pointer=error.pointer, key_id=caller.key_id
        )
    if not taken.items:
        return
    for position, verdict in zip(taken.positions, recorded, strict=True):
        if verdict.status == "conflict" and verdict.code is not None:
            item = taken.item(position)
            yield refusal(source, item, code=verdict.code, detail=verdict.detail, key_id=caller.key_id)
