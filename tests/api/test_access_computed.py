"""Data-access groups and computed facts: what is counted of hidden accounts is told to nobody who does not see them."""

import re

import pytest

from app.main import create_app
from app.settings import Settings

API = "/api/v1"
MARK = "zqx"  # begins every name of what is hidden
APP = create_app(Settings(database_url="", public_url="", secret_key=""))
NAMED = {"metric", "element", "health_score", "survey", "response", "role", "fact"}
ALWAYS = {"field": "externalId", "op": "isSet"}
METRIC = {"events": ["Opened"], "where": {"property": "size", "op": "atLeast", "value": 0}, "days": 30}


async def send(client, path, body):
    answer = await client.post(f"{API}/{path}", json=body)
    assert answer.status_code < 300, (path, answer.text)
    return answer.json()


async def get(client, path):
    answer = await client.get(f"{API}/{path}")
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


@pytest.fixture
async def world(client, drain):
    """Two accounts of an open organization, one of them restricted, each with a user, events, instances and answers."""
    made = await send(client, "metrics", {"name": "Opened", "numerator": METRIC})
    element = {"name": "Boards", "create": {"event": "Board made"}, "instanceProperty": "board"}
    score = {"name": "Use", "conditions": [{"healthy": {"field": "metrics.opened", "op": "atLeast", "value": 1}}]}
    ids = {"metric": made["id"], "element": (await send(client, "elements", element))["id"]}
    await send(client, "health-scores", {**score, "subject": "organizations", "slug": "org_use"})
    ids["health_score"] = (await send(client, "health-scores", score))["id"]
    for name in ("open", f"{MARK}-acme"):
        about = {"accountId": name, "userId": f"{name}-user"}
        account = {"type": "account", "accountId": name, "organizationId": "org", "traits": {"name": f"{name} Inc"}}
        events = [
            {"type": "event", "event": "Opened", "properties": {"size": 1}, **about},
            {"type": "event", "event": f"{name} event", **about},
            {"type": "event", "event": "Board made", "properties": {"board": f"{name}-board"}, **about},
        ]
        await send(client, "batch", {"messages": [account, {"type": "user", **about}, *events]})
        body = {"userId": f"{name}-user", "score": 9 if name == "open" else 0, "feedback": f"{name} says"}
        ids[name] = (await send(client, "nps-responses", body))["id"]
    await drain()
    group = (await send(client, "access-groups", {"name": "Public sector"}))["id"]
    assert (await client.put(f"{API}/access-groups/{group}/accounts/{MARK}-acme")).status_code == 204
    await drain()
    return {**ids, "survey": "nps", "role": "csm", "fact": "nps", "response": ids["open"]}


@pytest.fixture
async def outsider(world, as_member):
    return await as_member("leader")


async def test_what_is_read_of_what_one_sees_says_nothing_of_the_rest(client, world, outsider):
    seen = {"account": "open", "organization": "org", "user": "open-user"}
    hidden = {"account": f"{MARK}-acme", "user": f"{MARK}-acme-user", "response": world[f"{MARK}-acme"]}
    asked = told = 0
    for route in APP.routes:
        names = set(getattr(route, "param_convertors", ()))
        if not route.path.startswith(API) or "GET" not in route.methods or not names <= NAMED | seen.keys():
            continue
        path = re.sub(r"\{(\w+)\}", lambda match: {**world, **seen}[match[1]], route.path)
        answer = await outsider.get(path)
        assert answer.status_code < 500, (path, answer.text)
        assert MARK not in answer.text, (path, answer.text)
        told += MARK in (await client.get(path)).text
        for name in names & hidden.keys():
            path = re.sub(r"\{(\w+)\}", lambda match, n=name: {**world, **seen, n: hidden[n]}[match[1]], route.path)
            asked += 1
            assert (await outsider.get(path)).status_code in {403, 404}, path
    assert (asked > 20, told > 5) == (True, True), "and there is something to be told"


