"""Nobody waits for a neighbour's backlog, and several workers on one workspace share it and agree."""

import asyncio
from collections import Counter

import pytest
from sqlalchemy import text

from app.domain.fields import Subject
from app.services import reprocessing
from app.workers import evaluation, owners, records
from app.workers.pump import pump_once
from app.workers.slices import SLICES_A_TURN
from tests.conftest import open_workspace

SLICE = 3


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(evaluation.Accounts, "slice_size", SLICE)
    monkeypatch.setattr(records.Records, "slice_size", SLICE)
    monkeypatch.setattr(reprocessing, "SLICE", SLICE)


@pytest.fixture
def told(database):
    """Tells a workspace of accounts that are marked, by name."""

    async def tell(workspace_id, names):
        async with database.transaction(workspace_id) as db:
            await db.execute(
                text(
                    "with made as (insert into accounts (workspace_id, id, external_id, name, traits) "
                    "select :w, gen_random_uuid(), n, n, '{}' from unnest(cast(:names as text[])) n returning id) "
                    "insert into dirty_accounts (workspace_id, account_id) select :w, id from made"
                ),
                {"w": workspace_id, "names": names},
            )

    return tell


@pytest.fixture
def seen(monkeypatch):
    """Every slice of accounts that was evaluated, in order: (workspace, accounts)."""
    slices, evaluate = [], evaluation.evaluate

    async def listening(db, workspace_id, accounts, *, now):
        slices.append((workspace_id, accounts))
        return await evaluate(db, workspace_id, accounts, now=now)

    monkeypatch.setattr(evaluation, "evaluate", listening)
    monkeypatch.setattr(owners, "evaluate", listening)
    return slices


async def marks(database, workspace_id):
    async with database.transaction(workspace_id) as db:
        return await db.scalar(text("select count(*) from dirty_accounts"))


async def test_a_small_workspace_waits_for_few_slices_of_a_large_backlog(
    told, seen, small_slices, runtime, database, monkeypatch
):
    large, small = await open_workspace(database), await open_workspace(database)
    await told(large, [f"account-{n}" for n in range(SLICE * SLICES_A_TURN * 3)])
    await told(small, ["one"])
    backlog = await marks(database, large)

    async def those_two(_db, *, now):
        return [large, small]

    monkeypatch.setattr(evaluation.marks, "workspaces_with_work", those_two)
    await evaluation.drain(runtime)

    whose = [workspace_id for workspace_id, accounts in seen if accounts]
    assert whose.index(small) <= SLICES_A_TURN, "the neighbour had one turn, not all it wanted"
    assert await marks(database, large) == backlog - SLICE * SLICES_A_TURN
    assert await marks(database, small) == 0


async def test_a_definition_that_concerns_everybody_does_not_delay_a_neighbour(
    told, seen, small_slices, runtime, database, monkeypatch
):
    """A reprocessing is one job per slice, behind which others have their turn."""
    large, small = await open_workspace(database), await open_workspace(database)
    await told(large, [f"account-{n}" for n in range(SLICE * 12)])
    while await evaluation.drain(runtime, only_workspace=large):
        pass
    async with database.transaction(large) as db:
        await reprocessing.start(db, large, "test", now=runtime.now())
    seen.clear()

    going = asyncio.create_task(pump_once(runtime, only_workspace=large))
    while len(seen) < 2:  # it has begun
        await asyncio.sleep(0.001)
    await told(small, ["one"])
    before = len(seen)
    assert await evaluation.drain(runtime, only_workspace=small) == 1
    between = [workspace_id for workspace_id, _ in seen[before:]]
    await going

    assert between.count(large) <= 6, "the small one did not wait for all slices of the large one"
    assert len([one for one, _ in seen if one == large]) >= 12


