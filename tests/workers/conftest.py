"""A job kind made for tests, whose handler does what the test says."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

import pytest
from sqlalchemy import text

from app.db import jobs
from app.domain.jobs import Job, Lane
from app.workers.pump import Pump
from app.workers.runtime import HANDLERS, Handler


@dataclass(frozen=True, slots=True)
class Chore(Job):
    kind: ClassVar[str] = "test.chore"
    lane: ClassVar[Lane] = Lane.EVALUATE

    number: int
    endpoint_id: str | None = None


class Chores:
    """`run` is what is done; `started` and `buried` remember the numbers of the jobs."""

    def __init__(self, database, workspace, monkeypatch):
        self.database, self.workspace, self.monkeypatch = database, workspace, monkeypatch
        self.started, self.buried = [], []

    async def run(self, job, rt, lease):
        """Nothing, unless a test says otherwise."""

    async def handle(self, job, rt, lease):
        self.started.append(job.number)
        await self.run(job, rt, lease)

    async def bury(self, db, job, lease, now):
        self.buried.append(job.number)

    def register(self, *, timeout=30.0):
        self.monkeypatch.setitem(HANDLERS, Chore.kind, Handler(Chore, self.handle, timeout, self.bury))

    async def put(self, *numbers, endpoint=None):
        async with self.database.transaction(self.workspace) as db:
            await jobs.put(db, self.workspace, [Chore(number, endpoint) for number in numbers])

    async def rows(self):
        async with self.database.transaction(self.workspace) as db:
            found = await db.execute(text("select * from jobs where kind = 'test.chore' order by id"))
            return [dict(row) for row in found.mappings()]

    async def states(self):
        return [row["state"] for row in await self.rows()]

    async def sql(self, statement, **values):
        async with self.database.transaction(self.workspace) as db:
            await db.execute(text(statement), values)

    async def hasten(self):
        await self.sql("update jobs set run_at = now() where state = 'ready'")

    async def lapse(self):
        await self.sql("update jobs set lease_until = now() - interval '1 second' where state = 'leased'")


@pytest.fixture
def chores(monkeypatch, database, workspace):
    """Jobs of a kind of their own, in this test's workspace."""
    chores = Chores(database, workspace, monkeypatch)
    chores.register()
    return chores


@pytest.fixture
async def pumping(runtime, workspace):
    """Runs pumps in the background and stops them in the end."""
    running = []

    def start(**options):
        pump = Pump(runtime, only_workspace=workspace, **{"tick_seconds": 0.05, "grace_seconds": 5, **options})
        running.append((pump, asyncio.create_task(pump.run())))
        return pump

    yield start
    for pump, task in running:
        pump.stop()
        await task
