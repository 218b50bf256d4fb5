"""Deletions while messages arrive, from several processes; and deletions of what is very large."""

import asyncio
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.api.group_commit import GroupCommit
from app.db import workspaces
from app.db.base import may_run_again
from app.domain import parcels, suppression
from app.domain.memory import Memory
from app.domain.messages import AccountMessage, Envelope, EventMessage, UserMessage
from app.services import erasures
from tests.conftest import MASTER

KEY = suppression.key(MASTER)
LEFT = {
    "users": "select count(*) from users where external_id = 'ada'",
    "memberships": "select count(*) from memberships m where not exists (select from users u where u.id = m.user_id)",
    "days": "select count(*) from user_days d where not exists (select from users u where u.id = d.user_id)",
    "events": """select count(*) from events e where user_id is not null
        and not exists (select from users u where u.id = e.user_id)""",
    "facts": "select count(*) from account_facts where owner_external_id = 'ada' or owner_pending = 'ada'",
    "claims": "select count(*) from owner_claims where value = 'ada'",
    "traits": "select count(*) from accounts where traits ->> 'ownerId' = 'ada'",
}


@pytest.fixture
def processes(database, now):
    """Two processes that take messages in, each with a memory of its own."""
    return [GroupCommit(database, Memory(KEY), now=lambda: now, wake=lambda: None) for _ in range(2)]


@pytest.fixture
def delete(database, workspace, now):
    """Delete somebody, as the route does."""

    async def run(kind, ref):
        while True:
            try:
                async with database.transaction(workspace) as db:
                    return await erasures.start(db, workspace, kind, ref, key=KEY, now=now)
            except Exception as error:
                if not may_run_again(error):
                    raise

    return run


@pytest.fixture
def sql(database, workspace):
    async def run(statement, **values):
        async with database.transaction(workspace) as db:
            await db.execute(text("discard plans"))  # see `db.erasures.take_time`
            await db.execute(text("select set_config('enable_seqscan', 'off', true)"))
            return await db.execute(text(statement), {"w": workspace, **values})

    return run


@pytest.fixture
def left(database, workspace):
    """What is left of the deleted, by kind of trace."""

    async def run():
        async with database.transaction(workspace) as db:
            found = {name: await db.scalar(text(query)) for name, query in LEFT.items()}
        return {name: count for name, count in found.items() if count}

    return run


def envelope(*messages):
    return Envelope(messages, uuid4().hex, hash(repr(messages)) % 2**60)


async def test_nothing_comes_back_while_messages_pour_in(processes, workspace, delete, drain, left, sql, now):
    await sql("insert into trait_mappings (workspace_id, field, trait_keys) values (:w, 'owner', '{ownerId}')")
    stop, verdicts = asyncio.Event(), []

    async def pour(process, number):
        n = 0
        while not stop.is_set():
            n += 1
            account = f"acme-{(n + number) % 5}"
            batch = [
                envelope(EventMessage(now, "Login", account, "ada", b"{}")),
                envelope(EventMessage(now, "Login", account, f"user-{n % 7}", b"{}")),
                envelope(UserMessage(now, "ada", (account,), {"email": "ada@acme.test"})),
                envelope(EventMessage(now, "Usual", None, "ada", b"{}", usual_account=True)),
            ]
            owned = AccountMessage(now, account, {"ownerId": "ada", "n": n})
            verdicts.append([v.status for v in await process.record(workspace, [*batch, envelope(owned)])])

    pouring = [asyncio.create_task(pour(process, number)) for number in range(2) for process in processes]
    pumping = asyncio.create_task(_evaluate(drain, stop))
    await asyncio.sleep(0.6)
    answer = await delete("user", "ada")
    at_commit = len(verdicts)
    await asyncio.sleep(0.8)
    stop.set()
    await asyncio.gather(*pouring, pumping)
    await drain()

    assert verdicts[0] == ["accepted"] * 5
    assert all(one == ["suppressed", "accepted", "suppressed", "suppressed", "accepted"] for one in verdicts[-20:])
    assert len(verdicts) > at_commit + 10
    assert await left() == {}
    async with processes[0]._database.transaction(workspace) as db:
        row = await erasures.show(db, workspace, answer["id"])
    assert row["state"] == "done"
    assert row["counts"]["events"] > 0


async def _evaluate(drain, stop):
    while not stop.is_set():
        await drain()
        await asyncio.sleep(0.02)


