"""How a worker keeps promises: retries, deadlines, fences, fairness, and what it does with poison."""

import asyncio
from datetime import UTC, datetime

import pytest

from app.db import jobs
from app.db.base import DatabaseUnavailable
from app.domain.errors import Rejected
from app.domain.jobs import Lane
from app.workers.crew import Crew
from app.workers.pump import pump_once, sweep
from app.workers.runtime import Runtime, handles


@pytest.fixture
def crew(runtime):
    return Crew(runtime)


async def test_a_handler_that_returns_has_done_its_job(crew, chores, workspace):
    await chores.put(1, 2, 3)
    assert await crew.drain(only_workspace=workspace) == 3
    assert (sorted(chores.started), await chores.states()) == ([1, 2, 3], ["done"] * 3)


async def test_what_a_handler_settles_itself_is_left_as_it_is(crew, chores, workspace):
    async def run(job, rt, lease):
        async with rt.transaction(lease.workspace_id) as db:
            await jobs.cancel(db, lease, why="not wanted")

    chores.run = run
    await chores.put(1)
    await crew.drain(only_workspace=workspace)
    assert await chores.states() == ["cancelled"]


async def test_an_exception_is_tried_again_and_tells_nothing_but_its_type(crew, chores, workspace):
    async def run(job, rt, lease):
        raise RuntimeError("olive@acme.example has a secret")

    chores.run = run
    await chores.put(1)
    for _ in range(6):
        await crew.drain(only_workspace=workspace)
        await chores.hasten()
    (row,) = await chores.rows()
    assert (row["state"], row["attempt"], row["last_error"]) == ("dead", 5, "RuntimeError")
    assert len(chores.started) == 5
    assert chores.buried == [1]


class Nonsense(Rejected):
    """That makes no sense."""

    code = "nonsense"


async def test_a_domain_error_is_final(crew, chores, workspace):
    async def run(job, rt, lease):
        raise Nonsense("No.")

    chores.run = run
    await chores.put(1)
    await crew.drain(only_workspace=workspace)
    (row,) = await chores.rows()
    assert (row["state"], row["last_error"]) == ("dead", "nonsense: No.")
    assert chores.buried == [1]


async def test_an_outage_is_not_final(crew, chores, workspace):
    async def run(job, rt, lease):
        raise DatabaseUnavailable("away")

    chores.run = run
    await chores.put(1)
    await crew.drain(only_workspace=workspace)
    assert await chores.states() == ["ready"]


async def test_a_handler_has_a_deadline(crew, chores, workspace):
    async def run(job, rt, lease):
        await asyncio.sleep(60)

    chores.run = run
    chores.register(timeout=0.05)
    await chores.put(1)
    await crew.drain(only_workspace=workspace)
    (row,) = await chores.rows()
    assert (row["state"], row["last_error"]) == ("ready", "TimeoutError")


async def test_a_job_nobody_can_read_is_buried(crew, chores, workspace):
    await chores.put(1)
    await chores.sql("""update jobs set payload = '{"number": "many"}'""")
    await crew.drain(only_workspace=workspace)
    assert (await chores.states(), chores.started) == (["dead"], [])


async def test_one_poison_does_not_hold_up_the_others(crew, chores, workspace):
    async def run(job, rt, lease):
        if job.number == 7:
            raise RuntimeError

    chores.run = run
    await chores.put(*range(40))
    await crew.drain(only_workspace=workspace)
    assert (await chores.states()).count("done") == 39


async def test_a_stalled_worker_is_fenced_and_its_work_stopped(runtime, chores, workspace):
    """As under SIGSTOP: the lease lapses, another takes over, and nothing the first writes after that counts."""
    gate, seen = asyncio.Event(), []

    async def run(job, rt, lease):
        seen.append(lease.fence)
        if lease.fence == 1:
            await gate.wait()

    chores.run = run
    await chores.put(1)
    slow, quick = Crew(runtime), Crew(runtime)
    await slow.hire(only_workspace=workspace)
    await asyncio.sleep(0)
    await chores.lapse()
    await sweep(runtime, only_workspace=workspace)
    await chores.hasten()
    await quick.drain(only_workspace=workspace)
    before = await chores.rows()

    gate.set()
    await slow.finish(5)
    assert await chores.rows() == before
    assert (before[0]["state"], before[0]["crashes"], len(chores.started)) == ("done", 1, 2)


async def test_a_heartbeat_that_finds_the_lease_gone_stops_the_work(runtime, chores, workspace):
    stopped = asyncio.Event()

    async def run(job, rt, lease):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise

    chores.run = run
    chores.register(timeout=60)
    await chores.put(1, 2)
    crew = Crew(runtime)
    await crew.hire(only_workspace=workspace)
    await asyncio.sleep(0.05)
    await crew.beat()
    assert len(crew) == 2
    await chores.sql("update jobs set fence = fence + 1 where payload ->> 'number' = '1'")
    await crew.beat()
    async with asyncio.timeout(1):
        await stopped.wait()
    await asyncio.sleep(0)
    assert len(crew) == 1
    await crew.finish(0)
    assert await chores.states() == ["leased", "leased"]  # left to their leases


