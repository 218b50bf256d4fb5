"""A job kind made for tests, whose handler does what the test says."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from sqlalchemy import text

from app.db import jobs
from app.domain.jobs import Job, Lane
from app.workers.runtime import HANDLERS, Handler


@dataclass(frozen=True, slots=True)
class Chore(Job):
    kind: ClassVar[str] = "test.chore"
    lane: ClassVar[Lane] = Lane.EVALUATE

    number: int
    endpoint_id: str | None = None


@pytest.fixture
def chores(monkeypatch, database, workspace):
    """`chores.run` is what is done; `chores.started` remembers every start."""

    class Chores:
        started: list = []
        timeout = 30.0
        buried: list = []

        async def run(self, job, rt, lease):
            """Nothing, unless a test says otherwise."""

        async def put(self, *numbers, endpoint=None, workspace_id=workspace):
            async with database.transaction(workspace_id) as db:
                await jobs.put(db, workspace_id, [Chore(number, endpoint) for number in numbers])

        async def rows(self, workspace_id=workspace):
            async with database.transaction(workspace_id) as db:
                found = await db.execute(text("select * from jobs where kind = 'test.chore' order by id"))
                return [dict(row) for row in found.mappings()]

        async def states(self):
            return [row["state"] for row in await self.rows()]

        async def sql(self, statement, **values):
            async with database.transaction(workspace) as db:
                await db.execute(text(statement), values)

        async def hasten(self):
            await self.sql("update jobs set run_at = now() where state = 'ready'")

        async def lapse(self):
            await self.sql("update jobs set lease_until = now() - interval '1 second' where state = 'leased'")

        def register(self):
            async def handle(job, rt, lease):
                self.started.append(job.number)
                await self.run(job, rt, lease)

            async def bury(db, job, lease, now):
                self.buried.append(job.number)

            monkeypatch.setitem(HANDLERS, Chore.kind, Handler(Chore, handle, self.timeout, bury))

    chores = Chores()
    chores.started, chores.buried = [], []
    chores.register()
    return chores
