"""Dirty marks are kept whatever happens: crashes, poison, crowds of evaluators, and the clock."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.db.base import DatabaseUnavailable
from app.domain.memory import Memory
from app.domain.messages import Envelope, EventMessage
from app.services import evaluation as service
from app.services import ingest, ownership
from app.workers import evaluation


@pytest.fixture
def send(client):
    async def post(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text

    return post


@pytest.fixture
def query(database, workspace):
    async def run(sql, **values):
        async with database.transaction(workspace) as db:
            found = await db.execute(text(sql), values)
            return found.all() if found.returns_rows else []

    return run


@pytest.fixture
def turn(runtime, workspace):
    async def run():
        total = 0
        while done := await evaluation.drain(runtime, only_workspace=workspace):
            total += done
        return total

    return run


def joins(user, account="acme"):
    return {"type": "user", "userId": user, "accountId": account}


def says(value, account="acme", at=None):
    message = {"type": "account", "accountId": account, "traits": {"ownerId": value}}
    return message | ({"timestamp": at.isoformat()} if at else {})


@pytest.fixture
async def mapped(client, drain):
    await client.put("/api/v1/trait-map", json={"owner": "ownerId"})
    await drain()


async def pending(query):
    return (await query("select count(*) from dirty_accounts"))[0][0]


async def owners(query):
    found = await query(
        "select a.external_id, f.owner_external_id from account_facts f join accounts a on a.id = f.account_id"
    )
    return dict(tuple(row) for row in found)


async def test_an_evaluator_that_dies_before_the_commit_leaves_the_marks(
    mapped, send, turn, query, runtime, workspace, monkeypatch
):
    await send(joins("user-1"), says("user-1"))
    before = await pending(query)

    async def dies(*_args, **_kwargs):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluate", dies)
        with pytest.raises(asyncio.CancelledError):
            await evaluation.drain(runtime, only_workspace=workspace)
    after = await pending(query)
    await turn()

    assert before == after > 0
    assert await pending(query) == 0
    assert await owners(query) == {"acme": "user-1"}


async def test_while_the_database_is_away_nobody_is_blamed(mapped, send, query, runtime, workspace, monkeypatch):
    await send(joins("user-1"))

    async def away(*_args, **_kwargs):
        raise DatabaseUnavailable("The database did not answer in time.")

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluate", away)
        with pytest.raises(DatabaseUnavailable):
            await evaluation.drain(runtime, only_workspace=workspace)

    assert [tuple(row) for row in await query("select attempts, last_error from dirty_accounts")] == [(0, None)]


@pytest.mark.parametrize("first", ["evaluation", "message"])
async def test_what_a_user_does_while_becoming_the_owner_is_not_missed(
    mapped, send, turn, query, database, workspace, first
):
    await send(joins("user-1"), says("user-1"))
    accounts = [row[0] for row in await query("select id from accounts")]
    seen = asyncio.Event()

    async def evaluate():
        async with database.transaction(workspace) as db:
            await service.evaluate(db, workspace, accounts, now=datetime.now(UTC))
            seen.set()
            await asyncio.sleep(0.3)  # the user is the owner, and nobody else can know it yet

    if first == "evaluation":
        evaluating = asyncio.create_task(evaluate())
        await seen.wait()
        await send({"type": "event", "userId": "user-1", "event": "Signed In"})
        assert evaluating.done(), "the message waited for the decision"
    else:
        async with database.transaction(workspace) as db:
            event = EventMessage(datetime.now(UTC), "Signed In", None, "user-1", b"{}")
            await ingest.record(db, workspace, [Envelope((event,), None, 0)], Memory(), now=datetime.now(UTC))
            evaluating = asyncio.create_task(evaluate())
            await asyncio.sleep(0.3)
            assert not seen.is_set(), "the decision waits for the message"
    await evaluating
    await turn()

    assert await query("select owner_external_id, owner_sessions from account_facts") == [("user-1", 1)]


async def test_a_workspace_in_trouble_does_not_keep_others_waiting(
    mapped, send, query, runtime, workspace, other_workspace, monkeypatch
):
    await send(joins("user-1"))
    turn, took = evaluation._turn, []

    async def found(_db, *, now):
        return [other_workspace, workspace]

    async def breaks(rt, workspace_id):
        took.append(workspace_id)
        if workspace_id == other_workspace:
            raise ZeroDivisionError
        return await turn(rt, workspace_id)

    monkeypatch.setattr(evaluation.marks, "workspaces_with_work", found)
    monkeypatch.setattr(evaluation, "_turn", breaks)
    with pytest.raises(ZeroDivisionError):
        await evaluation.drain(runtime)

    assert took == [other_workspace, workspace]
    assert await pending(query) == 0


async def test_a_poisonous_account_is_set_aside_and_shown(mapped, send, turn, query, client, monkeypatch):
    names = [f"account-{n}" for n in range(40)]
    await send(*(joins("user-1", name) for name in names), *(says("user-1", name) for name in names))
    (poison,) = (await query("select id from accounts where external_id = 'account-7'"))[0]
    whole = ownership.reassign

    async def reassign(db, workspace_id, accounts, rules, *, now):
        if poison in accounts:
            raise ZeroDivisionError("no such luck")
        return await whole(db, workspace_id, accounts, rules, now=now)

    with monkeypatch.context() as patch:
        patch.setattr(ownership, "reassign", reassign)
        await turn()
        state = (await client.get("/api/v1/evaluation")).json()
        await send(says("user-1", "account-7"), says("user-1", "account-8"))
        again = await turn()

    assert {name for name, owner in (await owners(query)).items() if owner is None} == {"account-7"}
    assert (state["pending"], len(state["failing"])) == (1, 1)
    failing = state["failing"][0]
    assert (failing["externalId"], failing["attempts"]) == ("account-7", 1)
    assert failing["lastError"] == "ZeroDivisionError"  # its words may quote customer data
    assert again == 1, "a mark that comes while the account is set aside waits with it"

    await query("update dirty_accounts set due_at = now()")
    await turn()
    assert (await owners(query))["account-7"] == "user-1"
    assert (await client.get("/api/v1/evaluation")).json() == {
        "pending": 0,
        "oldestSeconds": 0,
        "failing": [],
        "records": {"pending": 0, "oldestSeconds": 0, "failing": []},
    }


async def test_each_failure_makes_the_wait_longer(mapped, send, turn, query, monkeypatch):
    await send(joins("user-1"))

    async def fails(*_args, **_kwargs):
        raise ValueError("always")

    monkeypatch.setattr(ownership, "reassign", fails)
    waits = []
    for _ in range(3):
        await query("update dirty_accounts set due_at = now()")
        await turn()
        found = await query("select attempts, extract(epoch from due_at - now()) from dirty_accounts")
        assert len(found) == 1
        waits.append((found[0][0], round(found[0][1] / 2)))

    assert waits == [(1, 1), (2, 4), (3, 16)]


async def test_what_the_clock_changes_is_evaluated_when_its_instant_comes(mapped, send, turn, query, clock):
    await send(joins("user-1"))
    await turn()
    soon = datetime.now(UTC) + timedelta(hours=1)
    await query("update account_facts set next_check_at = :soon, users = 99", soon=soon)

    early = await turn()
    clock.at = soon + timedelta(seconds=1)
    late = await turn()

    assert (early, late) == (0, 1)
    assert [tuple(row) for row in await query("select users, next_check_at from account_facts")] == [(1, None)]


async def test_crowds_of_evaluators_and_senders_never_leave_a_stale_owner(
    mapped, send, query, runtime, workspace, turn
):
    start = datetime.now(UTC) - timedelta(hours=1)
    names = [f"account-{n}" for n in range(8)]
    await send(*(joins(user, name) for name in names for user in ("user-1", "user-2")))

    async def sender(offset):
        for step in range(6):
            n = step * 3 + offset
            await send(*(says(f"user-{n % 2 + 1}", name, start + timedelta(seconds=n)) for name in names))

    async def evaluator():
        for _ in range(15):
            await evaluation.drain(runtime, only_workspace=workspace)
            await asyncio.sleep(0.005)

    await asyncio.gather(*(sender(offset) for offset in range(3)), *(evaluator() for _ in range(3)))
    await turn()

    assert await owners(query) == dict.fromkeys(names, "user-2")
    assert await pending(query) == 0
    wrong = await query(
        "select count(*) from owner_changes c join owner_changes d on d.account_id = c.account_id and d.id > c.id "
        "where c.to_user_id = d.to_user_id and not exists (select from owner_changes e "
        "where e.account_id = c.account_id and e.id > c.id and e.id < d.id)"
    )
    assert wrong[0][0] == 0, "history never says the same owner twice in a row"


async def test_two_evaluators_of_one_account_wait_for_each_other(mapped, send, query, database, workspace, turn):
    await send(joins("user-1"), joins("user-2"), says("user-1"))
    (account,) = (await query("select id from accounts"))[0]
    now = datetime.now(UTC)
    first_is_done, second_started = asyncio.Event(), asyncio.Event()

    async def first():
        async with database.transaction(workspace) as db:
            await service.evaluate(db, workspace, [account], now=now)
            second_started.set()
            await send(says("user-2", at=now + timedelta(seconds=1)))
            await asyncio.sleep(0.1)
        first_is_done.set()

    async def second():
        await second_started.wait()
        async with database.transaction(workspace) as db:
            await service.evaluate(db, workspace, [account], now=now)
            assert first_is_done.is_set()

    await asyncio.gather(first(), second())

    assert await owners(query) == {"acme": "user-2"}


async def test_repetitions_of_a_trait_do_not_pile_up(mapped, send, turn, query):
    start = datetime.now(UTC) - timedelta(hours=1)
    await send(joins("user-1"))
    await send(*(says("user-1", at=start + timedelta(seconds=n)) for n in range(100)))
    await turn()

    kept = await query("select stamp from owner_claims order by stamp")

    assert len(kept) == 17
    assert int(kept[0][0]) >> 32 == int(start.timestamp() * 1_000_000)


async def test_evaluating_again_changes_nothing(mapped, send, turn, query, database, workspace):
    await send(joins("user-1"), says("user-1"))
    await turn()
    (account,) = (await query("select id from accounts"))[0]
    facts = "select * from account_facts"
    before = (await query(facts))[0]

    async with database.transaction(workspace) as db:
        found = await service.evaluate(db, workspace, [account, account], now=before.evaluated_at)

    assert (found.accounts, found.owners_changed) == (1, 0)
    assert (await query(facts))[0] == before
    assert (await query("select count(*) from owner_changes"))[0][0] == 1


async def test_an_account_that_is_gone_is_passed_over(mapped, send, turn, query):
    await send(joins("user-1"))
    await query("delete from accounts")

    assert await turn() == 1
    assert await pending(query) == 0
