"""A copy of a workspace for tests, tended step by step."""

from app.db.replica import Replicas
from app.db.replica.tending import Bounds, Tending


class Kept:
    """Copies as a process has them, with their tending done when a test says so."""

    def __init__(self, database, accounts=1, memory=2**30, threads=2):
        self.database = database
        self.asked = []
        self.engine = Replicas(self.asked.append)
        self.tending = Tending(self.engine, Bounds(accounts, memory, threads))

    async def tend(self, workspace_id):
        """Open, read and catch up, a transaction each."""
        async with self.database.transaction(workspace_id) as db:
            more = await self.tending.begin(db, workspace_id)
        while more:
            async with self.database.transaction(workspace_id) as db:
                more = await self.tending.read_on(db, workspace_id)
        async with self.database.transaction(workspace_id) as db:
            await self.tending.catch_up(db, workspace_id)

    async def page(self, workspace_id, report, *, after=None, now, limit=2000):
        async with self.database.transaction(workspace_id) as db:
            return await self.engine.page(db, workspace_id, report, after=after, now=now, limit=limit)

    async def count(self, workspace_id, report, *, now):
        async with self.database.transaction(workspace_id) as db:
            return await self.engine.count(db, workspace_id, report, now=now)

    def close(self):
        for workspace_id in list(self.engine.copies):
            self.tending.drop(workspace_id)
