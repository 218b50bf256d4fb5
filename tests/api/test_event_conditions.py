"""Conditions on events in rules: they turn when events come, and at midnight when they leave the window."""

from datetime import UTC, datetime, timedelta

import pytest

T0 = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 8, tzinfo=UTC)  # when what came on 1 March leaves a window of seven days
TICK = timedelta(microseconds=1)
BUSY = {"event": "Login", "op": "atLeast", "count": 2, "inLastDays": 7}
QUIET = {"event": "Login", "op": "none", "inLastDays": 7}


def wire(at):
    return at.isoformat().replace("+00:00", "Z")


def login(account=None, at=T0, **more):
    named = {} if account is None else {"accountId": account}
    return {"type": "event", "event": "Login", "userId": "ann", "timestamp": wire(at), **named, **more}


@pytest.fixture(autouse=True)
def present(clock):
    clock.at = T0


@pytest.fixture
def tell(client, drain):
    async def send(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text
        await drain()

    return send


@pytest.fixture
def segment(client, drain):
    """Makes a segment; what comes back tells who is in it, and since when."""

    async def make(source, subject="accounts"):
        body = {"name": f"{subject} {source}"[:60], "subject": subject, "filter": source}
        answer = await client.post("/api/v1/segments", json=body)
        assert answer.status_code == 201, answer.text
        await drain()

        async def members():
            found = await client.get(f"/api/v1/segments/{answer.json()['id']}/members")
            return {one["externalId"]: one["since"] for one in found.json()["data"]}

        return members

    return make


async def test_events_let_in_and_midnight_lets_out(tell, segment, drain, clock):
    busy, quiet = await segment(BUSY), await segment(QUIET)
    await tell(login("acme"), {"type": "account", "accountId": "globex", "timestamp": wire(T0)})
    assert (set(await busy()), set(await quiet())) == (set(), {"globex"})

    await tell(login("acme", T0 - timedelta(hours=1)))
    assert set(await busy()) == {"acme"}

    clock.at = MIDNIGHT - TICK
    await drain()
    assert (set(await busy()), set(await quiet())) == ({"acme"}, {"globex"})

    clock.at = MIDNIGHT
    await drain()
    assert await busy() == {}
    assert (await quiet())["acme"] == wire(MIDNIGHT)


async def test_late_and_repeated_events_count_on_their_own_day_and_once(tell, segment, drain, clock):
    busy = await segment(BUSY)
    again = login("acme", T0 - timedelta(days=6), messageId="one")
    await tell(again, login("acme"))
    await tell(again)
    assert set(await busy()) == {"acme"}

    clock.at = datetime(2026, 3, 2, tzinfo=UTC)
    await drain()
    assert await busy() == {}


async def test_all_time_never_ends(tell, segment, drain, clock):
    ever = await segment({"event": "Login", "op": "exactly", "count": 1})
    await tell(login("acme"))
    clock.at = T0 + timedelta(days=900)
    await drain()
    assert set(await ever()) == {"acme"}

    await tell(login("acme", clock.at))
    assert await ever() == {}


async def test_an_organization_counts_its_own_and_those_of_its_accounts(tell, segment, drain, clock):
    busy = await segment(BUSY, "organizations")
    await tell({"type": "account", "accountId": "acme", "organizationId": "group", "timestamp": wire(T0)})
    await tell(login("acme"))
    assert await busy() == {}

    await tell(login(None, T0, organizationId="group", userId="bob"))
    assert set(await busy()) == {"group"}

    clock.at = MIDNIGHT
    await drain()
    assert await busy() == {}


async def test_users_hear_of_the_events_of_their_accounts(tell, segment, drain, clock):
    where = {"related": "accounts", "op": "atLeast", "count": 1, "where": BUSY}
    busy = await segment(where, "users")
    await tell(login("acme"), {"type": "user", "userId": "bob", "accountId": "acme", "timestamp": wire(T0)})
    assert await busy() == {}

    await tell(login("acme", T0 - timedelta(hours=2)))
    assert set(await busy()) == {"ann", "bob"}

    clock.at = MIDNIGHT
    await drain()
    assert await busy() == {}


async def test_lifecycle_and_indicators_ask_about_events(client, tell, drain, clock):
    rules = {"churned": QUIET, "trial": {"event": "Login", "op": "atMost", "count": 1}}
    answer = await client.put("/api/v1/lifecycle/accounts", json=rules)
    assert answer.status_code == 200, answer.text
    made = await client.post("/api/v1/indicators", json={"name": "Busy", "kind": "opportunity", "filter": BUSY})
    assert made.status_code == 201, made.text
    await tell(login("acme"))

    async def status():
        return (await client.get("/api/v1/accounts/acme")).json()["status"]

    async def alerts():
        return (await client.get("/api/v1/alerts", params={"state": "open"})).json()["data"]

    assert (await status(), await alerts()) == ("trial", [])

    await tell(login("acme"))
    assert await status() == "subscribed"
    (alert,) = await alerts()
    told = (await client.get(f"/api/v1/alerts/{alert['id']}")).json()
    assert [(one["field"], one["label"], one["saw"]) for one in told["why"]] == [("event", "Event: Login", 2)]
    assert told["why"] == told["currently"]

    clock.at = MIDNIGHT
    await drain()
    assert (await status(), await alerts()) == ("churned", [])


async def test_reports_count_events_and_say_the_filter_as_text(client, tell):
    await tell(login("acme"), login("acme"), login("globex"))
    path = "/api/v1/reports/accounts"
    asked = {"columns": [], "count": True}

    by_json = (await client.post(path, json={**asked, "filter": BUSY})).json()
    line = 'event "Login" at least 2 in last 7 days'
    by_text = (await client.get(path, params={"columns": "externalId", "filter": line})).json()
    refused = await client.post("/api/v1/reports/users", json={"filter": BUSY})

    assert [one["externalId"] for one in by_json["data"]] == ["acme"]
    assert by_json["count"] == 1
    assert [one["externalId"] for one in by_text["data"]] == ["acme"]
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_filter")
