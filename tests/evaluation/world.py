"""Workspaces as customers and workers see them, for tests that are no coroutines: a loop of its own in a thread, an
application, what a worker process has, and a clock that only the test moves."""

import asyncio
import threading
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import text

from app.db.base import Database
from app.main import create_app
from app.outbound.addresses import Allow
from app.outbound.http import Client
from app.services import keys
from app.settings import Settings
from app.workers import evaluation, records
from app.workers.pump import pump_once
from app.workers.runtime import Runtime
from tests.conftest import ALL_SCOPES, MASTER, open_workspace, running

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
PATIENCE = 300  # seconds for any one step


class World:
    """What every example shares. Its coroutines are run with `run`, from any thread."""

    def __init__(self, url):
        self.at = START
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.stack = AsyncExitStack()
        self.settings = Settings(
            database_url=url,
            secret_key=MASTER,
            bell="none",
            outbound_allow=("127.0.0.1",),
            environment="test",
            log_level="error",
            requests_per_minute=100_000_000,
            request_burst=10_000_000,
        )
        self.run(self._open())

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    async def _open(self):
        enter = self.stack.enter_async_context
        self.database = await enter(Database(self.settings.database_url, pool=8, name="steward-world"))
        outbound = await enter(Client(Allow.of(self.settings.outbound_allow)))
        self.runtime = Runtime(self.database, outbound, self.settings, lambda: self.at)
        self.app = await enter(running(create_app(self.settings, now=lambda: self.at)))

    def close(self):
        self.run(self.stack.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()

    def space(self):
        return self.run(self._space())

    async def _space(self):
        self.at = START
        workspace_id = await open_workspace(self.database)
        async with self.database.transaction(workspace_id) as db:
            issued = await keys.create(
                db, workspace_id, name="test", scopes=ALL_SCOPES, environment="test", now=self.at
            )
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, raise_app_exceptions=False),
            base_url="http://steward.test/api/v1",
            headers={"authorization": f"Bearer {issued.text}"},
        )
        return Space(self, workspace_id, client)


class Space:
    """One workspace of the world."""

    def __init__(self, world, workspace_id, client):
        self.world, self.id, self.client = world, workspace_id, client

    def call(self, method, path, body=None, *, fine=(200, 201, 202, 204)):
        """The answer of a request, which must be one of the fine ones."""
        answer = self.world.run(self.client.request(method, path, json=body))
        assert answer.status_code in fine, (method, path, body, answer.status_code, answer.text)
        return answer.json() if answer.content and answer.status_code < 300 else {}

    def tell(self, *messages):
        return self.call("POST", "/batch", {"messages": list(messages)})

    def query(self, sql, **values):
        return self.world.run(self._query(sql, values))

    async def _query(self, sql, values):
        async with self.world.database.transaction(self.id) as db:
            found = await db.execute(text(sql), {"w": self.id} | values if ":w" in sql else values)
            return [tuple(row) for row in found.all()] if found.returns_rows else []

    def turn(self):
        """One turn of everything workers do; how much there was."""
        return self.world.run(pump_once(self.world.runtime, only_workspace=self.id))

    def slice(self, kind):
        """A single small slice of one kind of record, and no more."""
        rt = self.world.runtime
        queue = (
            evaluation.Accounts(rt, self.id) if kind == "accounts" else records.Records(rt, self.id, _SUBJECTS[kind])
        )
        with small_slices():
            return self.world.run(queue._slice())

    def race(self, evaluators):
        """So many workers at once, in small slices."""
        turns = (pump_once(self.world.runtime, only_workspace=self.id) for _ in range(evaluators))
        with small_slices():
            return sum(self.world.run(_together(turns)))

    def drain(self):
        """All work that is due; how much there was."""
        total = 0
        for _ in range(200):
            done = self.turn()
            total += done
            if not done:
                break
        else:
            raise AssertionError("It never comes to rest.")
        left = self.query(
            "select 'account', attempts, last_error from dirty_accounts "
            "union all select 'record', attempts, last_error from dirty_records "
            "union all select kind, attempt, last_error from jobs where state not in ('done', 'cancelled')"
        )
        assert left == [], f"set aside: {left}"
        return total

    def settle(self):
        """What waits to be evaluated, and nothing else."""
        self.world.run(self._settle())

    async def _settle(self):
        done = True
        while done:
            done = await evaluation.drain(self.world.runtime, only_workspace=self.id)
            done += await records.drain(self.world.runtime, only_workspace=self.id)

    def wait(self, **span):
        self.world.at += timedelta(**span)

    def close(self):
        self.world.run(self.client.aclose())


@contextmanager
def small_slices():
    """Two records at a time, so that much is left half done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation.Accounts, "slice_size", 2)
        patch.setattr(records.Records, "slice_size", 2)
        yield


async def _together(coroutines):
    return await asyncio.gather(*coroutines)


_SUBJECTS = {one.value: one for one in records.marks.SUBJECTS}
