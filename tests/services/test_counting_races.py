"""Who counts, who defines and who deletes at once: none of them waits in a circle, nor takes all there is of memory."""

import asyncio
import tracemalloc
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import ingest as flushes
from app.db import measures, workspaces
from app.domain.matching import parse
from app.services import measuring, recounting
from tests.conftest import open_workspace

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PRO = parse({"property": "plan", "op": "is", "value": "pro"})
SOON = 0.3  # seconds in which the other one has come to wait


@pytest.fixture
async def recount(database, workspace):
    """A recount of everything."""
    async with database.transaction(workspace) as db:
        return await measuring.start(db, workspace, is_whole=True)


async def test_an_event_first_seen_while_it_is_asked_for_waits_in_no_circle(database, workspace):
    async def define():
        async with database.transaction(workspace) as db:
            await measuring.ensure(db, workspace, [("New", None), ("New", PRO)])

    async with database.transaction(workspace) as db:
        await flushes.receive(db, workspace, {uuid4().hex: 1}, NOW)
        defining = asyncio.create_task(define())
        await asyncio.sleep(SOON)
        await measures.intern(db, workspace, ["New"])
    await defining


async def test_a_recount_ends_while_somebody_who_wrote_waits_for_it(database, workspace, recount):
    async def count():
        async with database.transaction(workspace) as db:
            return await recounting.step(db, workspace, recount)

    assert await count()
    async with database.transaction(workspace) as db:
        await measures.intern(db, workspace, ["New"])
        counting = asyncio.create_task(count())
        await asyncio.sleep(SOON)
        await workspaces.hold_senders(db, workspace)
    assert not await counting


async def test_a_recount_is_deleted_with_its_workspace_while_it_waits(database):
    workspace = await open_workspace(database)

    async def count():
        async with database.transaction(workspace) as db:
            return await recounting.step(db, workspace, recount_id)

    async with database.transaction(workspace) as db:
        recount_id = await measuring.start(db, workspace, is_whole=True)
    async with database.transaction(workspace) as db:
        await workspaces.hold_senders(db, workspace)
        counting = asyncio.create_task(count())
        await asyncio.sleep(SOON)
        await db.execute(text("delete from recounts"))
    assert await counting
    assert not await count()


async def test_two_workers_count_a_part_once(database, workspace, recount):
    async def count():
        async with database.transaction(workspace) as db:
            return await recounting.step(db, workspace, recount)

    async with database.transaction(workspace) as db:
        await workspaces.hold_senders(db, workspace)
        both = [asyncio.create_task(count()) for _ in range(2)]
        await asyncio.sleep(SOON)
    assert all(await asyncio.gather(*both))
    async with database.transaction(workspace) as db:
        found = (await db.execute(text("select is_past_accounts, finished_at from recounts"))).one()
    assert tuple(found) == (True, None)


async def test_a_day_of_many_large_events_is_not_held_in_memory(database, workspace):
    """A day of an account is one part, however many events it had."""
    async with database.transaction(workspace) as db:
        await db.execute(
            text("insert into accounts (workspace_id, id, external_id) values (:w, gen_random_uuid(), 'acme')"),
            {"w": workspace},
        )
        await db.execute(
            text(
                "insert into events (workspace_id, occurred_at, id, account_id, name, properties) "
                "select :w, timestamptz '2026-05-01', gen_random_uuid(), a.id, 'Paid', "
                "jsonb_build_object('plan', 'pro', 'note', repeat('x', 10000)) "
                "from generate_series(1, 4000), accounts a where a.workspace_id = :w"
            ),
            {"w": workspace},
        )
        await measuring.ensure(db, workspace, [("Paid", PRO)])
        recount_id = await measuring.start(db, workspace, is_whole=True)
    tracemalloc.start()
    async with database.transaction(workspace) as db:
        await recounting.step(db, workspace, recount_id)
        counts = list(await db.scalars(text("select count from measure_totals")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts == [4000, 4000]
    assert peak < 25_000_000
