"""Applies what the inbox holds: thousands of messages a transaction, each once, and none holds up the others."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from app.db import inbox as parcels
from app.db import workspaces
from app.db.base import is_away, is_held, may_run_again
from app.db.inbox import Bounds, Row
from app.domain import rejections, suppression
from app.domain.memory import Memory
from app.services import inbox
from app.workers.crew import describe
from app.workers.faults import fault
from app.workers.runtime import Runtime
from app.workers.slices import all_of

GROUP: Final = Bounds(messages=5_000, size=8 * 1024 * 1024, parcels=1_000)

log = logging.getLogger(__name__)


class Applier:
    """One per process: it remembers what is stored already, as an API process does."""

    def __init__(self, rt: Runtime, *, group: Bounds = GROUP) -> None:
        self._rt = rt
        self._group = group
        chosen = rt.settings
        suppression_key = suppression.key(chosen.secret_key.get_secret_value())
        self._memory = Memory(suppression_key, keeps_history=chosen.trait_history_days > 0)
        kept = rejections.Bounds.of(chosen.rejected_days, chosen.rejected_rows, chosen.rejected_bytes)
        self._rules = inbox.Rules(rejected=kept, suppression_key=suppression_key)

    async def drain(self, only_workspace: UUID | None = None) -> int:
        """Apply a group of each workspace that has any; how many messages. Call again until it returns 0."""
        async with self._rt.database.pump_transaction() as db:
            found = await parcels.workspaces_with_work(db)
        return await all_of(partial(self._turn, one) for one in found if only_workspace in (None, one))

    async def _turn(self, workspace_id: UUID, only: Sequence[int] | None = None) -> int:
        """Take parcels, apply them, commit: a crash before the commit leaves them where they were."""
        taken: list[Row] = []
        try:
            async with self._rt.transaction(workspace_id) as db:
                await workspaces.join_senders(db, workspace_id)
                taken = await (
                    parcels.take(db, workspace_id, self._group)
                    if only is None
                    else parcels.take_of(db, workspace_id, only)
                )
                if not taken:
                    return 0
                fault("inbox.taken")
                recorded = await inbox.apply(db, workspace_id, taken, self._memory, self._rules, now=self._rt.now())
                fault("inbox.before_commit")
        except Exception as error:
            if is_away(error) or is_held(error) or may_run_again(error) or not taken:
                raise
            self._memory.forget(workspace_id)
            await self._isolate(workspace_id, taken, error)
        else:
            self._memory.learn(workspace_id, recorded.batch)
            fault("inbox.after_commit")
        return sum(row.messages for row in taken)

    async def _isolate(self, workspace_id: UUID, failed: Sequence[Row], error: Exception) -> None:
        """Halve what failed until the message to blame is alone, and set that one aside for a while."""
        middle = len(failed) // 2
        halves = [[row.id for row in half] for half in (failed[:middle], failed[middle:]) if half]
        if len(failed) == 1:
            async with self._rt.transaction(workspace_id) as db:
                halves = [[half] for half in await inbox.halve(db, workspace_id, failed[0])]
        if not halves:
            await self._set_aside(workspace_id, failed[0], error)
        for half in halves:
            await self._turn(workspace_id, half)

    async def _set_aside(self, workspace_id: UUID, row: Row, error: Exception) -> None:
        log.error("message not applied", extra={"parcel": row.id}, exc_info=error)
        async with self._rt.transaction(workspace_id) as db:
            await parcels.set_aside(db, workspace_id, row.id, describe(error))
