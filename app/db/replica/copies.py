"""One workspace's copy: where in PostgreSQL's history it stands, and what was asked of it and could not be answered."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.db.base import Session
from app.db.replica import source
from app.db.replica.columns import Column
from app.db.replica.pages import Statements
from app.db.replica.source import Changes
from app.db.replica.store import Store

LOG_KEPT: Final = timedelta(hours=1)  # what the log of changes holds at least
REACH: Final = LOG_KEPT / 2  # how far behind a copy may be and still catch up
TOLD_EVERY: Final = 3600.0  # seconds


@dataclass
class Reading:
    """Columns being read, in slices by id; `since` is the snapshot from before the first."""

    columns: Sequence[Column]
    since: str
    at: datetime
    after: UUID | None = None


@dataclass
class Copy:
    """The columns of a workspace and the snapshot they show. `began`: when the latest look at PostgreSQL began;
    `seen_to`: when it was last decided which columns it should have."""

    store: Store
    snapshot: str
    at: datetime
    reading: Reading | None = None
    usable: bool = False
    busy: bool = False
    began: float = 0.0
    asked_at: float = field(default_factory=time.monotonic)
    seen_to: float = field(default_factory=time.monotonic)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def reaches(self, now: datetime) -> bool:
        """Whether the log of changes reaches back to where this copy stands."""
        return now - self.at < REACH

    @contextmanager
    def occupied(self, *, when: bool = True) -> Iterator[None]:
        """Nobody waits for what is done now: PostgreSQL answers meanwhile."""
        self.busy = when
        try:
            yield
        finally:
            self.busy = False

    async def take(self, db: Session, workspace_id: UUID, found: Changes, began: float) -> None:
        """Read what changed once more, and stand where that was found. Rows read later than that come again."""
        if found.accounts:
            rows = await source.these(db, workspace_id, found.accounts, self.store.columns)
            await asyncio.to_thread(self.store.replace, rows, found.accounts)
        self.stand(found, began)

    def stand(self, found: Changes, began: float) -> None:
        """All that this snapshot shows is here; looking for it began then."""
        self.snapshot, self.at, self.began = found.snapshot, found.at, began

    def ask(self, statements: Statements, enough: int) -> list[tuple[Any, ...]]:
        """The rows of these statements, one after another until there are enough. Blocking."""
        found: list[tuple[Any, ...]] = []
        for question in statements.asked:
            found += question.answer(self.store.ask, enough)
            if len(found) >= enough:
                break
        return found[:enough]


class Demand:
    """Columns that were asked for since this was last emptied: those there were, and those there were not."""

    def __init__(self) -> None:
        self._missed: dict[UUID, Counter[Column]] = {}
        self._met: dict[UUID, set[Column]] = {}
        self._told: dict[tuple[UUID, Column], float] = {}

    def miss(self, workspace_id: UUID, columns: Iterable[Column]) -> None:
        """A report would have needed these."""
        self._missed.setdefault(workspace_id, Counter()).update(columns)

    def meet(self, workspace_id: UUID, columns: Iterable[Column]) -> None:
        """A report used these; of each it is told once an hour."""
        now = time.monotonic()
        for column in columns:
            if not column.always and now >= self._told.get((workspace_id, column), 0.0):
                self._told[workspace_id, column] = now + TOLD_EVERY
                self._met.setdefault(workspace_id, set()).add(column)

    def empty(self, workspace_id: UUID) -> tuple[Counter[Column], set[Column]]:
        """What was missed and how often, and what was used."""
        return self._missed.pop(workspace_id, Counter()), self._met.pop(workspace_id, set())
