"""Saved views: kept, shown, changed, run, shared; and told apart from those of others."""

import pytest
import sqlalchemy as sa

from app.domain.ids import new_id, read

VIEWS = "/api/v1/views"
QUIET = {
    "subject": "accounts",
    "name": "Paying",
    "columns": ["name", "mrr"],
    "filter": {"field": "mrr", "op": "greaterThan", "value": 0},
    "sort": [{"field": "mrr", "direction": "desc"}],
}


@pytest.fixture
async def accounts(client, drain):
    messages = [
        {"type": "account", "accountId": f"a{ix}", "traits": {"name": f"A {ix}", "mrr": ix * 10, "plan": "pro"}}
        for ix in range(4)
    ]
    assert (await client.post("/api/v1/batch", json={"messages": messages})).status_code == 202
    await drain()


@pytest.fixture
def save(client):
    async def post(**changes):
        answer = await client.post(VIEWS, json={**QUIET, **changes})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return post


async def test_a_view_is_kept_as_it_was_written(client, save):
    made = await save(groupBy=[{"field": "createdAt", "by": "month"}], aggregates=[{"op": "sum", "field": "mrr"}])

    assert (await client.get(f"{VIEWS}/{made['id']}")).json() == made
    assert {key: made[key] for key in ("subject", "name", "columns", "filter", "scope", "shared", "pinned")} == {
        **{key: QUIET[key] for key in ("subject", "name", "columns", "filter")},
        "scope": "all",
        "shared": "private",
        "pinned": None,
    }
    assert made["sort"] == [{"field": "mrr", "direction": "desc"}]
    assert made["groupBy"] == [{"field": "createdAt", "by": "month"}]
    assert made["aggregates"] == [{"op": "sum", "field": "mrr"}]
    assert (made["version"], made["broken"]) == (1, None)
    assert made["owner"].startswith("key_")


async def test_rows_of_a_view_come_page_by_page(client, accounts, save):
    made = await save()

    first = (await client.get(f"{VIEWS}/{made['id']}/rows", params={"limit": 2, "count": "true"})).json()
    second = (await client.get(f"{VIEWS}/{made['id']}/rows", params={"cursor": first["nextCursor"]})).json()

    assert [row["mrr"] for row in first["data"] + second["data"]] == [30, 20, 10]
    assert set(first["data"][0]) == {"id", "externalId", "name", "mrr"}
    assert (first["count"], second["hasMore"]) == (3, False)


async def test_a_report_starts_from_a_view_and_says_what_differs(client, accounts, save):
    made = await save()

    async def report(**body):
        answer = await client.post("/api/v1/reports/accounts", json={"view": made["id"], **body})
        assert answer.status_code == 200, answer.text
        return [row["externalId"] for row in answer.json()["data"]]

    assert await report() == ["a3", "a2", "a1"]
    assert await report(sort=[{"field": "mrr"}]) == ["a1", "a2", "a3"]
    assert await report(filter=None) == ["a3", "a2", "a1", "a0"]
    other = await client.post("/api/v1/reports/users", json={"view": made["id"]})
    assert (other.status_code, other.json()["code"]) == (404, "unknown_view")


async def test_a_view_sums_up_as_it_says(client, accounts, save):
    made = await save(groupBy=[{"field": "traits.plan"}], aggregates=[{"op": "sum", "field": "mrr"}])

    found = (await client.post("/api/v1/reports/accounts/summary", json={"view": made["id"]})).json()

    assert found["groups"] == [{"keys": ["pro"], "values": {"sum(mrr)": 60}}]


