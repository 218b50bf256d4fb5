"""Marks of users and organizations are kept as those of accounts are: crashes, poison, the clock, many at once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.db.base import DatabaseUnavailable
from app.domain.fields import Subject
from app.services import evaluation as of_accounts
from app.services import lifecycle, reprocessing
from app.services import records as service
from app.workers import evaluation, records

LEFT = {"field": "traits.left", "op": "isTrue"}


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
            return [tuple(row) for row in found.all()] if found.returns_rows else []

    return run


@pytest.fixture
def turn(runtime, workspace):
    """What a worker does until nothing is due; how many users and organizations it evaluated."""

    async def run():
        total, done = 0, 1
        while done:
            done = await records.drain(runtime, only_workspace=workspace)
            total += done
            done += await evaluation.drain(runtime, only_workspace=workspace)
        return total

    return run


@pytest.fixture
async def watched(client, drain):
    """A workspace whose rules ask about users."""
    answer = await client.put("/api/v1/lifecycle/users", json={"churned": LEFT})
    assert answer.status_code == 200, answer.text
    await drain()


def user(name, **traits):
    return {"type": "user", "userId": name, "traits": traits}


async def statuses(query):
    found = await query("select u.external_id, f.status from user_facts f join users u on u.id = f.user_id")
    return dict(found)


async def pending(query):
    return (await query("select count(*) from dirty_records"))[0][0]


async def test_nobody_is_marked_while_no_rule_asks_about_users(send, query, turn):
    await send(user("u1", left=True))

    assert await pending(query) == 0
    assert await turn() == 0


async def test_a_crash_before_the_commit_leaves_the_marks(watched, send, turn, query, runtime, workspace, monkeypatch):
    await send(user("u1", left=True), user("u2"))
    before = await pending(query)

    async def dies(*_args, **_kwargs):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(records, "evaluate", dies)
        with pytest.raises(asyncio.CancelledError):
            await records.drain(runtime, only_workspace=workspace)
    after = await pending(query)

    assert before == after == 2
    assert await turn() == 2
    assert await statuses(query) == {"u1": "deactivated", "u2": "active"}


async def test_a_poisonous_record_is_set_aside_and_holds_up_no_other(client, watched, send, turn, query, monkeypatch):
    await send(*(user(f"u{n}", left=n % 2 == 0) for n in range(40)))
    ((poison,),) = await query("select id from users where external_id = 'u6'")
    whole = lifecycle.settle

    async def settle(db, workspace_id, subject, record_ids, trait_map, *, now):
        if poison in record_ids:
            raise ZeroDivisionError("no such luck")
        return await whole(db, workspace_id, subject, record_ids, trait_map, now=now)

    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "settle", settle)
        await turn()
    found = await statuses(query)
    aside = await query("select record_id, attempts, last_error from dirty_records")
    shown = (await client.get("/api/v1/evaluation")).json()["records"]
    await send(user("u6", left=True), user("u7", left=True))
    again = await turn()
    waiting = await statuses(query)
    await query("update dirty_records set due_at = now()")
    await turn()

    assert len(found) == 39
    assert aside == [(poison, 1, "ZeroDivisionError")]
    assert (shown["pending"], shown["failing"][0]["id"]) == (1, f"usr_{poison.hex}")
    assert (again, "u6" in waiting, waiting["u7"]) == (1, False, "deactivated"), "newer marks of it wait with it"
    assert (await statuses(query))["u6"] == "deactivated"
    assert await pending(query) == 0


async def test_while_the_database_is_away_nobody_is_blamed(watched, send, query, runtime, workspace, monkeypatch):
    await send(user("u1"))

    async def away(*_args, **_kwargs):
        raise DatabaseUnavailable("The database did not answer in time.")

    with monkeypatch.context() as patch:
        patch.setattr(records, "evaluate", away)
        with pytest.raises(DatabaseUnavailable):
            await records.drain(runtime, only_workspace=workspace)

    assert await query("select attempts, last_error from dirty_records") == [(0, None)]


async def test_a_workspace_in_trouble_does_not_keep_others_waiting(
    watched, send, query, runtime, workspace, other_workspace, monkeypatch
):
    await send(user("u1"))
    turn = records.Records.turn

    async def found(_db, *, now):
        return [other_workspace, workspace]

    async def breaks(queue):
        if queue.workspace_id == other_workspace:
            raise ZeroDivisionError
        return await turn(queue)

    monkeypatch.setattr(records.marks, "workspaces_with_work", found)
    monkeypatch.setattr(records.Records, "turn", breaks)
    with pytest.raises(ZeroDivisionError):
        await records.drain(runtime)

    assert await pending(query) == 0


@pytest.mark.parametrize("table", ["user_facts", "organization_facts"])
async def test_what_the_clock_changes_is_evaluated_when_its_instant_comes(watched, send, turn, query, clock, table):
    await send(user("u1"), {"type": "account", "accountId": "acme", "organizationId": "group", "traits": {}})
    await turn()
    soon = datetime.now(UTC) + timedelta(hours=1)
    await query(f"update {table} set next_check_at = :soon", soon=soon)

    early = await turn()
    clock.at = soon + timedelta(seconds=1)
    late = await turn()

    assert (early, late) == (0, 1)
    assert await query(f"select next_check_at from {table}") == [(None,)]


async def test_many_evaluators_of_the_same_records_agree(watched, send, query, database, workspace, runtime):
    await send(*(user(f"u{n}", left=True) for n in range(30)))
    ids = [row[0] for row in await query("select id from users")]

    async def evaluate(order):
        async with database.transaction(workspace) as db:
            await service.evaluate(db, workspace, Subject.USERS, order, now=datetime.now(UTC))

    await asyncio.gather(
        *(evaluate(order) for order in (ids, ids[::-1], ids[10:])),
        *(records.drain(runtime, only_workspace=workspace) for _ in range(3)),
    )

    assert set((await statuses(query)).values()) == {"deactivated"}
    assert await query("select count(*) from status_changes") == [(30,)], "each moved once"


async def test_an_account_evaluated_while_its_organization_moves_follows_it(
    client, send, query, turn, database, workspace
):
    """The account's evaluation reads the organization as it was, and commits after it has moved."""
    await send({"type": "account", "accountId": "acme", "organizationId": "group", "traits": {}})
    await turn()
    ((account,),) = await query("select id from accounts")
    now = datetime.now(UTC)
    async with database.transaction(workspace) as db:
        await of_accounts.evaluate(db, workspace, [account], now=now)
        answer = await client.put("/api/v1/organizations/group/status", json={"status": "churned"})
        assert answer.status_code == 200, answer.text
    await turn()

    assert await query("select status, status_source from account_facts") == [("churned", "organization")]


