"""What becomes of a request once it is read, whatever its dialect: recorded, or put aside with the reason."""

from app.api.group_commit import GroupCommit
from app.domain.keys import Caller
from app.domain.messages import Source, Verdict
from app.intake.reading import Taken


class Reception:
    """Shared by all requests of a process."""

    def __init__(self, commits: GroupCommit) -> None:
        self._commits = commits

    async def receive(self, caller: Caller, source: Source, taken: Taken) -> list[Verdict]:
        """Record what could be read; one verdict per item, in the order sent. Raises `Unavailable` when it could not.

        What was accepted is committed when this returns.
        """
        del source  # the list of refused items will want it
        recorded = await self._commits.record(caller.workspace_id, taken.envelopes) if taken.envelopes else []
        return taken.verdicts(recorded)
