"""The loops: they find work by themselves, look at once when woken, and end in good order."""

import asyncio
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.db import jobs
from app.db.base import DatabaseUnavailable
from app.workers import schedule
from app.workers.pump import Pump
from app.workers.schedule import Recurring, Timetable


async def until(condition, *, within=5.0):
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.01)


async def all_done(chores):
    return set(await chores.states()) == {"done"}


async def test_a_pump_finds_work_by_itself(pumping, chores):
    pumping()
    await chores.put(1)
    await until(lambda: all_done(chores))


async def test_a_pump_that_is_woken_does_not_wait_for_its_tick(pumping, chores):
    pump = pumping(tick_seconds=60)
    await asyncio.sleep(0.3)
    await chores.put(1)
    started = time.monotonic()
    pump.wake()
    await until(lambda: all_done(chores))
    assert time.monotonic() - started < 3


async def test_a_pump_that_stops_lets_what_runs_end(runtime, chores, workspace):
    started = asyncio.Event()

    async def run(job, rt, lease):
        started.set()
        await asyncio.sleep(0.2)

    chores.run = run
    await chores.put(1)
    pump = Pump(runtime, tick_seconds=0.05, only_workspace=workspace)
    task = asyncio.create_task(pump.run())
    await started.wait()
    pump.stop()
    await chores.put(2)
    await task
    assert await chores.states() == ["done", "ready"]


async def test_a_pump_waits_out_an_outage(pumping, chores, monkeypatch):
    calls = 0
    real = jobs.workspaces_with_work

    async def away(db):
        nonlocal calls
        calls += 1
        if calls < 3:
            raise DatabaseUnavailable("away")
        return await real(db)

    monkeypatch.setattr(jobs, "workspaces_with_work", away)
    await chores.put(1)
    pumping()
    await until(lambda: all_done(chores), within=10)
    assert calls >= 3


async def test_a_pump_frees_what_a_dead_worker_held(pumping, chores):
    await chores.put(1)
    await chores.sql(
        "update jobs set state = 'leased', worker = 'dead', fence = 1, lease_until = now() - interval '1 minute'"
    )
    pumping()
    await until(lambda: all_done(chores), within=15)
    assert [row["crashes"] for row in await chores.rows()] == [1]


async def test_long_work_outlives_its_first_lease(pumping, chores):
    chores.run = lambda job, rt, lease: asyncio.sleep(1.0)
    await chores.put(1)
    pumping(lease_seconds=0.6)
    await until(lambda: all_done(chores))
    assert [(row["crashes"], row["fence"]) for row in await chores.rows()] == [(0, 1)]


async def test_a_timetable_runs_what_is_due_and_repeats_what_failed(runtime):
    ran = []

    async def often(rt):
        ran.append("often")

    async def breaks_once(rt):
        ran.append("breaks")
        if ran.count("breaks") == 1:
            raise RuntimeError

    table = Timetable(
        runtime,
        (Recurring("breaks", timedelta(hours=1), breaks_once), Recurring("often", timedelta(0), often)),
    )
    with pytest.raises(RuntimeError):
        await table.run_due()
    await table.run_due()
    await table.run_due()
    assert ran == ["breaks", "often", "breaks", "often", "often"]


async def test_every_recurring_job_is_safe_to_repeat(runtime, chores, database):
    await chores.put(1)
    await chores.sql("update jobs set state = 'done', finished_at = now() - interval '3 days'")
    for one in schedule.RECURRING * 2:
        await one.run(runtime)
    assert await chores.rows() == []
    async with database.open_transaction() as db:
        ahead = await db.scalar(text("select to_regclass('events_' || to_char(now() + '90 days', 'YYYY_MM'))::text"))
    assert ahead is not None