async def test_without_the_database_work_stops_before_its_lease_can_lapse(runtime, chores, workspace, monkeypatch):
    chores.run = lambda job, rt, lease: asyncio.sleep(60)
    chores.register(timeout=60)
    await chores.put(1)
    crew = Crew(runtime, lease_seconds=0.3)
    await crew.hire(only_workspace=workspace)

    async def away(*_args, **_options):
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(jobs, "heartbeat", away)
    await crew.beat()
    assert len(crew) == 1
    await asyncio.sleep(0.26)
    await crew.beat()
    await asyncio.sleep(0.01)
    assert len(crew) == 0


async def test_no_more_than_four_calls_to_one_endpoint_at_a_time(crew, chores, workspace):
    now, most = {}, {}

    async def run(job, rt, lease):
        now[job.endpoint_id] = now.get(job.endpoint_id, 0) + 1
        most[job.endpoint_id] = max(most.get(job.endpoint_id, 0), now[job.endpoint_id])
        await asyncio.sleep(0.01)
        now[job.endpoint_id] -= 1

    chores.run = run
    for endpoint, first in (("a", 0), ("b", 100)):
        await chores.put(*range(first, first + 12), endpoint=endpoint)
    assert await crew.drain(only_workspace=workspace) == 24
    assert most == {"a": 4, "b": 4}


async def test_a_slow_endpoint_does_not_hold_up_the_others(crew, chores, workspace):
    gate, done = asyncio.Event(), []

    async def run(job, rt, lease):
        if job.endpoint_id == "slow":
            await gate.wait()
        done.append(job.endpoint_id)

    chores.run = run
    await chores.put(*range(30), endpoint="slow")
    await chores.put(*range(100, 110), endpoint="fast")
    draining = asyncio.create_task(crew.drain(only_workspace=workspace))
    async with asyncio.timeout(5):
        while done.count("fast") < 10:
            await asyncio.sleep(0.01)
    assert done.count("slow") == 0
    gate.set()
    await draining
    assert len(done) == 40


async def test_nobody_occupies_every_hand(runtime, chores, workspace):
    gate = asyncio.Event()
    chores.run = lambda job, rt, lease: gate.wait()
    await chores.put(*range(60))
    crew = Crew(runtime)
    while await crew.hire(only_workspace=workspace):
        pass
    assert len(crew) == runtime.settings.worker_concurrency * 3 // 4
    gate.set()
    await crew.finish(5)


async def test_suspects_run_one_at_a_time(crew, chores, workspace):
    now = most = 0

    async def run(job, rt, lease):
        nonlocal now, most
        if lease.crashes:
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1

    chores.run = run
    await chores.put(*range(8))
    await chores.sql("update jobs set crashes = 1 where (payload ->> 'number')::int < 4")
    assert await crew.drain(only_workspace=workspace) == 8
    assert most == 1


async def test_poison_that_kills_its_worker_is_buried_with_what_hangs_on_it(runtime, chores, workspace):
    await chores.put(1)
    await chores.sql("update jobs set crashes = 2")
    async with runtime.database.pump_transaction() as db:
        await jobs.claim(
            db,
            jobs.Claim(
                worker="dead",
                lane=Lane.EVALUATE,
                kinds=["test.chore"],
                lease_seconds=60,
                limit=1,
                takes={workspace: 1},
                in_flight={},
                per_endpoint=4,
            ),
        )
    await chores.lapse()
    assert await pump_once(runtime, only_workspace=workspace) == 1
    (row,) = await chores.rows()
    assert (row["state"], row["last_error"], row["crashes"]) == ("dead", "worker_crashed", 3)
    assert (chores.started, chores.buried) == ([], [1])


async def test_a_crew_that_stops_gives_back_what_it_has_not_started(runtime, chores, workspace):
    await chores.put(1, 2)
    crew = Crew(runtime)
    claimed = asyncio.Event()
    claim = crew._claim

    async def claim_then_stop(*args):
        found = await claim(*args)
        await crew.finish(0)
        claimed.set()
        return found

    crew._claim = claim_then_stop
    assert await crew.hire(only_workspace=workspace) == 0
    assert claimed.is_set()
    assert [(row["state"], row["attempt"]) for row in await chores.rows()] == [("ready", 0)] * 2


async def test_a_hundred_drains_at_once_run_each_job_once(runtime, chores, workspace):
    await chores.put(*range(200))
    crews = [Crew(runtime) for _ in range(100)]
    gate = asyncio.Semaphore(6)

    async def drain(crew):
        async with gate:
            await crew.drain(only_workspace=workspace)

    await asyncio.gather(*map(drain, crews))
    assert sorted(chores.started) == list(range(200))
    assert set(await chores.states()) == {"done"}


def test_a_kind_has_one_handler(chores):
    from tests.workers.conftest import Chore

    with pytest.raises(ValueError, match="two handlers"):
        handles(Chore, timeout=1)(lambda *_: None)


def test_a_runtime_is_told_the_time(settings):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert Runtime(database=None, outbound=None, settings=settings, now=lambda: at).now() is at
