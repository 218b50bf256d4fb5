"""Organizations: optional parents of accounts, told by any message, shown with figures over what belongs to them."""

import asyncio
from datetime import UTC, datetime

import pytest
from dirty_equals import IsPartialDict, IsStr
from sqlalchemy import text

API = "/api/v1"


async def send(client, *messages):
    answer = await client.post(f"{API}/batch", json={"messages": list(messages)})
    assert set(answer.json()["results"]) == {"accepted"}, answer.text
    return answer


async def get(client, path, **params):
    answer = await client.get(f"{API}{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def set_parent(client, account, organization, **more):
    body = {"organizationId": organization, **more}
    return await client.put(f"{API}/accounts/{account}/organization", json=body)


async def test_an_organization_is_made_and_its_traits_are_merged(client):
    made = await client.post(f"{API}/organizations", json={"externalId": "group", "traits": {"name": "Group", "a": 1}})
    again = await client.post(f"{API}/organizations", json={"externalId": "group", "traits": {"a": None, "b": 2}})

    assert made.json() == {
        "status": "accepted",
        "messageId": IsStr(),
        "organization": IsPartialDict(
            id=IsStr(regex="org_[0-9a-f]{32}"), externalId="group", name="Group", accountsCount=0, mrr=None
        ),
    }
    assert again.json()["organization"]["traits"] == {"name": "Group", "b": 2}
    by_id = await get(client, f"/organizations/{made.json()['organization']['id']}")
    assert by_id == await get(client, "/organizations/group") == again.json()["organization"]


async def test_an_account_names_its_organization_or_none_and_silence_changes_nothing(client):
    account = {"type": "account", "accountId": "acme"}

    await send(client, {**account, "organizationId": "group", "timestamp": "2026-01-01T00:00:00Z"})
    named = (await get(client, "/accounts/acme"))["organization"]
    await send(client, {**account, "traits": {"name": "Acme"}})
    kept = (await get(client, "/accounts/acme"))["organization"]
    await send(client, {**account, "organizationId": None, "timestamp": "2026-01-02T00:00:00Z"})
    gone = (await get(client, "/accounts/acme"))["organization"]
    await send(client, {**account, "organizationId": "late", "timestamp": "2026-01-01T12:00:00Z"})
    late = (await get(client, "/accounts/acme"))["organization"]

    assert named == kept == {"id": IsStr(regex="org_.*"), "externalId": "group", "name": None}
    assert (gone, late) == (None, None)


async def test_a_parent_is_set_and_cleared_through_its_own_door(client):
    await client.post(f"{API}/accounts", json={"externalId": "a/b", "organizationId": 7})
    before = (await get(client, "/accounts/a%2Fb"))["organization"]["externalId"]

    changed = await set_parent(client, "a%2Fb", "group")
    cleared = await set_parent(client, "a%2Fb", None)

    assert before == "7"
    assert changed.json() == IsPartialDict(status="accepted", account=IsPartialDict(externalId="a/b"))
    assert changed.json()["account"]["organization"]["externalId"] == "group"
    assert cleared.json()["account"]["organization"] is None
    unknown = await set_parent(client, "nobody", "group")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_account")
    assert (await client.put(f"{API}/accounts/a%2Fb/organization", json={})).status_code == 422


async def test_figures_are_those_of_the_accounts_that_belong_to_it_now(client, drain):
    await send(
        client,
        {"type": "organization", "organizationId": "group", "traits": {"name": "Group"}},
        {"type": "account", "accountId": "acme", "organizationId": "group", "traits": {"mrr": 100}},
        {"type": "account", "accountId": "globex", "organizationId": "group", "traits": {"mrr": 50.5}},
        {"type": "account", "accountId": "other", "traits": {"mrr": 7}},
        {"type": "user", "userId": "in-both", "accountIds": ["acme", "globex"]},
        {"type": "user", "userId": "direct", "organizationId": "group"},
        {"type": "user", "userId": "direct-too", "organizationIds": ["group", "elsewhere"], "accountId": "acme"},
        {"type": "user", "userId": "left", "accountId": "acme", "timestamp": "2026-01-01T00:00:00Z"},
        {"type": "unlink", "userId": "left", "accountId": "acme", "timestamp": "2026-01-02T00:00:00Z"},
        {"type": "event", "event": "Login", "accountId": "acme", "timestamp": "2026-02-01T00:00:00Z"},
        {"type": "event", "event": "Login", "accountId": "other", "timestamp": "2026-04-01T00:00:00Z"},
        {"type": "event", "event": "Signed", "organizationId": "group", "timestamp": "2026-03-01T00:00:00Z"},
    )
    await drain()

    assert await get(client, "/organizations/group") == IsPartialDict(
        name="Group",
        accountsCount=2,
        usersCount=3,
        mrr=150.5,
        firstSeenAt="2026-02-01T00:00:00Z",
        lastSeenAt="2026-03-01T00:00:00Z",
    )
    accounts = (await get(client, "/organizations/group/accounts"))["data"]
    assert {row["externalId"] for row in accounts} == {"acme", "globex"}
    users = (await get(client, "/organizations/group/users"))["data"]
    assert {row["externalId"] for row in users} == {"in-both", "direct", "direct-too"}
    direct = (await get(client, "/users/direct-too"))["organizations"]
    assert {row["externalId"] for row in direct} == {"group", "elsewhere"}


async def test_accounts_are_filtered_by_their_organization(client, drain):
    await send(
        client,
        {"type": "account", "accountId": "acme", "organizationId": "group", "timestamp": "2026-01-01T00:00:00Z"},
        {"type": "account", "accountId": "globex"},
    )
    await drain()
    body = {"filter": {"field": "organization", "op": "is", "value": "group"}}

    before = (await client.post(f"{API}/reports/accounts", json=body)).json()
    await set_parent(client, "acme", None)
    await drain()
    after = (await client.post(f"{API}/reports/accounts", json=body)).json()

    assert ([row["externalId"] for row in before["data"]], after["data"]) == (["acme"], [])


async def test_a_user_posted_alone_may_name_organizations(client):
    answer = await client.post(f"{API}/users", json={"externalId": "user-1", "organizations": ["group", 7]})

    assert {row["externalId"] for row in answer.json()["user"]["organizations"]} == {"group", "7"}


async def test_an_event_at_an_organization_is_stored_with_it(client, database, workspace):
    event = {"type": "event", "event": "Login", "userId": "user-1", "accountId": "acme", "organizationId": "group"}
    await send(client, event, {"type": "event", "event": "Signed", "organizationId": "group"})

    async with database.transaction(workspace) as db:
        stored = await db.execute(
            text(
                """select e.name, a.external_id, u.external_id, o.external_id from events e
                left join accounts a on a.id = e.account_id left join users u on u.id = e.user_id
                left join organizations o on o.id = e.organization_id order by 1"""
            )
        )
        assert [tuple(row) for row in stored] == [
            ("Login", "acme", "user-1", "group"),
            ("Signed", None, None, "group"),
        ]
    assert (await get(client, "/accounts/acme"))["events"] == 1
    assert (await get(client, "/users/user-1")) == IsPartialDict(
        sessions=1, accounts=[IsPartialDict(externalId="acme")], organizations=[IsPartialDict(externalId="group")]
    )


async def test_an_event_sent_alone_may_name_an_organization_only(client):
    answer = await client.post(f"{API}/events", json={"event": "Signed", "organizationId": "group"})

    assert answer.status_code == 202
    assert (await get(client, "/organizations/group"))["lastSeenAt"] is not None


async def test_organizations_are_walked_the_newest_first(client):
    for n in range(5):
        await client.post(f"{API}/organizations", json={"externalId": f"group-{n}"})

    seen, cursor = [], None
    while True:
        page = await get(client, "/organizations", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [row["externalId"] for row in page["data"]]
        cursor = page["nextCursor"]
        if not page["hasMore"]:
            break
    assert seen == [f"group-{n}" for n in (4, 3, 2, 1, 0)]
    one = await get(client, "/organizations", externalId="group-3")
    assert [row["externalId"] for row in one["data"]] == ["group-3"]


@pytest.mark.parametrize("path", ["", "/accounts", "/users"])
async def test_an_unknown_organization_is_not_found(client, path):
    answer = await client.get(f"{API}/organizations/nobody{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_organization")


async def test_accounts_and_users_of_an_organization_are_walked_page_by_page(client):
    names = [str(n) for n in range(5)]
    await send(client, *({"type": "account", "accountId": name, "organizationId": "group"} for name in names))
    await send(client, *({"type": "user", "userId": name, "accountId": name} for name in names))

    for what in ("accounts", "users"):
        seen, cursor = [], None
        while True:
            params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = await get(client, f"/organizations/group/{what}", **params)
            seen += [row["externalId"] for row in page["data"]]
            cursor = page["nextCursor"]
            if not page["hasMore"]:
                break
        assert sorted(seen) == names


async def test_mirrored_batches_about_organizations_do_not_deadlock(client):
    def told(n):
        account = {"type": "account", "messageId": f"a-{n}", "accountId": f"a-{n}", "organizationId": f"o-{n % 9}"}
        group = {"type": "organization", "messageId": f"o-{n}", "organizationId": f"o-{n % 9}", "traits": {"n": n}}
        user = {"type": "user", "messageId": f"u-{n}", "userId": f"u-{n}", "organizationIds": [f"o-{n % 9}", "all"]}
        return [account, group, user]

    messages = [message for n in range(60) for message in told(n)]
    answers = await asyncio.gather(
        *(client.post(f"{API}/batch", json={"messages": messages[:: (-1) ** n]}) for n in range(6))
    )

    assert {answer.status_code for answer in answers} == {202}
    found = await get(client, "/organizations", limit=200)
    assert {row["externalId"]: (row["accountsCount"], row["usersCount"]) for row in found["data"]} == {
        "all": (0, 60),
        **{f"o-{n}": (len(range(n, 60, 9)), len(range(n, 60, 9))) for n in range(9)},
    }


async def test_a_page_of_organizations_takes_one_query_however_long_it_is(client, database, workspace):
    from sqlalchemy import event

    from app.services import organizations

    await send(client, *({"type": "account", "accountId": f"a-{n}", "organizationId": f"o-{n}"} for n in range(30)))
    said = []

    def listen(conn, cursor, statement, *rest):
        said.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", listen)
    try:
        async with database.transaction(workspace) as db:
            said.clear()
            rows = await organizations.page(db, workspace, external_id=None, after=None, limit=200)
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", listen)

    assert (len(rows), len(said)) == (30, 1)


async def test_deleting_the_workspace_takes_its_organizations_along(client, database, workspace):
    await send(
        client,
        {"type": "account", "accountId": "acme", "organizationId": "group"},
        {"type": "user", "userId": "user-1", "organizationId": "group"},
        {"type": "customObjectInstance", "customObject": "ticket", "instanceId": "1", "organizationId": "group"},
    )
    slug = (await get(client, "/workspace"))["slug"]

    deleted = await client.request("DELETE", f"{API}/workspace", json={"slug": slug})

    assert deleted.status_code == 204, deleted.text
    async with database.transaction(workspace) as db:
        for table in ("organizations", "account_parents", "affiliations", "custom_instances"):
            assert await db.scalar(text(f"select count(*) from {table}")) == 0


async def test_an_account_that_gets_a_parent_is_evaluated_anew(client, database, workspace):
    await set_parent(
        client, (await client.post(f"{API}/accounts", json={"externalId": "acme"})).json()["account"]["id"], "g"
    )

    async with database.transaction(workspace) as db:
        marks = await db.scalar(text("select count(*) from dirty_accounts"))
    assert marks == 2


async def test_two_parents_at_the_same_instant_have_one_winner(client, clock):
    clock.at = datetime(2026, 6, 1, tzinfo=UTC)
    for order in (["one", "two"], ["two", "one"]):
        for organization in order:
            await send(client, {"type": "account", "accountId": order[0], "organizationId": organization})

    parents = [(await get(client, f"/accounts/{name}"))["organization"]["externalId"] for name in ("one", "two")]
    assert parents[0] == parents[1]
