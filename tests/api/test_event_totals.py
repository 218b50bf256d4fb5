"""How often events happened, and asking for it in reports: by account, by organization, and by nobody else."""

from datetime import timedelta

import pytest

API = "/api/v1"


@pytest.fixture
def post(client, now):
    async def run(event, account="acme", days=0, **more):
        body = {"event": event, "timestamp": (now - timedelta(days=days)).isoformat(), **more}
        answer = await client.post(f"{API}/events", json=body | ({"accountId": account} if account else {}))
        assert answer.status_code == 202, answer.text

    return run


async def totals(client, path="accounts/acme"):
    answer = await client.get(f"{API}/{path}/event-totals")
    assert answer.status_code == 200, answer.text
    return {one["event"]: one for one in answer.json()["data"]}


async def test_the_last_thirty_days_stand_beside_those_before(client, post):
    for days in (0, 5, 29, 30, 59, 60, 200):
        await post("Report Exported", days=days)
    await post("Login", userId="ada")

    found = await totals(client)

    exported = found["Report Exported"]
    assert (exported["total"], exported["last30Days"], exported["previous30Days"]) == (7, 3, 2)
    assert exported["changePercent"] == 50
    assert exported["firstAt"] < exported["lastAt"]
    assert found["Login"]["changePercent"] is None
    assert found["Login"]["firstAt"] == found["Login"]["lastAt"]


async def test_an_organization_has_its_own_and_those_of_its_accounts(client, post, drain):
    for name in ("acme", "globex"):
        await client.post(f"{API}/accounts", json={"externalId": name, "organizationId": "group"})
        await post("Login", account=name)
    await post("Login", account=None, organizationId="group")
    await post("Audit", account=None, organizationId="group")
    await drain()

    found = await totals(client, "organizations/group")

    assert {name: one["total"] for name, one in found.items()} == {"Login": 3, "Audit": 1}
    assert {name: one["total"] for name, one in (await totals(client)).items()} == {"Login": 1}


async def test_pages_go_by_name(client, post):
    for name in ("b", "a", "c", "d", "e"):
        await post(name)
    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        part = (await client.get(f"{API}/accounts/acme/event-totals", params=query)).json()
        seen += [one["event"] for one in part["data"]]
        cursor = part["nextCursor"]
        if not part["hasMore"]:
            break
    assert seen == ["a", "b", "c", "d", "e"]


async def test_where_nothing_happened_the_list_is_empty(client):
    await client.post(f"{API}/accounts", json={"externalId": "quiet"})
    assert await totals(client, "accounts/quiet") == {}
    assert (await client.get(f"{API}/accounts/nobody/event-totals")).json()["code"] == "unknown_account"
    assert (await client.get(f"{API}/organizations/nobody/event-totals")).json()["code"] == "unknown_organization"


async def report(client, subject="accounts", **asked):
    answer = await client.post(f"{API}/reports/{subject}", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_reports_filter_sort_and_show_what_was_counted(client, post, drain):
    for name, times in (("acme", 3), ("globex", 1), ("quiet", 0)):
        await client.post(f"{API}/accounts", json={"externalId": name, "organizationId": "group"})
        for _ in range(times):
            await post("Report Exported", account=name)
    await drain()

    found = await report(
        client,
        columns=["externalId", "eventCount.Report Exported", "eventLastAt.Report Exported"],
        sort=[{"field": "eventCount.Report Exported", "direction": "desc"}],
    )
    assert [(one["externalId"], one["eventCount.Report Exported"]) for one in found] == [
        ("acme", 3),
        ("globex", 1),
        ("quiet", 0),
    ]
    assert [one["eventLastAt.Report Exported"] is None for one in found] == [False, False, True]
    often = {"field": "eventCount.Report Exported", "op": "atLeast", "value": 2}
    assert [one["externalId"] for one in await report(client, columns=["externalId"], filter=often)] == ["acme"]
    groups = await report(client, "organizations", columns=["eventCount.Report Exported"])
    assert [one["eventCount.Report Exported"] for one in groups] == [4]


async def test_the_facts_list_the_names_that_were_seen(client, post):
    await post("Report Exported")
    facts = {one["path"]: one for one in (await client.get(f"{API}/facts")).json()["data"]}
    assert facts["eventCount.Report Exported"]["type"] == "number"
    assert facts["eventFirstAt.Report Exported"]["type"] == "datetime"
    assert facts["eventLastAt.Report Exported"]["nullable"]
    of_users = {one["path"] for one in (await client.get(f"{API}/facts", params={"subject": "users"})).json()["data"]}
    assert not any(path.startswith("event") for path in of_users)


async def test_an_indicator_may_ask_how_often(client, post, drain):
    often = {"field": "eventCount.Paid", "op": "atLeast", "value": 2}
    made = await client.post(f"{API}/indicators", json={"name": "Paying", "kind": "risk", "filter": often})
    assert made.status_code == 201, made.text
    await post("Paid")
    await drain()
    assert (await client.get(f"{API}/alerts")).json()["data"] == []
    await post("Paid")
    await drain()
    (alert,) = (await client.get(f"{API}/alerts")).json()["data"]
    why = (await client.get(f"{API}/alerts/{alert['id']}")).json()["why"]
    assert [one["saw"] for one in why] == [2]


@pytest.mark.parametrize(
    "path", ["eventCount.", "organization.eventCount.Paid", "eventCount. ", f"eventCount.{'x' * 513}"]
)
async def test_what_is_no_event_name_is_no_fact(client, path):
    asked = {"filter": {"field": path, "op": "isSet"}}
    answer = await client.post(f"{API}/reports/accounts", json=asked)
    assert answer.status_code in (400, 422), answer.text
