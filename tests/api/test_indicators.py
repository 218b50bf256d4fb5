"""Indicators through the API: they fire and clear by data and by the clock alone, and they say why."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

T0 = datetime(2026, 3, 1, 9, 0, 0, 123456, tzinfo=UTC)
TICK = timedelta(microseconds=1)
WEEK = timedelta(days=7)
QUIET = {
    "all": [
        {"field": "mrr", "op": "greaterThan", "value": 100},
        {"field": "owner.lastSeenAt", "op": "moreThanDaysAgo", "value": 7},
    ]
}


def wire(at):
    return at.isoformat().replace("+00:00", "Z")


@pytest.fixture(autouse=True)
def present(clock):
    clock.at = T0 + timedelta(hours=1)


@pytest.fixture
async def tell(client, drain):
    async def send(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text
        await drain()

    await client.put("/api/v1/trait-map", json={"owner": "ownerId"})
    return send


@pytest.fixture
async def acme(tell):
    """An account above the floor, whose owner was seen at T0."""
    await tell(
        {
            "type": "account",
            "accountId": "acme",
            "traits": {"name": "Acme", "ownerId": "user-1", "mrr": 250},
            "timestamp": wire(T0),
        },
        {"type": "user", "userId": "user-1", "accountId": "acme", "traits": {"email": "ann@acme.example"}},
        {"type": "event", "event": "Login", "userId": "user-1", "accountId": "acme", "timestamp": wire(T0)},
    )


@pytest.fixture
def create(client, drain):
    async def make(wanted=QUIET, **more):
        body = {"name": "Owner is quiet", "kind": "risk", "filter": wanted, **more}
        answer = await client.post("/api/v1/indicators", json=body)
        assert answer.status_code == 201, answer.text
        await drain()
        return answer.json()

    return make


@pytest.fixture
def alerts(client):
    async def find(**asked):
        answer = await client.get("/api/v1/alerts", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return find


async def set_mrr(tell, value, at):
    await tell({"type": "account", "accountId": "acme", "traits": {"mrr": value}, "timestamp": wire(at)})


async def test_the_clock_alone_makes_it_fire_and_the_owner_coming_back_resolves_it(
    acme, create, alerts, drain, clock, tell
):
    await create()
    assert await alerts() == []

    clock.at = T0 + WEEK - TICK
    await drain()
    assert await alerts() == []

    clock.at = T0 + WEEK
    await drain()
    (alert,) = await alerts()
    assert (alert["state"], alert["account"]["externalId"], alert["firedAt"]) == ("active", "acme", wire(T0 + WEEK))

    back = T0 + WEEK + timedelta(minutes=5)
    clock.at = back
    await tell({"type": "event", "event": "Login", "userId": "user-1", "accountId": "acme", "timestamp": wire(back)})
    (alert,) = await alerts()
    assert (alert["state"], alert["resolvedAt"]) == ("resolved", wire(back))

    clock.at = back + WEEK
    await drain()
    assert [one["state"] for one in await alerts()] == ["active", "resolved"], "quiet again: a new alert"


async def test_the_clock_alone_makes_it_resolve(tell, create, alerts, drain, clock):
    renewal = T0 + timedelta(days=10)
    await tell({"type": "account", "accountId": "acme", "traits": {"renewsAt": wire(renewal)}, "timestamp": wire(T0)})
    await create({"field": "traits.renewsAt", "op": "inNextDays", "value": 3}, kind="opportunity")
    states = []
    for at in (renewal - timedelta(days=3) - TICK, renewal - timedelta(days=3), renewal - TICK, renewal):
        clock.at = at
        await drain()
        states.append([alert["state"] for alert in await alerts()])

    assert states == [[], ["active"], ["active"], ["resolved"]]


async def test_an_account_nothing_can_change_is_not_looked_at_again(tell, create, database, workspace):
    await tell({"type": "account", "accountId": "still", "traits": {"mrr": 250}, "timestamp": wire(T0)})
    await create({"field": "mrr", "op": "greaterThan", "value": 100})

    async with database.transaction(workspace) as db:
        found = (await db.execute(text("select next_check_at from account_facts"))).scalars().all()

    assert found == [None]


async def test_it_says_why(acme, create, alerts, clock, drain, client, tell):
    indicator = await create()
    clock.at = T0 + WEEK
    await drain()
    (alert,) = await alerts()
    await set_mrr(tell, 300, T0 + WEEK)

    found = (await client.get(f"/api/v1/alerts/{alert['id']}")).json()

    assert found["indicator"] == {"id": indicator["id"], "name": "Owner is quiet", "kind": "risk"}
    assert found["why"] == [
        {"field": "mrr", "label": "MRR", "op": "greaterThan", "value": 100, "saw": 250, "holds": True},
        {
            "field": "owner.lastSeenAt",
            "label": "Owner: Last seen",
            "op": "moreThanDaysAgo",
            "value": 7,
            "saw": wire(T0),
            "holds": True,
        },
    ]
    assert [condition["saw"] for condition in found["currently"]] == [300, wire(T0)]
    assert (found["holds"], found["resolvedWhy"]) == (True, None)


async def test_it_says_why_it_was_resolved(acme, create, alerts, client, tell):
    await create({"field": "mrr", "op": "greaterThan", "value": 100})
    await set_mrr(tell, 50, T0 + timedelta(minutes=1))
    (alert,) = await alerts()

    found = (await client.get(f"/api/v1/alerts/{alert['id']}")).json()

    assert found["state"] == "resolved"
    assert [(one["saw"], one["holds"]) for one in found["resolvedWhy"]] == [(50, False)]
    assert found["holds"] is False


async def test_addressed_is_silent_until_it_clears(acme, create, alerts, client, tell):
    await create({"field": "mrr", "op": "greaterThan", "value": 100})
    (alert,) = await alerts()
    address = f"/api/v1/alerts/{alert['id']}/address"

    first = await client.post(address, json={"note": "Called them."})
    again = await client.post(address, json={"note": "Called again."})

    assert (first.status_code, first.json()["state"], first.json()["addressedNote"]) == (
        200,
        "addressed",
        "Called them.",
    )
    assert again.json()["addressedAt"] == first.json()["addressedAt"]
    assert again.json()["addressedNote"] == "Called again."
    await set_mrr(tell, 200, T0 + timedelta(minutes=1))
    assert [one["state"] for one in await alerts()] == ["addressed"], "no second alert while it holds"
    await set_mrr(tell, 1, T0 + timedelta(minutes=2))
    assert [one["state"] for one in await alerts()] == ["resolved"]
    late = await client.post(address, json={})
    assert (late.status_code, late.json()["code"]) == (409, "alert_resolved")
    await set_mrr(tell, 500, T0 + timedelta(minutes=3))
    assert [one["state"] for one in await alerts()] == ["active", "resolved"]


async def test_it_is_assigned_to_whoever_holds_the_role(acme, create, alerts, client, tell):
    dana = (await client.post("/api/v1/members", json={"email": "dana@example.com", "name": "Dana"})).json()
    lee = (await client.post("/api/v1/members", json={"email": "lee@example.com", "name": "Lee"})).json()
    await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": dana["id"]})
    condition = {"field": "mrr", "op": "greaterThan", "value": 100}

    for assignee in ({"role": "csm"}, {"role": "accountExecutive"}, {"member": lee["id"]}, None):
        made = await create(condition, assignee=assignee)
        assert made["assignee"] == assignee

    found = [one["assignee"] and one["assignee"]["name"] for one in await alerts()]
    assert sorted(found, key=str) == ["Dana", "Lee", None, None]
    assert [one["assignee"]["id"] for one in await alerts(assignee=lee["id"])] == [lee["id"]]
    unknown = {"name": "x", "kind": "risk", "filter": condition, "assignee": {"member": "mem_" + "0" * 32}}
    assert (await client.post("/api/v1/indicators", json=unknown)).json()["code"] == "unknown_member"


@pytest.mark.parametrize("how", ["disable", "archive", "narrow"])
async def test_withdrawing_it_resolves_its_alerts(how, acme, create, alerts, client, drain):
    indicator = await create({"field": "mrr", "op": "greaterThan", "value": 100})
    path = f"/api/v1/indicators/{indicator['id']}"
    assert len(await alerts(state="open")) == 1

    if how == "archive":
        assert (await client.delete(path)).status_code == 204
        assert (await client.delete(path)).status_code == 204
        assert (await client.patch(path, json={"name": "x"})).json()["code"] == "indicator_archived"
        assert (await client.get("/api/v1/indicators")).json()["data"] == []
        assert len((await client.get("/api/v1/indicators", params={"archived": "true"})).json()["data"]) == 1
    else:
        narrow = {"filter": {"field": "mrr", "op": "greaterThan", "value": 1000}}
        changed = await client.patch(path, json=narrow if how == "narrow" else {"enabled": False})
        assert (changed.status_code, changed.json()["version"]) == (200, 2)
        assert changed.json()["reprocessing"].startswith("rep_")
    await drain()

    (alert,) = await alerts(state="resolved")
    found = (await client.get(f"/api/v1/alerts/{alert['id']}")).json()
    assert [one["holds"] for one in found["resolvedWhy"]] == [False]


async def test_a_new_name_looks_at_nothing_again(create, client):
    indicator = await create()
    path = f"/api/v1/indicators/{indicator['id']}"

    renamed = (await client.patch(path, json={"name": "Quiet owner", "kind": "opportunity"})).json()
    same = (await client.patch(path, json={"name": "Quiet owner"})).json()

    assert (renamed["version"], renamed["name"], renamed["reprocessing"]) == (2, "Quiet owner", None)
    assert same["version"] == 2
    assert (await client.get(path)).json() == renamed


async def test_what_is_told_to_the_world(acme, create, database, workspace, client, tell, monkeypatch):
    """Two announcements, one per transition; judging again adds none."""
    from app.services import deliveries

    said = []

    async def listen(db, workspace_id, announcements, *, now):
        said.extend(announcements)
        return 0

    monkeypatch.setattr(deliveries, "announce", listen)
    indicator = await create({"field": "mrr", "op": "greaterThan", "value": 100})
    await set_mrr(tell, 120, T0 + timedelta(minutes=1))
    await set_mrr(tell, 1, T0 + timedelta(minutes=2))
    await set_mrr(tell, 2, T0 + timedelta(minutes=3))

    mine = [one for one in said if one.type.startswith("indicator.")]
    assert [one.type for one in mine] == ["indicator.activated", "indicator.resolved"]
    assert len({one.event_id for one in mine}) == 2
    assert {one.data["indicator"]["id"] for one in mine} == {indicator["id"]}
    assert [one.data["why"][0]["saw"] for one in mine] == [250, 1]


async def test_a_preview_counts_and_shows_a_few(acme, client):
    async def preview(tried):
        return await client.post("/api/v1/indicators/preview", json={"filter": tried})

    found = (await preview({"field": "mrr", "op": "greaterThan", "value": 100})).json()
    assert (found["count"], found["countCapped"]) == (1, False)
    assert [(one["externalId"], one["name"]) for one in found["sample"]] == [("acme", "Acme")]
    assert (await preview(QUIET)).json()["count"] == 0
    assert (await preview({"all": []})).json()["code"] == "empty_filter"
    assert (await preview({"field": "mrr", "op": "like", "value": 1})).json()["code"] == "invalid_filter"


UPDATED = {"field": "updatedAt", "op": "inLastDays", "value": 1}
OF_ACCOUNTS = {"related": "accounts", "op": "none", "where": UPDATED}


@pytest.mark.parametrize(
    "change",
    [
        {"filter": {"all": []}},
        {"filter": {}},
        {"filter": UPDATED},
        {"filter": {"related": "users", "op": "none", "where": OF_ACCOUNTS}},
        {"kind": "doom"},
        {"name": " "},
        {"assignee": {"role": "boss"}},
        {"x": 1},
    ],
)
async def test_a_wrong_definition_is_refused(client, change):
    body = {"name": "x", "kind": "risk", "filter": QUIET, **change}

    answer = await client.post("/api/v1/indicators", json=body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


async def test_lists_go_page_by_page(tell, create, client):
    await tell(*({"type": "account", "accountId": f"a{ix}", "traits": {"mrr": ix}} for ix in range(7)))
    await create({"field": "mrr", "op": "atLeast", "value": 0})
    seen, cursor = [], None
    while True:
        asked = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        body = (await client.get("/api/v1/alerts", params=asked)).json()
        seen += [one["account"]["externalId"] for one in body["data"]]
        cursor = body["nextCursor"]
        if cursor is None:
            break
        moved = await client.get("/api/v1/alerts", params={"cursor": cursor, "state": "open"})
        assert moved.json()["code"] == "invalid_cursor"
    assert sorted(seen) == [f"a{ix}" for ix in range(7)]
    mine = (await client.get("/api/v1/accounts/a3/alerts")).json()["data"]
    assert [one["account"]["externalId"] for one in mine] == ["a3"]


async def test_nothing_is_shared_between_workspaces(acme, create, alerts, make_client, other_workspace):
    indicator = await create({"field": "mrr", "op": "greaterThan", "value": 100})
    (alert,) = await alerts()
    stranger = await make_client(other_workspace)

    for path in (f"indicators/{indicator['id']}", f"alerts/{alert['id']}"):
        assert (await stranger.get(f"/api/v1/{path}")).status_code == 404
    assert (await stranger.post(f"/api/v1/alerts/{alert['id']}/address", json={})).status_code == 404
    assert (await stranger.get("/api/v1/alerts")).json()["data"] == []
    assert (await stranger.get("/api/v1/indicators")).json()["data"] == []


async def test_only_admin_keys_define_and_address(make_client, workspace):
    reader = await make_client(workspace, "read")

    made = await reader.post("/api/v1/indicators", json={"name": "x", "kind": "risk", "filter": QUIET})
    addressed = await reader.post("/api/v1/alerts/alr_" + "0" * 32 + "/address", json={})

    assert (made.status_code, addressed.status_code) == (403, 403)
