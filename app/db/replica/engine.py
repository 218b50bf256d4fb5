"""The copies of a process, and whether one of them may answer: it is there, it has the columns, it is up to date.

Where it may not, the answer is None and PostgreSQL is asked. A copy catches up in the transaction that asks, before
each answer, so that what was committed before the question is in it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db.base import Session, unveiled
from app.db.places import Place
from app.db.replica import pages, source
from app.db.replica.copies import Copy, Demand
from app.db.replica.pages import Lacking, Statements
from app.db.replica.store import Full
from app.db.replica.values import Unanswerable
from app.domain.fields import Subject
from app.domain.reports import Report

AT_ONCE: Final = 1_000  # changed accounts a question waits for; with more, PostgreSQL answers meanwhile


class Replicas:
    """Shared by all requests of a process. `tend` is called with a workspace whose copy needs work."""

    def __init__(self, tend: Callable[[UUID], None]) -> None:
        self.copies: dict[UUID, Copy] = {}
        self.demand = Demand()
        self._tend = tend

    async def page(
        self, db: Session, workspace_id: UUID, report: Report, *, after: Place | None, now: datetime, limit: int
    ) -> list[Place] | None:
        """As `db.reports.page`; None: ask there."""

        def plan(copy: Copy) -> Statements:
            return pages.page(copy.store, report, after=after, now=now, limit=limit)

        found = await self._answer(db, workspace_id, report, plan, limit)
        if found is None:
            return None
        statements, rows = found
        try:
            return pages.places(rows, statements.keys)
        except Unanswerable:
            return None

    async def count(self, db: Session, workspace_id: UUID, report: Report, *, now: datetime) -> int | None:
        """How many accounts a report keeps, exactly; None: ask PostgreSQL."""

        def plan(copy: Copy) -> Statements:
            return pages.count(copy.store, report, now=now)

        found = await self._answer(db, workspace_id, report, plan, 1)
        return None if found is None else int(found[1][0][0])

    async def _answer(
        self,
        db: Session,
        workspace_id: UUID,
        report: Report,
        plan: Callable[[Copy], Statements],
        enough: int,
    ) -> tuple[Statements, Sequence[tuple[Any, ...]]] | None:
        if report.subject is not Subject.ACCOUNTS or report.as_of is not None:
            return None
        copy = self.copies.get(workspace_id)
        if copy is None or not copy.usable:
            self._tend(workspace_id)
            return None
        copy.asked_at = time.monotonic()
        try:
            return await self._ask(db, workspace_id, copy, plan, enough)
        except Full:
            self._tend(workspace_id)
        except Unanswerable:
            pass
        return None

    async def _ask(
        self, db: Session, workspace_id: UUID, copy: Copy, plan: Callable[[Copy], Statements], enough: int
    ) -> tuple[Statements, Sequence[tuple[Any, ...]]] | None:
        shape, statements = copy.store.shape, self._plan(workspace_id, copy, plan)
        if statements is None:
            return None
        if not await self._fresh(db, workspace_id, copy):
            self._tend(workspace_id)
            return None
        if copy.store.shape != shape:  # what catching up brought may be more than a column can hold
            statements = self._plan(workspace_id, copy, plan)
        if statements is None:
            return None
        return statements, await asyncio.to_thread(copy.ask, statements, enough)

    def _plan(self, workspace_id: UUID, copy: Copy, plan: Callable[[Copy], Statements]) -> Statements | None:
        """What to ask the copy. What it lacks is remembered, and then it is None. Raises `Unanswerable`."""
        try:
            statements = plan(copy)
        except Lacking as lacking:
            self.demand.miss(workspace_id, lacking.columns)
            self._tend(workspace_id)
            return None
        self.demand.meet(workspace_id, statements.used)
        return statements

    async def _fresh(self, db: Session, workspace_id: UUID, copy: Copy) -> bool:
        """Whether the copy has all that was committed when this was called."""
        called = time.monotonic()
        if copy.busy:
            return False
        async with copy.lock:
            if copy.began >= called:  # somebody else looked while we waited
                return True
            began = time.monotonic()
            async with unveiled(db):  # the copy is everybody's: what this asker may not see is not gone
                found = await source.changes(db, workspace_id, copy.snapshot, most=AT_ONCE + 1)
                if len(found.accounts) > AT_ONCE or not copy.reaches(found.at):
                    return False
                await copy.take(db, workspace_id, found, began)
            return True
