"""Whose reports: "mine" is what the member who asks looks after; and nobody sees what a group hides from them."""

import pytest

PATH = "/api/v1/reports"


@pytest.fixture
async def book(client, drain, as_member):
    """Dana looks after a1 (as CSM) and a2 (as account executive), Eli after a3."""
    dana, eli = await as_member("team_member"), await as_member("leader")
    messages = [
        {"type": "user", "userId": f"u{ix}", "accountId": f"a{ix}", "traits": {"name": f"U{ix}"}} for ix in range(1, 5)
    ]
    messages += [
        {"type": "account", "accountId": f"a{ix}", "organizationId": f"o{ix // 2}", "traits": {"mrr": ix}}
        for ix in range(1, 5)
    ]
    assert (await client.post("/api/v1/batch", json={"messages": messages})).status_code == 202
    await drain()
    for account, role, who in (("a1", "csm", dana), ("a2", "account_executive", dana), ("a3", "csm", eli)):
        answer = await client.put(f"/api/v1/accounts/{account}/key-roles/{role}", json={"member": who.member})
        assert answer.status_code < 300, answer.text
    await drain()
    return dana, eli


async def names(client, subject="accounts", **body):
    answer = await client.post(f"{PATH}/{subject}", json={"columns": [], **body})
    assert answer.status_code == 200, answer.text
    return [row["externalId"] for row in answer.json()["data"]]


async def test_mine_is_any_key_role(book):
    dana, eli = book

    assert await names(dana, scope="mine") == ["a1", "a2"]
    assert await names(eli, scope="mine") == ["a3"]
    assert await names(dana) == ["a1", "a2", "a3", "a4"]


async def test_mine_reaches_users_and_organizations_through_accounts(book):
    dana, eli = book

    assert await names(dana, "users", scope="mine") == ["u1", "u2"]
    assert sorted(await names(dana, "organizations", scope="mine")) == ["o0", "o1"]
    assert await names(eli, "organizations", scope="mine") == ["o1"]


async def test_is_me_means_whoever_asks(book, client):
    dana, eli = book
    filter_ = {"field": "csm", "op": "isMe"}

    assert (await names(dana, filter=filter_), await names(eli, filter=filter_)) == (["a1"], ["a3"])
    key = await client.post(f"{PATH}/accounts", json={"filter": filter_})
    assert (key.status_code, key.json()["code"]) == (422, "needs_member")


async def test_a_shared_view_of_ones_own_is_everyones_own(book):
    dana, eli = book
    body = {"subject": "accounts", "name": "My book", "columns": ["mrr"], "scope": "mine", "shared": "shared"}
    refused = await dana.post("/api/v1/views", json=body)
    made = (await eli.post("/api/v1/views", json=body)).json()

    async def rows(client):
        found = (await client.get(f"/api/v1/views/{made['id']}/rows")).json()
        return [row["externalId"] for row in found["data"]]

    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    assert made["owner"] == eli.member
    assert (await rows(dana), await rows(eli)) == (["a1", "a2"], ["a3"])
    for method, change in (("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = await dana.request(method, f"/api/v1/views/{made['id']}", json=change)
        assert answer.status_code == 403


async def test_even_an_admin_does_not_see_private_views(book, as_member):
    dana, _ = book
    made = (await dana.post("/api/v1/views", json={"subject": "users", "name": "Secret"})).json()
    admin, observer = await as_member("admin"), await as_member("observer")

    assert (await admin.get(f"/api/v1/views/{made['id']}")).status_code == 404
    own = await observer.post("/api/v1/views", json={"subject": "users", "name": "Mine"})
    assert own.status_code == 201, "observers may save views of their own"


async def test_sums_and_files_keep_to_the_scope(book):
    dana, _ = book
    summed = await dana.post(
        f"{PATH}/accounts/summary", json={"scope": "mine", "aggregates": [{"op": "sum", "field": "mrr"}]}
    )
    file = await dana.post(f"{PATH}/accounts/export", json={"scope": "mine", "columns": ["externalId"]})

    assert summed.json()["totals"] == {"sum(mrr)": 3}
    assert file.content.decode().split() == ["External", "ID", "a1", "a2"]


async def test_what_a_group_hides_is_in_no_report_sum_or_file(book, client, drain):
    dana, eli = book
    group = (await client.post("/api/v1/access-groups", json={"name": "Board"})).json()
    for kind, ref in (("members", eli.member), ("accounts", "a2")):
        answer = await client.put(f"/api/v1/access-groups/{group['id']}/{kind}/{ref}")
        assert answer.status_code < 300, answer.text
    await drain()

    async def seen(who):
        summed = (await who.post(f"{PATH}/accounts/summary", json={})).json()["totals"]["count"]
        file = (await who.post(f"{PATH}/accounts/export", json={"columns": ["externalId"]})).content.decode()
        return await names(who), await names(who, "users"), summed, file.splitlines()[1:]

    accounts, users = ["a1", "a2", "a3", "a4"], ["u1", "u2", "u3", "u4"]
    assert await seen(eli) == await seen(client) == (accounts, users, 4, accounts)
    assert await seen(dana) == (["a1", "a3", "a4"], ["u1", "u3", "u4"], 3, ["a1", "a3", "a4"])
    assert await names(dana, scope="mine") == ["a1"]