async def test_what_is_summed_up_is_summed_up_of_what_one_sees(client, world, outsider):
    async def numbers(who):
        nps = [await get(who, "nps"), await get(who, "organizations/org/nps")]
        nps += [await send(who, "nps", {"subject": subject}) for subject in ("users", "accounts", "organizations")]
        totals = {one["event"]: one["total"] for one in (await get(who, "organizations/org/event-totals"))["data"]}
        boards = (await get(who, "organizations/org/elements/boards/instances"))["data"]
        spread = await send(who, "health-scores/preview", {"score": "use", "conditions": [{"poor": ALWAYS}]})
        tried = await send(who, "metrics/preview", {"subject": "organizations", "numerator": METRIC})
        fresh = {**METRIC, "where": {"property": "size", "op": "is", "value": 1}}
        anew = await send(who, "metrics/preview", {"subject": "organizations", "numerator": fresh})
        every = await send(who, "metrics/preview", {"subject": "accounts", "numerator": METRIC})
        return {
            "nps": [(one["responses"], one["score"]) for one in nps],
            "events": totals.get("Opened"),
            "boards": len(boards),
            "health": (spread["lookedAt"], len(spread["examples"])),
            "metrics": [one["data"][0]["value"] for one in (tried, anew)],
            "tried": len(every["data"]),
        }

    assert await numbers(client) == {
        "nps": [(2, 0.0)] * 5,
        "events": 2,
        "boards": 2,
        "health": (2, 2),
        "metrics": [2, 2],
        "tried": 2,
    }
    assert await numbers(outsider) == {
        "nps": [(1, 100.0)] * 5,
        "events": 1,
        "boards": 1,
        "health": (1, 1),
        "metrics": [1, 1],
        "tried": 1,
    }


@pytest.mark.parametrize(
    ("subject", "all_of", "theirs"), [("accounts", 2, 1), ("users", 2, 1), ("organizations", 1, 1)]
)
async def test_a_backtest_goes_through_what_one_sees(subject, all_of, theirs, client, world, outsider):
    body = {"filter": ALWAYS, "days": 2}
    found = [await send(who, f"reports/{subject}/backtest", body) for who in (client, outsider)]
    assert [one["records"] for one in found] == [all_of, theirs]
    assert MARK not in str(found[1])
    opened = {"event": f"{MARK}-acme event", "op": "atLeast", "count": 1}
    if subject != "users":
        found = [
            await send(who, f"reports/{subject}/backtest", {**body, "filter": opened}) for who in (client, outsider)
        ]
        assert [one["records"] for one in found] == [1, 0]


async def test_nothing_of_a_hidden_user_is_changed_or_asked_by_name(world, outsider, client):
    theirs = world[f"{MARK}-acme"]
    tries = [
        await outsider.patch(f"{API}/nps-responses/{theirs}", json={"score": 10}),
        await outsider.delete(f"{API}/nps-responses/{theirs}"),
        await outsider.get(f"{API}/nps-responses?user={MARK}-acme-user"),
        await outsider.get(f"{API}/nps-responses?account={MARK}-acme"),
        await outsider.post(f"{API}/metrics/preview", json={"numerator": METRIC, "records": [f"{MARK}-acme"]}),
        await outsider.get(f"{API}/users/{MARK}-acme-user/surveys/nps"),
    ]
    assert [one.status_code for one in tries] == [403, 403, 404, 404, 404, 404]
    assert (await get(client, f"nps-responses/{theirs}"))["score"] == 0


async def test_what_health_saw_of_a_restricted_organization_stays_there(client, world, as_member, drain):
    """An account they see belongs to an organization they do not: history tells its states, not what it is called."""
    condition = {"healthy": {"field": "organization.name", "op": "isSet"}}
    await send(client, "health-scores", {"name": "Of a group", "slug": "grouped", "conditions": [condition]})
    await send(client, "organizations", {"externalId": f"{MARK}-org", "traits": {"name": f"{MARK} group"}})
    await client.put(f"{API}/accounts/open/organization", json={"organizationId": f"{MARK}-org"})
    group = (await send(client, "access-groups", {"name": "Groups"}))["id"]
    await client.put(f"{API}/access-groups/{group}/organizations/{MARK}-org")
    member = await as_member("leader")
    theirs = (await send(client, "access-groups", {"name": "Theirs"}))["id"]
    for path in (f"members/{member.member}", "accounts/open"):
        await client.put(f"{API}/access-groups/{theirs}/{path}")
    await drain()

    for path in ("health-scores", "health-history", "why?fact=healthScores.grouped"):
        assert f"{MARK} group" in (await client.get(f"{API}/accounts/open/{path}")).text, path
        answer = await member.get(f"{API}/accounts/open/{path}")
        assert answer.status_code == 200, answer.text
        assert MARK not in answer.text, path