async def test_pinned_views_come_first_and_pages_add_up(client, save):
    for name, pinned in (("c", None), ("b", 2), ("a", 1), ("d", None)):
        await save(name=name, pinned=pinned)
    await save(name="users", subject="users", columns=["email"], filter=None, sort=[])

    names, cursor = [], None
    while True:
        found = (await client.get(VIEWS, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        names += [view["name"] for view in found["data"]]
        cursor = found["nextCursor"]
        if cursor is None:
            break

    assert names == ["a", "b", "c", "d", "users"]
    only = (await client.get(VIEWS, params={"subject": "users"})).json()["data"]
    assert [view["name"] for view in only] == ["users"]


async def test_a_change_is_checked_and_counted(client, save):
    made = await save()
    path = f"{VIEWS}/{made['id']}"

    changed = (await client.patch(path, json={"name": "All", "filter": None, "pinned": 3})).json()
    wrong = await client.patch(path, json={"columns": ["nope"]})
    same = (await client.patch(path, json={"name": "All"})).json()

    assert (changed["name"], changed["filter"], changed["pinned"], changed["version"]) == ("All", None, 3, 2)
    assert changed["columns"] == QUIET["columns"]
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "#/columns/0")
    assert same["version"] == 2
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).json()["code"] == "unknown_view"


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"columns": ["nope"]}, "invalid_report", "#/columns/0"),
        ({"filter": {"field": "mrr", "op": "is", "value": "x"}}, "invalid_filter", "#/filter/value"),
        ({"sort": [{"field": "segments"}]}, "invalid_report", "#/sort/0/field"),
        ({"subject": "users"}, "invalid_report", "#/columns/1"),
        ({"groupBy": [{"field": "mrr"}]}, "invalid_report", "#/groupBy/0"),
        ({"aggregates": [{"op": "sum", "field": "name"}]}, "invalid_report", "#/aggregates/0/field"),
        ({"subject": "planets"}, "invalid_request", "#/subject"),
        ({"name": " "}, "invalid_request", "#/name"),
    ],
)
async def test_what_cannot_be_shown_is_not_kept(client, changes, code, pointer):
    answer = await client.post(VIEWS, json={**QUIET, **changes})

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.get(VIEWS)).json()["data"] == []


async def test_a_view_whose_facts_have_gone_says_so(client, database, workspace, save):
    made = await save()
    async with database.transaction(workspace) as db:
        await db.execute(
            sa.text("update views set columns = '[\"bygone\"]' where id = :id"), {"id": read("vie", made["id"])}
        )

    shown = (await client.get(f"{VIEWS}/{made['id']}")).json()
    listed = (await client.get(VIEWS)).json()["data"]
    run = await client.get(f"{VIEWS}/{made['id']}/rows")
    through = await client.post("/api/v1/reports/accounts", json={"view": made["id"]})

    assert (shown["broken"]["code"], shown["broken"]["errors"][0]["pointer"]) == ("invalid_report", "#/columns/0")
    assert listed == [shown]
    assert {(one.status_code, one.json()["code"]) for one in (run, through)} == {(422, "broken_view")}
    assert "Paying" in run.json()["detail"]
    mended = await client.patch(f"{VIEWS}/{made['id']}", json={"columns": ["name"]})
    assert mended.json()["broken"] is None


async def test_private_views_are_seen_by_their_maker_alone(client, make_client, workspace, save):
    mine, ours = await save(), await save(name="Ours", shared="shared")
    colleague = await make_client(workspace, "read")

    listed = (await colleague.get(VIEWS)).json()["data"]
    hidden = await colleague.get(f"{VIEWS}/{mine['id']}")

    assert [view["id"] for view in listed] == [ours["id"]]
    assert (hidden.status_code, hidden.json()["code"]) == (404, "unknown_view")
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = await (await make_client(workspace)).request(method, f"{VIEWS}/{mine['id']}", json=body)
        assert answer.status_code == 404
    assert (await client.get(f"{VIEWS}/{mine['id']}")).status_code == 200


async def test_a_strangers_view_is_unknown(make_client, other_workspace, save):
    made = await save(shared="shared")
    stranger = await make_client(other_workspace)

    answers = [
        await stranger.get(f"{VIEWS}/{made['id']}"),
        await stranger.get(f"{VIEWS}/{made['id']}/rows"),
        await stranger.post("/api/v1/reports/accounts", json={"view": made["id"]}),
        await stranger.post("/api/v1/reports/accounts/summary", json={"view": made["id"]}),
        await stranger.post("/api/v1/reports/accounts/export", json={"view": made["id"]}),
        await stranger.get(f"{VIEWS}/vie_{new_id().hex}"),
        await stranger.get(f"{VIEWS}/nonsense"),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "unknown_view")}


async def test_views_are_limited_in_number(client, save, monkeypatch):
    monkeypatch.setattr("app.services.views.MOST_VIEWS", 1)
    await save()

    answer = await client.post(VIEWS, json=QUIET)

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_views")
