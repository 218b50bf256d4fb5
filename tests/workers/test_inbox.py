"""What was acknowledged is applied once whatever happens: deaths at every point, poison, crowds of workers, outages."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.db import inbox as rows
from app.db import workspaces
from app.db.base import DatabaseUnavailable
from app.domain import parcels
from app.domain.messages import Envelope, EventMessage
from app.services import ingest
from app.workers import inbox as worker
from app.workers.inbox import Applier
from tests.conftest import open_workspace

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def event(number, name="Login"):
    return Envelope((EventMessage(NOW, name, f"account-{number % 7}", f"user-{number % 5}", b"{}"),), f"m-{number}", 0)


@pytest.fixture
def append(database, workspace):
    async def run(*envelopes, into=workspace):
        async with database.transaction(into) as db:
            await rows.put(db, into, parcels.pack(envelopes), len(envelopes))

    return run


@pytest.fixture
def query(database, workspace):
    async def run(sql, **values):
        async with database.transaction(workspace) as db:
            found = await db.execute(text(sql), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    return run


@pytest.fixture
def turn(runtime, workspace):
    async def run(applier=None):
        applier, total = applier or Applier(runtime), 0
        while done := await applier.drain(workspace):
            total += done
        return total

    return run


async def waiting(query):
    return (await query("select coalesce(sum(messages), 0) from inbox"))[0][0]


async def stored(query):
    return (await query("select count(*), count(distinct name) from events"))[0]


class Died(BaseException):
    """Like the end of a process: nothing in the code expects it."""


@pytest.mark.parametrize(
    ("point", "kept"), [("inbox.taken", 20), ("inbox.before_commit", 20), ("inbox.after_commit", 0)]
)
async def test_a_worker_that_dies_loses_and_doubles_nothing(append, query, turn, monkeypatch, point, kept):
    await append(*(event(number) for number in range(10)))
    await append(*(event(number) for number in range(10, 20)))

    def dies(passed):
        if passed == point:
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(worker, "fault", dies)
        with pytest.raises(Died):
            await turn()
    assert await waiting(query) == kept
    await turn()

    assert await waiting(query) == 0
    assert (await stored(query))[0] == 20
    assert await query("select sum(events) from account_activity") == [(20,)]
    assert await query("select count(*) > 0 from dirty_accounts") == [(True,)]


async def test_crowds_of_workers_apply_each_message_once(append, query, runtime, workspace):
    for start in range(0, 120, 4):
        await append(*(Envelope(e.messages, None, 0) for e in map(event, range(start, start + 4))))
    small = rows.Bounds(messages=10, size=2**20, parcels=10)

    async def work():
        applier, idle = Applier(runtime, group=small), 0
        while idle < 3:
            idle = 0 if await applier.drain(workspace) else idle + 1
            await asyncio.sleep(0.002)

    await asyncio.gather(*(work() for _ in range(4)))

    assert await waiting(query) == 0
    assert (await stored(query))[0] == 120, "they had no ids: a message applied twice would count twice"
    assert await query("select sum(events) from account_activity") == [(120,)]


async def test_a_poisonous_message_is_set_aside_and_shown_and_holds_up_no_other(
    append, query, turn, client, monkeypatch
):
    for start in range(0, 60, 10):
        await append(*(event(number, "Poison" if number == 33 else "Login") for number in range(start, start + 10)))
    whole = ingest.record

    async def record(db, workspace_id, envelopes, memory, *, now):
        if any(message.name == "Poison" for envelope in envelopes for message in envelope.messages):
            raise ZeroDivisionError("no such luck")
        return await whole(db, workspace_id, envelopes, memory, now=now)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "record", record)
        await turn()
        state = (await client.get("/api/v1/ingestion")).json()
        assert await turn() == 0, "it waits for its next attempt"

    assert await stored(query) == (59, 1)
    assert (state["pending"], state["oldestSeconds"], len(state["failing"])) == (1, 0, 1)
    failing = state["failing"][0]
    assert (failing["messages"], failing["attempts"], failing["lastError"]) == (1, 1, "ZeroDivisionError")

    await query("update inbox set due_at = now()")
    await turn()
    assert await stored(query) == (60, 2)
    assert (await client.get("/api/v1/ingestion")).json()["pending"] == 0


async def test_each_failure_makes_the_wait_longer(append, query, turn, monkeypatch):
    await append(event(1))

    async def fails(*_args, **_kwargs):
        raise ValueError("always")

    monkeypatch.setattr(ingest, "record", fails)
    waits = []
    for _ in range(3):
        await query("update inbox set due_at = now()")
        await turn()
        ((attempts, seconds),) = await query("select attempts, extract(epoch from due_at - now()) from inbox")
        waits.append((attempts, round(float(seconds) / 2)))

    assert waits == [(1, 1), (2, 4), (3, 16)]


async def test_a_parcel_of_a_later_release_waits_for_it(append, query, turn):
    await append(event(1))
    await query("update inbox set parcel = '\\x02'::bytea || substring(parcel from 2)")
    await append(event(2))

    await turn()

    assert (await stored(query))[0] == 1
    assert await query("select messages, attempts, last_error from inbox") == [(1, 1, "Unreadable")]


async def test_while_the_database_is_away_nobody_is_blamed(append, query, turn, monkeypatch):
    await append(event(1))

    async def away(*_args, **_kwargs):
        raise DatabaseUnavailable("The database did not answer in time.")

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "record", away)
        with pytest.raises(DatabaseUnavailable):
            await turn()

    assert await query("select attempts, last_error from inbox") == [(0, None)]


async def test_a_deletion_of_the_workspace_passes(append, turn, workspace, database):
    """A worker must not hold parcels while it waits for the lock that the deletion has."""
    await append(event(1))
    async with database.transaction(workspace) as db:
        await workspaces.hold_senders(db, workspace)
        turning = asyncio.create_task(turn())
        await asyncio.sleep(0.3)
        assert not turning.done()
        await db.execute(text("delete from inbox where workspace_id = :w"), {"w": workspace})
    assert await turning == 0


async def test_workspaces_take_turns(append, runtime, workspace, database):
    other = await open_workspace(database)
    for number in range(6):
        await append(event(number))
    await append(event(1), into=other)
    applier = Applier(runtime, group=rows.Bounds(messages=2, size=2**20, parcels=2))
    took, turn_of = [], applier._turn

    async def one_turn(workspace_id, only=None):
        if workspace_id in {workspace, other}:
            took.append(workspace_id)
        return await turn_of(workspace_id, only) if workspace_id in {workspace, other} else 0

    applier._turn = one_turn
    while await applier.drain():
        pass

    assert sorted(took[:2]) == sorted([workspace, other]), "the long backlog of one does not come first"
    assert took.count(workspace) == 3


async def test_the_pump_applies_what_it_is_rung_for(append, query, pumping):
    pump = pumping(tick_seconds=30)
    await asyncio.sleep(0.3)
    await append(event(1))
    pump.wake()
    for _ in range(100):
        if (await stored(query))[0]:
            break
        await asyncio.sleep(0.05)

    assert (await stored(query))[0] == 1