async def test_a_message_under_way_while_users_begin_to_be_watched_is_not_missed(
    client, send, query, turn, drain, monkeypatch
):
    """Whoever turns watching on waits for those who have read that it was off."""
    await send(user("u1"))
    put = client.put("/api/v1/lifecycle/users", json={"churned": LEFT, "reprocess": True})
    await asyncio.gather(put, *(send(user(f"u{n}", left=True)) for n in range(1, 6)))
    await drain()

    assert await statuses(query) == {f"u{n}": "deactivated" for n in range(1, 6)}


async def test_evaluating_again_changes_nothing(watched, send, turn, query, database, workspace):
    await send(user("u1", left=True), {"type": "account", "accountId": "a", "organizationId": "g", "traits": {}})
    await turn()
    facts = "select * from user_facts", "select * from organization_facts", "select * from status_changes"
    before = [await query(one) for one in facts]
    (user_id, at), *_ = await query("select user_id, evaluated_at from user_facts")
    ((organization_id, then),) = await query("select organization_id, evaluated_at from organization_facts")

    async with database.transaction(workspace) as db:
        for subject, id_, now in (
            (Subject.USERS, user_id, at),
            (Subject.ORGANIZATIONS, organization_id, then),
        ):
            assert await service.evaluate(db, workspace, subject, [id_, id_], now=now) == 1

    assert [await query(one) for one in facts] == before
    assert await pending(query) == 0


async def test_users_and_organizations_are_reprocessed_in_slices_with_progress(
    client, watched, send, drain, query, monkeypatch
):
    monkeypatch.setattr(reprocessing, "SLICE", 3)
    await send(
        *(user(f"u{n}", gone=True) for n in range(7)),
        *({"type": "organization", "organizationId": f"g{n}", "traits": {"gone": True}} for n in range(4)),
    )
    await drain()
    gone = {"field": "traits.gone", "op": "isTrue"}
    for subject, total in (("users", 7), ("organizations", 4)):
        body = {"churned": gone, "reprocess": True}
        started = (await client.put(f"/api/v1/lifecycle/{subject}", json=body)).json()["reprocessing"]
        await drain()
        done = (await client.get(f"/api/v1/reprocessings/{started['id']}")).json()
        assert (done["state"], done["subject"], done["total"], done["done"]) == ("done", subject, total, total)

    assert set((await statuses(query)).values()) == {"deactivated"}
    assert await query("select distinct status from organization_facts") == [("churned",)]


async def test_a_slice_of_a_reprocessing_that_fails_is_left_to_the_marks(
    client, watched, send, drain, query, monkeypatch
):
    await send(user("u1"), user("u2"))
    await drain()
    ((poison,),) = await query("select id from users where external_id = 'u1'")
    whole = lifecycle.settle

    async def settle(db, workspace_id, subject, record_ids, trait_map, *, now):
        if poison in record_ids:
            raise ZeroDivisionError
        return await whole(db, workspace_id, subject, record_ids, trait_map, now=now)

    monkeypatch.setattr(lifecycle, "settle", settle)
    body = {"churned": {"field": "externalId", "op": "isSet"}, "reprocess": True}
    await client.put("/api/v1/lifecycle/users", json=body)
    await drain()

    assert await statuses(query) == {"u1": "active", "u2": "deactivated"}
    assert await query("select record_id, attempts from dirty_records") == [(poison, 1)]