async def test_an_account_does_not_come_back_either(processes, workspace, delete, drain, sql, now):
    stop = asyncio.Event()

    async def pour(process):
        n = 0
        while not stop.is_set():
            n += 1
            await process.record(workspace, [envelope(EventMessage(now, "Login", "acme", f"user-{n % 7}", b"{}"))])

    pouring = [asyncio.create_task(pour(process)) for process in processes]
    pumping = asyncio.create_task(_evaluate(drain, stop))
    async with asyncio.timeout(30):
        while (await sql("select count(*) from users")).scalar() < 7:
            await asyncio.sleep(0.02)
    await delete("account", "acme")
    await asyncio.sleep(0.4)
    stop.set()
    await asyncio.gather(*pouring, pumping)
    await drain()

    for table in ("accounts", "account_facts", "account_activity", "memberships", "events", "dirty_accounts"):
        assert (await sql(f"select count(*) from {table}")).scalar() == 0, table
    assert (await sql("select count(*) from users")).scalar() == 7


async def test_what_a_process_remembers_is_forgotten_with_the_deletion(processes, workspace, delete, database, now):
    """Both know user and account by heart; after the release they must not write to what is gone."""
    for process in processes:
        await process.record(workspace, [envelope(EventMessage(now, "Login", "acme", "ada", b"{}"))])
    await delete("user", "ada")
    async with database.transaction(workspace) as db:
        while await erasures.step(
            db, workspace, (await erasures.page(db, workspace, before=None, limit=1))[0]["id"], now=now
        ):
            pass
        await erasures.release(db, workspace, "user", "ada", key=KEY)
    for process in processes:
        (verdict,) = await process.record(workspace, [envelope(EventMessage(now, "Login", "acme", "ada", b"{}"))])
        assert verdict.status == "accepted"
    async with database.transaction(workspace) as db:
        linked = await db.scalar(
            text("select count(*) from memberships m join users u on u.id = m.user_id where u.external_id = 'ada'")
        )
        stray = await db.scalar(text(LEFT["events"]))
        days = await db.scalar(text("select count(*) from user_days"))
    assert (linked, stray, days) == (1, 0, 1)


async def test_a_user_in_ten_thousand_accounts_goes_quickly(workspace, delete, drain, sql, left):
    await sql(
        """
        with u as (
            insert into users (workspace_id, id, external_id) values (:w, gen_random_uuid(), 'ada') returning id
        ),
        a as (
            insert into accounts (workspace_id, id, external_id, traits)
            select :w, gen_random_uuid(), 'acme-' || n, '{"ownerId": "ada"}' from generate_series(1, 10000) n
            returning id
        ),
        f as (
            insert into account_facts (workspace_id, account_id, owner_id, owner_external_id, owner_state)
            select :w, a.id, u.id, 'ada', 'resolved' from a, u
        ),
        c as (
            insert into owner_claims (workspace_id, account_id, trait_key, stamp, value)
            select :w, a.id, 'ownerId', 1, 'ada' from a
        )
        insert into memberships (workspace_id, account_id, user_id, linked, changed_at)
        select :w, a.id, u.id, true, now() from a, u
        """
    )
    await sql("insert into trait_mappings (workspace_id, field, trait_keys) values (:w, 'owner', '{ownerId}')")
    began = time.monotonic()
    row = await delete("user", "ada")
    assert time.monotonic() - began < 15
    assert row["counts"]["memberships"] == row["counts"]["account_facts"] == row["counts"]["accounts"] == 10_000
    assert await left() == {}


async def test_an_account_of_fifty_thousand_users_goes_quickly(workspace, delete, drain, sql):
    await sql("insert into accounts (workspace_id, id, external_id) values (:w, gen_random_uuid(), 'acme')")
    for start in range(0, 50_000, 5_000):
        users = "insert into users (workspace_id, id, external_id) select :w, gen_random_uuid(), 'user-' || n"
        await sql(f"{users} from generate_series(cast(:a as int), cast(:b as int)) n", a=start + 1, b=start + 5_000)
    for n in range(10):
        await sql(
            """
            insert into memberships (workspace_id, account_id, user_id, linked, changed_at)
            select :w, a.id, u.id, true, now() from users u, accounts a
            where a.workspace_id = :w and u.workspace_id = :w and right(u.external_id, 1) = :digit
            """,
            digit=str(n),
        )
    began = time.monotonic()
    row = await delete("account", "acme")
    assert time.monotonic() - began < 15
    assert row["counts"]["memberships"] == 50_000
    await drain()


