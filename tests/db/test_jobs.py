"""The job engine: every arrow of its state machine, the fence, coalescing, fairness."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import text

from app.db import jobs
from app.domain.ids import new_id
from app.domain.jobs import Deliver, Fenced, Job, Lane, Lease

PAST = timedelta(seconds=-1)


@dataclass(frozen=True, slots=True)
class Count(Job):
    kind: ClassVar[str] = "test.count"
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    number: int


def want(workspaces, **changes):
    return jobs.Claim(
        **{
            "worker": "w1",
            "lane": Lane.MAINTENANCE,
            "kinds": [Count.kind, Deliver.kind],
            "lease_seconds": 60,
            "limit": 100,
            "takes": dict.fromkeys(workspaces, 100),
            "in_flight": {},
            "per_endpoint": 4,
            **changes,
        }
    )


class Queue:
    """A short hand for transactions around the functions under test."""

    def __init__(self, database, workspace):
        self.database, self.workspace = database, workspace

    async def put(self, *promises, **options):
        async with self.database.transaction(self.workspace) as db:
            await jobs.put(db, self.workspace, promises, **options)

    async def claim(self, **changes):
        return await self.pump(jobs.claim, want([self.workspace], **changes))

    async def run(self, verb, *args, **options):
        async with self.database.transaction(self.workspace) as db:
            return await verb(db, *args, **options)

    async def pump(self, verb, *args, **options):
        async with self.database.pump_transaction() as db:
            return await verb(db, *args, **options)

    async def rows(self):
        async with self.database.transaction(self.workspace) as db:
            found = await db.execute(text("select * from jobs order by id"))
            return [dict(row) for row in found.mappings()]

    async def states(self):
        return [row["state"] for row in await self.rows()]

    async def sql(self, statement, **values):
        async with self.database.transaction(self.workspace) as db:
            await db.execute(text(statement), values)

    async def lapse(self):
        await self.sql("update jobs set lease_until = now() - interval '1 second' where state = 'leased'")

    async def hasten(self):
        await self.sql("update jobs set run_at = now() where state = 'ready'")

    async def sweep(self):
        return await self.pump(jobs.sweep, only_workspace=self.workspace)

    async def spent(self):
        return await self.pump(jobs.spent, only_workspace=self.workspace)


@pytest.fixture
def queue(database, workspace):
    return Queue(database, workspace)


async def test_a_promise_is_claimed_once_and_done(queue):
    await queue.put(Count(1), Count(2))
    leases = await queue.claim()
    assert [(lease.attempt, lease.fence, lease.crashes) for lease in leases] == [(1, 1, 0)] * 2
    assert {Count.from_payload(lease.payload) for lease in leases} == {Count(1), Count(2)}
    assert await queue.claim() == []

    assert await queue.run(jobs.complete_all, leases) == {lease.id for lease in leases}
    assert await queue.states() == ["done", "done"]
    assert all(lease.settled for lease in leases)


async def test_a_promise_of_the_future_waits(queue, now):
    await queue.put(Count(1), run_at=now + timedelta(hours=1))
    assert await queue.claim() == []
    await queue.put(Count(1))  # its twin is due now, and brings it forward
    assert len(await queue.claim()) == 1


async def test_an_unknown_kind_is_left_alone(queue):
    await queue.put(Count(1))
    assert await queue.claim(kinds=["another"]) == []
    assert await queue.states() == ["ready"]


VERBS = {
    "complete": lambda queue, lease: queue.run(jobs.complete, lease),
    "fail": lambda queue, lease: queue.run(jobs.fail, lease, error="no", after=timedelta(seconds=5)),
    "fail for good": lambda queue, lease: queue.run(jobs.fail, lease, error="no", after=None),
    "give up": lambda queue, lease: queue.run(jobs.give_up, lease, error="no"),
    "cancel": lambda queue, lease: queue.run(jobs.cancel, lease, why="no"),
    "give back": lambda queue, lease: queue.run(jobs.give_back, lease),
    "hold": lambda queue, lease: queue.run(jobs.hold, lease, why="no"),
}


@pytest.mark.parametrize(
    ("verb", "state", "attempt", "due"),
    [
        ("complete", "done", 1, None),
        ("fail", "ready", 1, False),
        ("fail for good", "dead", 1, None),
        ("give up", "dead", 1, None),
        ("cancel", "cancelled", 1, None),
        ("give back", "ready", 0, True),
        ("hold", "held", 0, None),
    ],
)
async def test_from_leased(queue, verb, state, attempt, due):
    await queue.put(Count(1))
    (lease,) = await queue.claim()
    await VERBS[verb](queue, lease)
    (row,) = await queue.rows()
    assert (row["state"], row["attempt"], row["worker"], row["lease_until"]) == (state, attempt, None, None)
    assert (row["finished_at"] is not None) == (state in {"done", "dead", "cancelled"})
    assert lease.settled
    if due is not None:
        assert bool(await queue.claim()) == due


@pytest.mark.parametrize("verb", VERBS)
async def test_a_stale_worker_changes_nothing(queue, verb):
    await queue.put(Count(1))
    (stale,) = await queue.claim(worker="slow")
    await queue.lapse()
    assert await queue.sweep() == 1
    await queue.hasten()
    (fresh,) = await queue.claim(worker="quick")
    before = await queue.rows()

    with pytest.raises(Fenced):
        await VERBS[verb](queue, stale)
    assert await queue.rows() == before
    assert await queue.pump(jobs.heartbeat, [stale], lease_seconds=60) == set()
    assert not stale.settled

    await queue.run(jobs.complete, fresh)
    with pytest.raises(Fenced):
        await VERBS[verb](queue, stale)
    assert await queue.states() == ["done"]


async def test_effects_of_a_fenced_worker_are_rolled_back_with_its_completion(queue, workspace):
    await queue.put(Count(1))
    (stale,) = await queue.claim()
    await queue.lapse()
    await queue.sweep()

    async def work(db):
        await jobs.put(db, workspace, [Count(99)])
        await jobs.complete(db, stale)

    with pytest.raises(Fenced):
        await queue.run(work)
    assert await queue.states() == ["ready"]


async def test_of_a_batch_only_the_fenced_fall_out(queue):
    await queue.put(*map(Count, range(5)))
    leases = await queue.claim()
    await queue.sql("update jobs set fence = fence + 1 where id = :id", id=leases[2].id)
    assert await queue.run(jobs.complete_all, leases) == {lease.id for lease in leases} - {leases[2].id}


async def test_a_heartbeat_keeps_the_lease(queue):
    await queue.put(Count(1))
    (lease,) = await queue.claim(lease_seconds=0)
    assert await queue.pump(jobs.heartbeat, [lease], lease_seconds=60) == {lease.id}
    assert await queue.sweep() == 0


async def test_the_sweeper_frees_what_a_dead_worker_held(queue):
    await queue.put(Count(1))
    await queue.claim()
    assert await queue.sweep() == 0
    await queue.lapse()
    assert await queue.sweep() == 1
    (row,) = await queue.rows()
    assert (row["state"], row["crashes"], row["attempt"], row["last_error"]) == ("ready", 1, 1, "lease expired")
    assert await queue.claim() == []  # not at once


async def test_a_job_that_kills_its_worker_three_times_is_buried(queue):
    await queue.put(Count(1))
    for crashes in range(2):
        await queue.hasten()
        (lease,) = await queue.claim()
        assert lease.crashes == crashes
        await queue.lapse()
        assert await queue.spent() == []
        assert await queue.sweep() == 1
    await queue.hasten()
    await queue.claim()
    await queue.lapse()
    assert await queue.sweep() == 0  # not swept back: it is spent
    (lease,) = await queue.spent()
    await queue.run(jobs.give_up, lease, error="worker_crashed", crashed=True)
    (row,) = await queue.rows()
    assert (row["state"], row["crashes"], row["last_error"]) == ("dead", 3, "worker_crashed")


async def test_attempts_are_bounded_even_when_workers_stall(queue):
    await queue.put(Count(1))
    await queue.sql("update jobs set max_attempts = 1")
    await queue.claim()
    await queue.lapse()
    assert await queue.sweep() == 0
    assert [lease.attempt for lease in await queue.spent()] == [1]


async def test_one_suspect_at_a_time(queue):
    await queue.put(*map(Count, range(6)))
    await queue.sql("update jobs set crashes = 1 where id in (select id from jobs order by id limit 3)")
    first = await queue.claim()
    assert sorted(lease.crashes for lease in first) == [0, 0, 0, 1]
    assert await queue.claim(in_flight={"suspect": 1}) == []
    assert [lease.crashes for lease in await queue.claim()] == [1]


async def test_twins_that_wait_are_one(queue):
    await queue.put(Count(1), Count(1))
    await queue.put(Count(1))
    assert await queue.states() == ["ready"]


async def test_a_twin_put_while_the_first_runs_runs_after_it(queue):
    await queue.put(Count(1))
    (lease,) = await queue.claim()
    await queue.put(Count(1))
    assert await queue.states() == ["leased", "ready"]
    await queue.run(jobs.complete, lease)
    assert len(await queue.claim()) == 1


async def test_a_promise_absorbed_by_a_waiting_twin_is_not_claimed_before_our_commit(queue, database, workspace):
    """DO NOTHING would skip the row: the job could run before we commit, and miss what we write."""
    await queue.put(Count(1))
    async with database.transaction(workspace) as db:
        await jobs.put(db, workspace, [Count(1)])
        assert await queue.claim() == []  # locked until we are done
    assert len(await queue.claim()) == 1


async def test_a_put_that_meets_a_claim_under_way_makes_a_new_promise(queue, database, workspace):
    await queue.put(Count(1))
    async with database.pump_transaction() as db:
        assert len(await jobs.claim(db, want([workspace]))) == 1
        putting = asyncio.create_task(queue.put(Count(1)))
        await asyncio.sleep(0.1)
        assert not putting.done()
    await putting
    assert await queue.states() == ["leased", "ready"]


@pytest.mark.parametrize("verb", ["fail", "give back", "hold"])
@pytest.mark.parametrize("waiting", ["ready", "held"])
async def test_a_job_let_go_while_its_twin_waits_is_absorbed(queue, verb, waiting):
    await queue.put(Count(1))
    (lease,) = await queue.claim()
    await queue.sql("update jobs set crashes = 1")
    await queue.put(Count(1))
    await queue.sql("update jobs set state = :state where state = 'ready'", state=waiting)
    await VERBS[verb](queue, lease)
    first, twin = await queue.rows()
    assert (first["state"], first["last_error"]) == ("cancelled", "absorbed by a twin")
    assert first["finished_at"] is not None
    assert (twin["state"], twin["crashes"]) == (waiting, 1)


async def test_a_twin_put_in_the_same_moment_is_met_too(queue, database, workspace):
    await queue.put(Count(1))
    (lease,) = await queue.claim()
    async with database.transaction(workspace) as db:
        await jobs.put(db, workspace, [Count(1)])  # not visible to the other yet
        failing = asyncio.create_task(VERBS["fail"](queue, lease))
        await asyncio.sleep(0.1)
        assert not failing.done()
    await failing
    assert await queue.states() == ["cancelled", "ready"]


async def test_swept_twins_become_one(queue):
    await queue.put(Count(1))
    await queue.claim()
    await queue.put(Count(1))
    await queue.claim()
    await queue.lapse()
    assert await queue.sweep() == 2
    assert sorted(await queue.states()) == ["cancelled", "ready"]

    await queue.hasten()
    await queue.claim()
    await queue.put(Count(1))
    await queue.lapse()
    assert await queue.sweep() == 1
    rows = await queue.rows()
    assert sorted(row["state"] for row in rows) == ["cancelled", "cancelled", "ready"]
    assert [row["crashes"] for row in rows if row["state"] == "ready"] == [2]


async def test_the_dead_can_be_given_a_new_start(queue, workspace):
    await queue.put(Count(1), Count(2), Count(3))
    for lease in await queue.claim():
        await queue.run(jobs.give_up, lease, error="no")
    await queue.put(Count(2))
    dead = [row["id"] for row in await queue.rows() if row["state"] == "dead"]
    assert await queue.run(jobs.requeue, workspace, dead[:2]) == 2
    assert await queue.states() == ["ready", "cancelled", "dead", "ready"]
    assert await queue.run(jobs.requeue, workspace) == 1
    assert {(row["attempt"], row["crashes"]) for row in await queue.rows() if row["state"] == "ready"} == {(0, 0)}


async def test_finished_jobs_are_purged_and_dead_ones_kept(queue):
    await queue.put(Count(1), Count(2))
    done, dead = await queue.claim()
    await queue.run(jobs.complete, done)
    await queue.run(jobs.give_up, dead, error="no")
    await queue.sql("update jobs set finished_at = now() - interval '2 days'")
    await queue.pump(jobs.purge, older_than=timedelta(days=1))
    assert await queue.states() == ["dead"]


async def test_depths_tell_what_waits_and_for_how_long(queue):
    await queue.put(*map(Count, range(3)))
    await queue.claim(limit=1)
    await queue.sql("update jobs set run_at = now() - interval '1 minute' where state = 'ready'")
    (depth,) = await queue.run(jobs.depths)
    assert (depth.lane, depth.ready, depth.due, depth.leased, depth.dead) == (Lane.MAINTENANCE, 2, 2, 1, 0)
    assert 59 < depth.oldest_seconds < 70


async def test_no_workspace_takes_more_than_its_share(database, workspace, other_workspace):
    for who, many in ((workspace, 20), (other_workspace, 3)):
        async with database.transaction(who) as db:
            await jobs.put(db, who, [Count(n) for n in range(many)])
    async with database.pump_transaction() as db:
        assert {workspace, other_workspace} <= set((await jobs.workspaces_with_work(db))[Lane.MAINTENANCE])
        found = await jobs.claim(db, want([workspace, other_workspace], takes={workspace: 5, other_workspace: 5}))
    shares = [lease.workspace_id for lease in found]
    assert (shares.count(workspace), shares.count(other_workspace)) == (5, 3)


async def test_no_endpoint_takes_more_calls_than_it_may(queue):
    busy, quiet = new_id(), new_id()
    await queue.put(*(Deliver(new_id(), busy) for _ in range(20)), Deliver(new_id(), quiet))
    first = await queue.claim(lane=Lane.DELIVER)
    assert sorted([lease.slot for lease in first].count(str(one)) for one in (busy, quiet)) == [1, 4]
    assert await queue.claim(lane=Lane.DELIVER, in_flight={str(busy): 4}) == []
    assert len(await queue.claim(lane=Lane.DELIVER, in_flight={str(busy): 3})) == 1


async def test_a_long_backlog_of_one_endpoint_is_looked_behind(queue, monkeypatch):
    monkeypatch.setattr(sys.modules["app.db.jobs.claim"], "SHALLOW", 5)
    busy, quiet = new_id(), new_id()
    await queue.put(*(Deliver(new_id(), busy) for _ in range(20)))
    await queue.put(Deliver(new_id(), quiet))
    assert await queue.claim(lane=Lane.DELIVER, in_flight={str(busy): 4}) == []
    (found,) = await queue.claim(lane=Lane.DELIVER, in_flight={str(busy): 4}, deep=True)
    assert found.slot == str(quiet)


async def test_an_endpoints_jobs_are_held_and_resumed(queue, workspace):
    endpoint, other = new_id(), new_id()
    await queue.put(Deliver(new_id(), endpoint), Deliver(new_id(), other))
    assert await queue.run(jobs.hold_waiting, workspace, Lane.DELIVER, endpoint) == 1
    assert [UUID(lease.slot) for lease in await queue.claim(lane=Lane.DELIVER)] == [other]
    assert await queue.run(jobs.resume, workspace, Lane.DELIVER, endpoint, over_seconds=0) == 1
    assert [UUID(lease.slot) for lease in await queue.claim(lane=Lane.DELIVER)] == [endpoint]


async def test_a_hundred_drains_at_once_claim_each_job_once(queue, database, workspace):
    await queue.put(*map(Count, range(300)))
    claimed: list[Lease] = []

    async def drain(gate):
        for _ in range(10):
            async with gate, database.pump_transaction() as db:
                claimed.extend(await jobs.claim(db, want([workspace], limit=3)))

    gate = asyncio.Semaphore(8)
    await asyncio.gather(*(drain(gate) for _ in range(100)))
    claimed.extend(await queue.claim(limit=500, takes={workspace: 500}))
    assert sorted(lease.payload["number"] for lease in claimed) == list(range(300))
    assert {lease.attempt for lease in claimed} == {1}


async def test_a_workspace_sees_only_its_own_jobs(queue, database, other_workspace):
    await queue.put(Count(1))
    async with database.transaction(other_workspace) as db:
        assert list(await db.scalars(text("select id from jobs"))) == []
        assert await jobs.depths(db) == []


def test_a_payload_of_a_later_release_is_still_read():
    job = Deliver(new_id(), new_id())
    assert Deliver.from_payload({**job.payload(), "colour": "red"}) == job
