"""What keeps copies: opening them, reading them in slices, catching up after many changes, adding hot columns.

Each step is one short transaction, which the caller opens; what is read in several of them becomes whole by catching up
from the snapshot before the first.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app.db import hot_facts
from app.db.base import Session
from app.db.replica import columns, source
from app.db.replica.columns import Column
from app.db.replica.copies import Copy, Reading
from app.db.replica.engine import AT_ONCE, Replicas
from app.db.replica.store import Full, Store
from app.domain import filters
from app.domain.errors import Rejected
from app.domain.fields import Fact, Subject, Type, find
from app.domain.filters import leaves
from app.domain.reports import reading_of

SLICE: Final = 20_000  # rows read in one transaction
CAUGHT_UP: Final = 5_000  # changed rows read in one statement
MANY: Final = 200_000  # changes after which reading everything anew is less work
IDLE: Final = 24 * 3600  # seconds after which a copy nobody asks is given up
_ACCOUNTS: Final = Subject.ACCOUNTS


@dataclass(frozen=True, slots=True)
class Bounds:
    """From how many accounts on a workspace has a copy; how much memory all copies take; how many threads one has."""

    accounts: int
    memory: int
    threads: int


class Tending:
    """Works on the copies of a process."""

    def __init__(self, replicas: Replicas, bounds: Bounds) -> None:
        self._replicas = replicas
        self._bounds = bounds

    async def begin(self, db: Session, workspace_id: UUID) -> bool:
        """Open a copy where there should be one, and see which columns it should have; whether there is any to read."""
        copy = self._replicas.copies.get(workspace_id)
        if copy is not None and copy.reading is not None:
            return True
        if copy is not None:
            copy.seen_to = time.monotonic()
        await self._note(db, workspace_id)
        wanted = await _wanted(db, workspace_id)
        state = await source.state(db, workspace_id, enough=self._bounds.accounts)
        if copy is None:
            if state.accounts < max(self._bounds.accounts, 1):
                return False
            first = [*columns.standing(), *wanted]
            store = Store(first, memory=self._bounds.memory, threads=self._bounds.threads, by_bytes=state.by_bytes)
            self._replicas.copies[workspace_id] = Copy(
                store, state.snapshot, state.at, Reading(first, state.snapshot, state.at)
            )
            return True
        cold = [column for column in copy.store.columns if not column.always and column not in wanted]
        lacking = [column for column in wanted if copy.store.lacks(column)]
        async with copy.lock:
            await asyncio.to_thread(copy.store.drop, cold)
            if lacking:
                await asyncio.to_thread(copy.store.begin, lacking)
                copy.reading = Reading(lacking, state.snapshot, state.at)
        return bool(lacking)

    async def read_on(self, db: Session, workspace_id: UUID) -> bool:
        """Read the next slice; whether there is more. Raises `Full`, and then there is no copy any more."""
        copy = self._replicas.copies[workspace_id]
        reading = copy.reading
        assert reading is not None  # noqa: S101 - `begin` said so
        rows = await source.following(db, workspace_id, reading.after, reading.columns, limit=SLICE)
        put = copy.store.fill if copy.usable else copy.store.replace
        if rows.number:
            await self._fitting(workspace_id, put, rows)
            reading.after = rows.last
        if rows.number < SLICE:
            await self._finish(workspace_id, copy, reading)
        return copy.reading is not None

    async def catch_up(self, db: Session, workspace_id: UUID) -> None:
        """Take in everything that was committed; too much of it, or too long ago, and the copy is given up."""
        copy = self._replicas.copies.get(workspace_id)
        if copy is None or not copy.usable:
            return
        async with copy.lock:
            began = time.monotonic()
            found = await source.changes(db, workspace_id, copy.snapshot, most=MANY + 1)
            if len(found.accounts) > MANY or not copy.reaches(found.at):
                self.drop(workspace_id)
                return
            with copy.occupied(when=len(found.accounts) > AT_ONCE or copy.store.worn):
                for start in range(0, len(found.accounts), CAUGHT_UP):
                    part = found.accounts[start : start + CAUGHT_UP]
                    rows = await source.these(db, workspace_id, part, copy.store.columns)
                    await self._fitting(workspace_id, copy.store.replace, rows, part)
                copy.stand(found, began)
                if copy.store.worn:
                    await asyncio.to_thread(copy.store.pack)

    def drop(self, workspace_id: UUID) -> None:
        """Give a copy up; PostgreSQL answers, and it may be read anew."""
        self._replicas.copies.pop(workspace_id, None)  # its memory goes with the last question to it

    def drop_idle(self) -> None:
        """Give up copies nobody asked for a day."""
        long_ago = time.monotonic() - IDLE
        for workspace_id in [one for one, copy in self._replicas.copies.items() if copy.asked_at < long_ago]:
            self.drop(workspace_id)

    async def _finish(self, workspace_id: UUID, copy: Copy, reading: Reading) -> None:
        """What was read is whole once it has caught up from before its beginning."""
        async with copy.lock:
            with copy.occupied():
                await self._settle(workspace_id, copy, reading)

    async def _settle(self, workspace_id: UUID, copy: Copy, reading: Reading) -> None:
        if copy.usable:
            await self._fitting(workspace_id, copy.store.finish, reading.columns)
        else:
            await asyncio.to_thread(copy.store.pack)
        copy.snapshot, copy.at, copy.reading, copy.usable = reading.since, reading.at, None, True

    async def _fitting(self, workspace_id: UUID, work: Any, *arguments: Any) -> None:
        """Do what takes memory; then drop copies, those not asked for longest first, until all fit."""
        try:
            await asyncio.to_thread(work, *arguments)
            self._make_room(workspace_id)
        except Full:
            self.drop(workspace_id)
            raise

    def _make_room(self, workspace_id: UUID) -> None:
        copies = self._replicas.copies
        while sum(copy.store.memory() for copy in copies.values()) > self._bounds.memory:
            others = [(copy.asked_at, one) for one, copy in copies.items() if one != workspace_id]
            if not others:
                raise Full
            self.drop(min(others)[1])

    async def _note(self, db: Session, workspace_id: UUID) -> None:
        missed, used = self._replicas.demand.empty(workspace_id)
        asked = {(column.fact.path, str(column.reading)): number for column, number in missed.items()}
        asked |= {(column.fact.path, str(column.reading)): 1 for column in used}
        await hot_facts.note(db, workspace_id, _ACCOUNTS, asked)


async def _wanted(db: Session, workspace_id: UUID) -> list[Column]:
    """The columns of hot facts, those asked for last first, then those rules and views name; so many and no more."""
    asked = [pair for hot in await hot_facts.hot(db, workspace_id, _ACCOUNTS) for pair in _known(*hot)]
    for rule in await hot_facts.named(db, workspace_id, _ACCOUNTS):
        asked += _in_rule(rule["filter"], rule["sort"])
    found = [columns.of(fact, reading) for fact, reading in asked]
    return [one for one in dict.fromkeys(found) if one is not None and not one.always][: hot_facts.MOST]


def _known(path: str, reading: str) -> list[tuple[Fact, Type]]:
    try:
        return [(find(path), Type(reading))]
    except (Rejected, ValueError):  # of another release
        return []


def _in_rule(source: Any, sort: Sequence[Any]) -> list[tuple[Fact, Type]]:
    """What a rule names; one that cannot be read (any more) names nothing."""
    try:
        tree = [] if source is None else [(leaf.fact, leaf.reading) for leaf in leaves(filters.parse(source))]
        keys = [(find(key["field"]), key.get("type")) for key in sort]
        return tree + [(fact, reading_of(fact, stated, "#/sort")) for fact, stated in keys]
    except Rejected:
        return []