async def test_events_are_looked_through_slice_by_slice(workspace, delete, drain, sql, monkeypatch, database):
    monkeypatch.setattr(erasures, "EVENTS_A_STEP", 7)
    await sql("insert into users (workspace_id, id, external_id) values (:w, gen_random_uuid(), 'ada')")
    await sql(
        """
        insert into events (workspace_id, occurred_at, id, user_id, name)
        select :w, timestamptz '2026-01-01' + (n / 3) * interval '1 day', gen_random_uuid(),
            case when n % 4 = 0 then u.id end, 'Login'
        from generate_series(1, 100) n, users u where u.workspace_id = :w
        """
    )
    row = await delete("user", "ada")
    await drain()
    assert (await sql("select count(*) from events")).scalar() == 75
    async with database.transaction(workspace) as db:
        assert (await erasures.show(db, workspace, row["id"]))["counts"]["events"] == 25


async def test_it_is_not_done_before_the_inbox_is(workspace, delete, drain, sql, database, now):
    await sql("insert into users (workspace_id, id, external_id) values (:w, gen_random_uuid(), 'ada')")
    await sql(
        "insert into inbox (workspace_id, received_at, due_at, messages, parcel) "
        "values (:w, now() - interval '1 hour', now() + interval '1 hour', 1, 'x')"
    )
    row = await delete("user", "ada")
    await drain()

    async def state():
        async with database.transaction(workspace) as db:
            return (await erasures.show(db, workspace, row["id"]))["state"]

    assert await state() == "running"
    await sql("delete from inbox where workspace_id = :w")
    await sql("update jobs set run_at = now() where workspace_id = :w and state = 'ready'")
    await drain()
    assert await state() == "done"


async def test_what_keeps_failing_in_the_inbox_is_looked_through(workspace, delete, sql, database, now):
    await sql("insert into users (workspace_id, id, external_id) values (:w, gen_random_uuid(), 'ada')")
    await sql("insert into trait_mappings (workspace_id, field, trait_keys) values (:w, 'owner', '{ownerId}')")
    grace = envelope(UserMessage(now, "grace", (), {}))
    failing = [
        [envelope(UserMessage(now, "ada", (), {})), grace],
        [envelope(EventMessage(now, "Login", "acme", "ada", b"{}"))],
        [envelope(AccountMessage(now, "acme", {"ownerId": "ada"}))],
    ]
    add = (
        "insert into inbox (workspace_id, received_at, due_at, messages, parcel, attempts) "
        "values (:w, now() - interval '1 hour', now() + interval '1 hour', :n, :parcel, :attempts)"
    )
    for held in failing:
        await sql(add, n=len(held), parcel=parcels.pack(held), attempts=1)
    await sql(add, n=7, parcel=b"unreadable", attempts=erasures.MOST_ATTEMPTS)
    row = await delete("user", "ada")
    async with database.transaction(workspace) as db:
        while await erasures.step(db, workspace, row["id"], now=now):
            pass
        row = await erasures.show(db, workspace, row["id"])

    assert (row["state"], row["counts"]["inbox"]) == ("done", 9)
    left = [parcels.unpack(parcel) for (parcel,) in await sql("select parcel from inbox order by id")]
    assert [[one.messages for one in held] for held in left] == [
        [grace.messages],
        [(AccountMessage(now, "acme", {"ownerId": None}),)],
    ]


async def test_the_inbox_and_the_deletion_go_by_one_clock(workspace, sql, database, now):
    await sql("insert into users (workspace_id, id, external_id) values (:w, gen_random_uuid(), 'ada')")
    async with database.transaction(workspace) as db:
        row = await erasures.start(db, workspace, "user", "ada", key=KEY, now=now - timedelta(days=400))
    assert (await sql("select clock_timestamp()")).scalar() - row["requested_at"] < timedelta(minutes=1)


async def test_the_last_stage_lets_a_deletion_of_the_workspace_pass(workspace, delete, sql, database, now):
    """The step must not hold its row while it waits for the lock that the other one has."""
    await sql("insert into users (workspace_id, id, external_id) values (:w, gen_random_uuid(), 'ada')")
    row = await delete("user", "ada")
    await sql("update erasures set stage = 3, state = 'running' where workspace_id = :w")

    async def step():
        async with database.transaction(workspace) as db:
            return await erasures.step(db, workspace, row["id"], now=now)

    async with database.transaction(workspace) as db:
        await workspaces.hold_senders(db, workspace)
        stepping = asyncio.create_task(step())
        await asyncio.sleep(0.3)
        assert not stepping.done()
        await db.execute(text("delete from erasures where workspace_id = :w"), {"w": workspace})
    assert await stepping is False