async def test_workers_of_one_workspace_share_it_and_do_each_account_once(
    told, seen, small_slices, runtime, database, workspace
):
    await told(workspace, [f"account-{n}" for n in range(SLICE * SLICES_A_TURN * 2)])
    before = await marks(database, workspace)

    async def worker():
        done, turns = 0, 0
        while taken := await evaluation.drain(runtime, only_workspace=workspace):
            done, turns = done + taken, turns + 1
        return done

    shares = await asyncio.gather(worker(), worker())

    times = Counter(account for _, accounts in seen for account in accounts)
    assert sum(shares) == before == len(times)
    assert set(times.values()) == {1}, "one evaluation per mark"
    assert min(shares) > 0, "both had work"
    assert await marks(database, workspace) == 0


async def test_workers_of_one_workspace_end_where_one_worker_ends(small_slices, runtime, make_client, database):
    """The same story, told to two workspaces; one has a single worker, the other has three at once."""
    states = []
    for workers in (1, 3):
        workspace_id = await open_workspace(database)
        client = await make_client(workspace_id)
        await client.put("/api/v1/trait-map", json={"owner": "ownerId"})
        quiet = {"field": "traits.seats", "op": "atLeast", "value": 3, "type": "number"}
        for path, body in (
            ("segments", {"subject": "accounts", "name": "Large", "filter": quiet}),
            ("indicators", {"name": "Large", "kind": "risk", "filter": quiet}),
        ):
            assert (await client.post(f"/api/v1/{path}", json=body)).status_code == 201
        for turn in range(4):
            messages = [
                message
                for n in range(20)
                for message in (
                    {"type": "user", "userId": f"user-{n % 5}", "accountId": f"account-{n}"},
                    {
                        "type": "account",
                        "accountId": f"account-{n}",
                        "organizationId": f"group-{n % 3}",
                        "traits": {"seats": (n + turn) % 6, "mrr": n * turn, "ownerId": f"user-{(n + turn) % 5}"},
                        "timestamp": f"2026-03-0{turn + 1}T00:00:00Z",
                    },
                )
            ]
            assert (await client.post("/api/v1/batch", json={"messages": messages})).status_code == 202
            turns = (pump_once(runtime, only_workspace=workspace_id) for _ in range(workers))
            await asyncio.gather(*turns)
        while sum(await asyncio.gather(*(pump_once(runtime, only_workspace=workspace_id) for _ in range(workers)))):
            pass
        async with database.transaction(workspace_id) as db:
            found = await db.execute(
                text(
                    "select a.external_id, f.owner_external_id, f.mrr, f.users, f.status, cardinality(f.segments), "
                    "(select count(*) from alerts x where x.account_id = a.id and x.resolved_at is null), "
                    "(select sum(g.mrr) from organization_facts g where g.organization_id = f.organization_id) "
                    "from accounts a join account_facts f on f.account_id = a.id order by 1"
                )
            )
            states.append([tuple(row) for row in found])

    assert len(states[0]) == 20
    assert states[0] == states[1]


@pytest.mark.parametrize("subject", [Subject.USERS, Subject.ORGANIZATIONS])
async def test_workers_share_users_and_organizations_too(
    client, runtime, workspace, database, small_slices, monkeypatch, subject
):
    kind, name = {Subject.USERS: ("user", "userId"), Subject.ORGANIZATIONS: ("organization", "organizationId")}[subject]
    messages = [{"type": kind, name: f"one-{n}", "traits": {}} for n in range(SLICE * SLICES_A_TURN)]
    assert (await client.post("/api/v1/batch", json={"messages": messages})).status_code == 202
    while await pump_once(runtime, only_workspace=workspace):
        pass
    async with database.transaction(workspace) as db:
        await db.execute(
            text(
                "insert into dirty_records (workspace_id, subject, record_id) "
                f"select workspace_id, '{subject}', id from {subject}"
            )
        )
    times, evaluate = Counter(), records.evaluate

    async def listening(db, workspace_id, of, record_ids, *, now):
        times.update(record_ids)
        return await evaluate(db, workspace_id, of, record_ids, now=now)

    monkeypatch.setattr(records, "evaluate", listening)
    shares = await asyncio.gather(
        *(records.drain(runtime, only_workspace=workspace) for _ in range(2)),
    )

    assert sum(shares) == len(messages) == len(times)
    assert set(times.values()) == {1}
