"""What is derived hears of everything it is derived from, also of what goes away; and then it is quiet."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.workers import evaluation, records

VIP = {"related": "users", "op": "atLeast", "count": 1, "where": {"field": "traits.vip", "op": "isTrue"}}


@pytest.fixture
def send(client):
    async def post(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text

    return post


@pytest.fixture
def tell(send, drain):
    async def say(*messages):
        await send(*messages)
        await drain()

    return say


@pytest.fixture
def query(database, workspace):
    async def run(sql, **values):
        async with database.transaction(workspace) as db:
            found = await db.execute(text(sql), values)
            return [tuple(row) for row in found.all()] if found.returns_rows else []

    return run


@pytest.fixture
def segment(client, drain):
    async def make(subject, condition=None):
        body = {"name": f"A segment of {subject}", "subject": subject, "filter": condition}
        answer = await client.post("/api/v1/segments", json=body)
        assert answer.status_code == 201, answer.text
        await drain()
        return answer.json()["id"]

    return make


@pytest.fixture
def sums(query):
    async def run():
        found = await query(
            "select o.external_id, f.accounts, f.users, f.mrr from organizations o "
            "join organization_facts f on f.organization_id = o.id order by 1"
        )
        return {row[0]: row[1:] for row in found}

    return run


def account(name, **more):
    return {"type": "account", "accountId": name, **more}


def user(name, **more):
    return {"type": "user", "userId": name, **more}


async def members(query, subject):
    ((held,),) = await query(f"select segments from {subject}_facts")
    return len(held)


async def test_an_organization_forgets_an_account_that_is_deleted(client, tell, drain, sums):
    await tell(*(account(name, organizationId="group", traits={"mrr": mrr}) for name, mrr in (("a", 10), ("b", 5))))
    await tell(user("ada", accountId="a"))
    before = await sums()

    assert (await client.delete("/api/v1/accounts/a")).status_code == 202
    await drain()

    assert (before, await sums()) == ({"group": (2, 1, 15)}, {"group": (1, 0, 5)})


async def test_an_organization_forgets_a_user_who_is_deleted(client, tell, drain, sums):
    await tell(user("ada", organizationId="group"))
    before = await sums()

    assert (await client.delete("/api/v1/users/ada")).status_code == 202
    await drain()

    assert (before, await sums()) == ({"group": (0, 1, None)}, {"group": (0, 0, None)})


async def test_users_hear_that_their_account_was_deleted(client, tell, drain, segment, query):
    await segment("users", {"field": "accounts", "op": "atLeast", "value": 1})
    await tell(user("ada", accountId="acme"))
    before = await members(query, "user")

    assert (await client.delete("/api/v1/accounts/acme")).status_code == 202
    await drain()

    assert (before, await members(query, "user")) == (1, 0)


async def test_an_organization_hears_of_users_who_have_no_account(tell, segment, query):
    await segment("organizations", VIP)
    await tell(user("ada", organizationId="group"))
    before = await members(query, "organization")

    await tell(user("ada", traits={"vip": True}))

    assert (before, await members(query, "organization")) == (0, 1)


async def test_an_organization_without_accounts_hears_of_its_access_groups(client, tell, drain, segment, query):
    await tell({"type": "organization", "organizationId": "group", "traits": {}})
    group = (await client.post("/api/v1/access-groups", json={"name": "East"})).json()["id"]
    await segment("organizations", {"field": "accessGroups", "op": "isAnyOf", "value": [group]})

    await client.put(f"/api/v1/access-groups/{group}/organizations/group")
    await drain()
    inside = await query("select cardinality(segments) from organization_facts")
    await client.delete(f"/api/v1/access-groups/{group}")
    await drain()

    assert (inside, await query("select cardinality(segments) from organization_facts")) == ([(1,)], [(0,)])


async def test_an_organization_hears_of_what_was_decided_by_hand_about_its_users(client, tell, segment, query):
    chosen = await segment("users")
    await tell(user("ada", organizationId="group"))
    before = await query("select subject from dirty_records")

    answer = await client.put(f"/api/v1/segments/{chosen}/members/ada", json={"state": "included"})
    assert answer.status_code == 200, answer.text

    assert (before, await query("select subject from dirty_records order by 1")) == (
        [],
        [("organizations",), ("users",)],
    )


async def test_an_organization_hears_of_the_status_of_its_users(client, tell, drain, segment, query):
    gone = {"field": "status", "op": "is", "value": "deactivated"}
    await segment("organizations", {"related": "users", "op": "atLeast", "count": 1, "where": gone})
    await client.put("/api/v1/lifecycle/users", json={"churned": {"field": "traits.left", "op": "isTrue"}})
    await tell(user("ada", organizationId="group"))
    before = await members(query, "organization")

    await tell(user("ada", traits={"left": True}))

    assert (before, await members(query, "organization")) == (0, 1)


async def test_a_choice_that_confirms_a_users_status_is_heard_too(client, tell, drain, segment, query):
    by_hand = {"field": "statusSource", "op": "is", "value": "manual"}
    await segment("accounts", {"related": "users", "op": "atLeast", "count": 1, "where": by_hand})
    await tell(user("ada", accountId="acme"))
    before = await members(query, "account")

    assert (await client.put("/api/v1/users/ada/status", json={"status": "active"})).status_code == 200
    await drain()

    assert (before, await members(query, "account")) == (0, 1)


async def test_an_account_that_moves_on_before_it_is_evaluated_is_forgotten_in_between(
    tell, send, drain, sums, runtime, workspace
):
    await tell(account("acme", organizationId="a", traits={"mrr": 10}))
    await send(account("acme", organizationId="b"))
    await records.drain(runtime, only_workspace=workspace)
    between = await sums()
    await send(account("acme", organizationId="c"))
    await drain()

    assert between["b"] == (1, 0, 10)
    assert await sums() == {"a": (0, 0, None), "b": (0, 0, None), "c": (1, 0, 10)}


async def test_of_two_who_move_an_account_at_once_the_later_sees_where_it_was(tell, send, query, database, workspace):
    await tell(account("acme", organizationId="a"), account("other", organizationId="b"))
    there = "select p.stamp + 1, o.id from account_parents p, organizations o where o.external_id = 'b' limit 1"
    async with database.transaction(workspace) as db:
        await db.execute(
            text(
                f"update account_parents set (stamp, organization_id) = ({there}) "
                "where account_id = (select id from accounts where external_id = 'acme')"
            )
        )
        later = asyncio.create_task(send(account("acme", organizationId="c")))
        await asyncio.sleep(0.3)
        assert not later.done()
    await later

    assert await query(
        "select distinct o.external_id from dirty_records d join organizations o on o.id = d.record_id order by 1"
    ) == [("a",), ("b",), ("c",)]


async def test_of_two_who_give_an_account_its_first_parent_at_once_the_later_tells_the_other_parent(
    tell, send, query, database, workspace
):
    await tell(account("acme"), account("other", organizationId="a"))
    async with database.transaction(workspace) as db:
        await db.execute(
            text(
                "insert into account_parents (workspace_id, account_id, organization_id, stamp) "
                "select o.workspace_id, a.id, o.id, 1 from accounts a, organizations o where a.external_id = 'acme'"
            )
        )
        later = asyncio.create_task(send(account("acme", organizationId="c")))
        await asyncio.sleep(0.3)
        assert not later.done()
    await later

    assert await query(
        "select distinct o.external_id from dirty_records d join organizations o on o.id = d.record_id order by 1"
    ) == [("a",), ("c",)]


async def test_an_organization_that_is_only_named_again_is_left_alone(tell, send, query):
    await tell(account("acme", organizationId="a", timestamp="2026-03-02T09:00:00Z"))
    await send(account("acme", organizationId="a", timestamp="2026-03-02T10:00:00Z"))
    again = await query("select subject from dirty_records")
    await send(account("acme", organizationId="b", timestamp="2026-03-01T09:00:00Z"))
    late = await query("select o.external_id from dirty_records d join organizations o on o.id = d.record_id")
    await send(account("acme", organizationId=None, timestamp="2026-03-03T09:00:00Z"))
    left = await query("select o.external_id from dirty_records d join organizations o on o.id = d.record_id")

    assert again == []
    assert (late, sorted(left)) == ([("b",)], [("a",), ("b",)]), "what comes late moves nobody"


async def test_accounts_are_at_rest_though_their_rules_are_of_another_release(
    client, tell, query, runtime, workspace, send
):
    await tell(account("acme", organizationId="group"))
    ours = {"churned": {"field": "mrr", "op": "is", "value": 0}}
    assert (await client.put("/api/v1/lifecycle/accounts", json=ours)).status_code == 200
    theirs = """'{"churned": {"field": "mrr", "op": "ofTomorrow"}}'"""
    await query(f"update lifecycle_rules set rules = {theirs} where subject = 'accounts'")
    answer = await client.put("/api/v1/organizations/group/status", json={"status": "churned"})
    assert answer.status_code == 200, answer.text

    for _ in range(3):
        await evaluation.drain(runtime, only_workspace=workspace)
        await records.drain(runtime, only_workspace=workspace)

    assert await query("select count(*) from dirty_accounts") == [(0,)]
    assert await query("select status, organization_status from account_facts") == [("subscribed", "churned")]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/segments/{}/members/ada", {"state": "included"}), ("/users/ada/status", {"status": "deactivated"})],
)
async def test_a_user_who_is_being_deleted_is_not_found(client, send, segment, database, workspace, path, body):
    path = path.format(await segment("users"))
    await send(user("ada", timestamp=datetime.now(UTC).isoformat()))

    async with database.transaction(workspace) as db:
        await db.execute(text("delete from users"))
        put = asyncio.create_task(client.put(f"/api/v1{path}", json=body))
        await asyncio.sleep(0.3)
        assert not put.done(), "it waits for what becomes of the user"

    assert (await put).status_code == 404
