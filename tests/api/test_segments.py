"""Segments through the API: by rule, by hand and by the clock alone; who is in, why, since when, and key figures."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

T0 = datetime(2026, 3, 1, 9, tzinfo=UTC)
WEEK = timedelta(days=7)
TICK = timedelta(microseconds=1)
RICH = {"field": "mrr", "op": "greaterThan", "value": 100}
QUIET = {"all": [RICH, {"field": "owner.lastSeenAt", "op": "moreThanDaysAgo", "value": 7}]}


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

    await client.put("/api/v1/trait-map", json={"owner": "ownerId", "mrr": ["mrr"]})
    return send


def account(account_id, /, **traits):
    return {"type": "account", "accountId": account_id, "traits": traits, "timestamp": wire(T0)}


@pytest.fixture
async def acme(tell):
    """An account above the floor, whose owner was seen at T0."""
    await tell(
        account("acme", name="Acme", ownerId="user-1", mrr=250),
        {"type": "user", "userId": "user-1", "accountId": "acme", "traits": {"email": "ann@acme.example"}},
        {"type": "event", "event": "Login", "userId": "user-1", "accountId": "acme", "timestamp": wire(T0)},
    )


@pytest.fixture
def create(client, drain):
    async def make(name="Rich", wanted=RICH, **more):
        answer = await client.post("/api/v1/segments", json={"name": name, "filter": wanted, **more})
        assert answer.status_code == 201, answer.text
        await drain()
        return f"/api/v1/segments/{answer.json()['id']}"

    return make


@pytest.fixture
def members(client):
    async def find(segment, **asked):
        answer = await client.get(f"{segment}/members", params=asked)
        assert answer.status_code == 200, answer.text
        return {one["externalId"]: one for one in answer.json()["data"]}

    return find


async def test_the_clock_alone_lets_in_and_a_visit_of_the_owner_lets_out(
    acme, create, members, drain, clock, tell, client
):
    segment = await create("Quiet", QUIET)
    assert await members(segment) == {}

    clock.at = T0 + WEEK - TICK
    await drain()
    assert await members(segment) == {}

    clock.at = T0 + WEEK
    await drain()
    found = await members(segment)
    assert found["acme"]["since"] == wire(T0 + WEEK)
    assert [one["source"] for one in found["acme"]["sources"]] == ["rule"]

    clock.at = back = T0 + WEEK + timedelta(minutes=5)
    await tell({"type": "event", "event": "Login", "userId": "user-1", "accountId": "acme", "timestamp": wire(back)})
    assert await members(segment) == {}

    history = (await client.get(f"{segment}/history")).json()["data"]
    assert [(one["externalId"], one["change"], one["at"], one["source"], one["reason"]) for one in history] == [
        ("acme", "left", wire(back), "rule", "filter_no_longer_holds"),
        ("acme", "entered", wire(T0 + WEEK), "rule", "filter_holds"),
    ]


async def test_a_segment_of_users_by_the_clock_alone(tell, create, members, drain, clock):
    segment = await create("Away", {"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 7}, subject="users")
    seen = {"type": "event", "event": "Login", "userId": "ann", "accountId": "acme", "timestamp": wire(T0)}
    await tell(seen, {"type": "user", "userId": "bob", "accountId": "acme"})
    assert await members(segment) == {}

    clock.at = T0 + WEEK
    await drain()
    assert list(await members(segment)) == ["ann"]

    await tell({**seen, "timestamp": wire(clock.at)})
    assert await members(segment) == {}


async def test_a_segment_of_organizations(tell, create, members):
    segment = await create("Groups", {"field": "accounts", "op": "atLeast", "value": 2}, subject="organizations")
    parent = {"type": "account", "organizationId": "group", "timestamp": wire(T0)}

    await tell({**parent, "accountId": "a"})
    one = await members(segment)
    await tell({**parent, "accountId": "b"})

    assert one == {}
    assert list(await members(segment)) == ["group"]


async def test_a_rule_may_ask_for_the_status(tell, create, members, client):
    await client.put("/api/v1/trait-map", json={"status": ["status"]})
    segment = await create("Gone", {"field": "status", "op": "is", "value": "churned"})

    await tell(account("a", status="churned"), account("b", status="trial"))

    assert list(await members(segment)) == ["a"]


async def test_by_hand_one_record_at_a_time(acme, create, members, client):
    segment = await create()
    path = f"{segment}/members/acme"
    assert list(await members(segment)) == ["acme"]

    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 204
    assert await members(segment) == {}
    (out,) = (await members(segment, excluded=True)).values()
    assert (out["member"], out["state"], out["excluded"]["holdsBack"]) == (False, "excluded", ["rule"])
    assert out["excluded"]["by"].startswith("key_")
    assert [(one["source"], one["heldBack"]) for one in out["sources"]] == [("rule", True)]

    put = (await client.put(path, json={"state": "included"})).json()
    assert (put["member"], put["state"], [one["source"] for one in put["sources"]]) == (
        True,
        "included",
        ["api", "rule"],
    )
    back = (await client.put(path, json={"state": "automatic"})).json()
    assert (back["member"], back["state"], back["excluded"]) == (True, "automatic", None)
    assert (await client.get(f"/api/v1/segments/{segment[-36:]}/members/{back['id']}")).json() == back
    nobody = await client.put(f"{segment}/members/nobody", json={})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown_account")
    assert (await client.put(path, json={"state": "perhaps"})).status_code == 422


async def test_by_hand_many_at_once_with_a_result_for_each(tell, create, members, client):
    await tell(account("a"), account("b"), account("c"))
    segment = await create("Tier", None)
    lines = [("a", "included"), ("b", "included"), ("x", "included"), ("c", "excluded")]
    body = {"data": [{"record": record, "state": state} for record, state in lines]}

    first = (await client.post(f"{segment}/members", json=body)).json()["data"]
    again = (await client.post(f"{segment}/members", json=body)).json()["data"]
    out = {"data": [{"record": first[0]["id"], "state": "included"}, {"record": "a", "state": "excluded"}]}
    last = (await client.post(f"{segment}/members", json=out)).json()["data"]

    assert [(one["result"], one["member"]) for one in first] == [
        ("entered", True),
        ("entered", True),
        ("unknown", False),
        ("unchanged", False),
    ]
    assert [one["result"] for one in again] == ["unchanged", "unchanged", "unknown", "unchanged"]
    assert [(one["result"], one["member"]) for one in last] == [("left", False)] * 2, "the later line counts"
    assert list(await members(segment)) == ["b"]
    too_many = {"data": [{"record": "a", "state": "included"}] * 1001}
    assert (await client.post(f"{segment}/members", json=too_many)).status_code == 422
    assert (await client.post(f"{segment}/members", json={"data": []})).status_code == 422


async def test_a_change_by_hand_is_seen_by_indicators(acme, create, client, drain):
    segment = await create("Tier", None)
    asks = {"field": "segments", "op": "isAnyOf", "value": [segment[-36:]]}
    indicator = {"name": "In tier", "kind": "risk", "filter": asks}
    assert (await client.post("/api/v1/indicators", json=indicator)).status_code == 201
    await drain()

    await client.put(f"{segment}/members/acme", json={})
    await drain()

    assert len((await client.get("/api/v1/alerts", params={"state": "open"})).json()["data"]) == 1


async def test_what_a_record_is_in(acme, create, client, tell):
    rich, tier = await create("Rich", color="#2F80ED"), await create("Tier", None)
    await create("Poor", {"not": RICH})
    await client.put(f"{tier}/members/acme", json={"state": "excluded"})

    found = (await client.get("/api/v1/accounts/acme/segments")).json()["data"]

    assert [(one["segment"]["name"], one["member"], one["state"]) for one in found] == [
        ("Rich", True, "automatic"),
        ("Tier", False, "excluded"),
    ]
    assert found[0]["segment"] == {"id": rich[-36:], "name": "Rich", "color": "#2F80ED"}
    assert (await client.get("/api/v1/users/user-1/segments")).json() == {"data": []}
    assert (await client.get("/api/v1/organizations/none/segments")).status_code == 404


async def test_why_a_record_is_in_or_is_not(acme, create, client, tell):
    segment = await create()
    other = await create("Churned", {"field": "status", "op": "is", "value": "churned"})
    await create("Tier", None)
    await client.delete(f"{segment}/members/acme")

    member = (await client.get(f"{segment}/members/acme")).json()
    stranger = (await client.get(f"{other}/members/acme")).json()
    why = (await client.get("/api/v1/accounts/acme/why", params={"fact": "segments"})).json()

    seen = {"field": "mrr", "label": "MRR", "op": "greaterThan", "value": 100, "saw": 250, "holds": True}
    assert (member["member"], member["conditions"]) == (False, [seen])
    assert [(one["saw"], one["holds"]) for one in stranger["conditions"]] == [("subscribed", False)]
    assert (why["value"], why["since"]) == ([], None)
    (only,) = why["inputs"]
    assert (only["segment"], only["member"], only["state"], only["conditions"]) == (
        segment[-36:],
        False,
        "excluded",
        [seen],
    )
    assert [(one["source"], one["heldBack"]) for one in only["sources"]] == [("rule", True)]
    assert (only["excluded"]["holdsBack"], only["since"]) == (["rule"], wire(T0 + timedelta(hours=1)))

    await client.put(f"{segment}/members/acme", json={"state": "automatic"})
    why = (await client.get("/api/v1/accounts/acme/why", params={"fact": "segments"})).json()
    assert why["value"] == [segment[-36:]]


async def test_a_changed_filter_is_applied_to_everyone_with_progress(tell, create, members, client, drain):
    await tell(account("a", mrr=500), account("b", mrr=5))
    segment = await create()
    assert list(await members(segment)) == ["a"]

    changed = (await client.patch(segment, json={"filter": {"not": RICH}})).json()
    again = (await client.patch(segment, json={"filter": {"field": "mrr", "op": "isSet"}})).json()
    await drain()

    assert (changed["version"], again["version"]) == (2, 3)
    progress = [
        (await client.get(f"/api/v1/reprocessings/{one['reprocessing']}")).json()["state"] for one in (changed, again)
    ]
    assert progress == ["superseded", "done"]
    assert list(await members(segment)) == ["a", "b"]
    renamed = (await client.patch(segment, json={"name": "All", "color": None, "description": "x"})).json()
    assert (renamed["version"], renamed["reprocessing"], renamed["members"]) == (4, None, 2)


async def test_archiving_empties_it_and_keeps_its_history(acme, create, client, drain):
    segment = await create()

    assert (await client.delete(segment)).status_code == 204
    assert (await client.delete(segment)).status_code == 204
    await drain()

    assert (await client.get("/api/v1/segments")).json()["data"] == []
    (archived,) = (await client.get("/api/v1/segments", params={"archived": "true"})).json()["data"]
    assert (archived["members"], archived["archivedAt"]) == (0, wire(T0 + timedelta(hours=1)))
    history = (await client.get(f"{segment}/history", params={"record": "acme"})).json()["data"]
    assert [(one["change"], one["reason"]) for one in history] == [
        ("left", "segment_archived"),
        ("entered", "filter_holds"),
    ]
    late = await client.put(f"{segment}/members/acme", json={})
    assert (late.status_code, late.json()["code"]) == (409, "segment_archived")
    assert (await client.get("/api/v1/accounts/acme/segments")).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"filter": {"field": "segments", "op": "isSet"}}, "invalid_filter", "#/filter/field"),
        ({"filter": {"all": [RICH, {"field": "indicators", "op": "isSet"}]}}, "invalid_filter", "#/filter/all/1/field"),
        ({"filter": {"field": "sessions", "op": "isSet"}}, "invalid_filter", "#/filter/field"),
        ({"filter": {"all": []}}, "empty_segment_filter", "#/filter"),
        ({"color": "blue"}, "invalid_request", None),
        ({"name": " "}, "invalid_request", None),
        ({"subject": "tickets"}, "invalid_request", None),
    ],
)
async def test_what_cannot_be_a_segment(body, code, pointer, client):
    answer = await client.post("/api/v1/segments", json={"name": "x", **body})

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer


async def test_names_are_taken_once_per_subject(create, client):
    await create("Enterprise", None)

    same = await client.post("/api/v1/segments", json={"name": "ENTERPRISE"})
    other = await client.post("/api/v1/segments", json={"name": "Enterprise", "subject": "users"})

    assert (same.status_code, same.json()["code"], other.status_code) == (409, "segment_exists", 201)


async def test_the_list_counts_and_is_paged(tell, create, client):
    await tell(account("a", mrr=500), account("b", mrr=700))
    await create("Rich")
    await create("Nobody", None)
    await create("People", None, subject="users")

    found = (await client.get("/api/v1/segments")).json()["data"]
    only = (await client.get("/api/v1/segments", params={"subject": "users"})).json()["data"]
    first = (await client.get("/api/v1/segments", params={"limit": 2})).json()
    rest = (await client.get("/api/v1/segments", params={"limit": 2, "cursor": first["nextCursor"]})).json()

    assert [(one["name"], one["members"], one["membersCapped"]) for one in found] == [
        ("Rich", 2, False),
        ("Nobody", 0, False),
        ("People", 0, False),
    ]
    assert [one["name"] for one in only] == ["People"]
    assert [len(first["data"]), len(rest["data"]), rest["hasMore"]] == [2, 1, False]


async def test_members_and_history_are_paged(tell, create, client):
    await tell(*(account(f"a{n}", mrr=500) for n in range(5)))
    segment = await create()

    for what in ("members", "history"):
        seen, cursor = [], None
        while True:
            asked = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(f"{segment}/{what}", params=asked)).json()
            seen += [one["externalId"] for one in page["data"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert sorted(seen) == [f"a{n}" for n in range(5)], what


async def test_a_preview_counts_and_samples(tell, client):
    await tell(account("a", mrr=500), account("b", mrr=5))

    found = await client.post("/api/v1/segments/preview", json={"filter": RICH})
    users = await client.post(
        "/api/v1/segments/preview", json={"subject": "users", "filter": {"field": "email", "op": "isSet"}}
    )

    assert (found.json()["count"], found.json()["countCapped"]) == (1, False)
    assert [one["externalId"] for one in found.json()["sample"]] == ["a"]
    assert (users.status_code, users.json()["count"]) == (200, 0)


async def test_key_figures_of_accounts(acme, tell, create, client, clock, drain):
    await tell(account("b", mrr=750, ownerId="nobody"))
    segment = await create()
    clock.at = T0 + WEEK + TICK
    await drain()

    found = (await client.get(f"{segment}/kpis", params={"quietDays": 7, "days": 30})).json()

    assert found == {
        "members": 2,
        "mrr": {"total": 1000.0, "average": 500.0, "members": 2},
        "statuses": [{"status": "subscribed", "members": 2, "mrr": {"total": 1000.0, "average": 500.0, "members": 2}}],
        "seen": {"quietDays": 7, "quiet": 1, "neverSeen": 1},
        "moved": {"days": 30, "entered": 2, "left": 0},
    }


@pytest.mark.parametrize("subject", ["accounts", "users", "organizations"])
async def test_key_figures_of_nobody(subject, create, client):
    segment = await create("Empty", None, subject=subject)

    found = (await client.get(f"{segment}/kpis")).json()

    no_revenue = None if subject == "users" else {"total": 0.0, "average": None, "members": 0}
    assert (found["members"], found["mrr"], found["statuses"]) == (0, no_revenue, [])
    assert found["seen"] == {"quietDays": 7, "quiet": 0, "neverSeen": 0}
    assert (await client.get(f"{segment}/kpis", params={"quietDays": 0})).status_code == 422


async def test_key_figures_of_users(tell, create, client):
    await tell({"type": "user", "userId": "ann", "traits": {"email": "a@b.example"}, "timestamp": wire(T0)})
    segment = await create("Mail", {"field": "email", "op": "isSet"}, subject="users")

    found = (await client.get(f"{segment}/kpis")).json()

    assert (found["members"], found["mrr"], found["seen"]["neverSeen"]) == (1, None, 1)
    assert found["statuses"] == [{"status": "active", "members": 1, "mrr": None}]


async def test_nothing_of_the_deleted_is_left(acme, create, client, drain, database, workspace):
    rich, people = await create(), await create("People", {"field": "email", "op": "isSet"}, subject="users")
    await client.delete(f"{people}/members/user-1")

    for path in ("accounts/acme", "users/user-1"):
        assert (await client.delete(f"/api/v1/{path}")).status_code in {200, 202}
        await drain()

    async with database.transaction(workspace) as db:
        for table in ("segment_links", "segment_exclusions", "segment_changes"):
            assert await db.scalar(text(f"select count(*) from {table}")) == 0, table
    assert (await client.get(f"{rich}/members")).json()["data"] == []


async def test_nothing_is_shared_between_workspaces(acme, create, make_client, other_workspace):
    segment = await create()
    stranger = await make_client(other_workspace)

    for path in ("", "/members", "/members/acme", "/history", "/kpis"):
        assert (await stranger.get(f"{segment}{path}")).status_code == 404
    assert (await stranger.put(f"{segment}/members/acme", json={})).json()["code"] == "unknown_segment"
    assert (await stranger.get("/api/v1/segments")).json()["data"] == []


async def test_members_see_and_move_what_their_groups_let_them(tell, create, client, as_member, drain):
    await tell(account("open", mrr=500), account("closed", mrr=700))
    segment, tier = await create(), await create("Tier", None)
    group = (await client.post("/api/v1/access-groups", json={"name": "Public sector"})).json()["id"]
    assert (await client.put(f"/api/v1/access-groups/{group}/accounts/closed")).status_code == 204
    await drain()
    dana = await as_member("team_member")

    seen = {what: (await dana.get(f"{segment}/{what}")).json() for what in ("members", "history", "kpis")}
    (shown, _) = (await dana.get("/api/v1/segments")).json()["data"]
    lines = [{"record": name, "state": "included"} for name in ("open", "closed")]
    put = (await dana.post(f"{tier}/members", json={"data": lines})).json()["data"]

    assert [one["externalId"] for one in seen["members"]["data"]] == ["open"]
    assert [one["externalId"] for one in seen["history"]["data"]] == ["open"]
    assert (seen["kpis"]["mrr"]["total"], seen["kpis"]["moved"]["entered"], shown["members"]) == (500.0, 1, 1)
    assert [one["result"] for one in put] == ["entered", "unknown"]
    assert (await dana.put(f"{tier}/members/closed", json={})).status_code == 404
    (member,) = (await client.get(f"{tier}/members")).json()["data"]
    assert [(one["source"], one["by"]) for one in member["sources"]] == [("manual", dana.member)]


@pytest.mark.parametrize(
    ("role", "defines", "moves"),
    [("leader", 201, 200), ("team_member", 403, 200), ("observer", 403, 403)],
)
async def test_who_may_define_and_who_may_move(role, defines, moves, acme, create, as_member):
    tier = await create("Tier", None)
    member = await as_member(role)

    assert (await member.post("/api/v1/segments", json={"name": "Mine"})).status_code == defines
    assert (await member.put(f"{tier}/members/acme", json={})).status_code == moves
    assert (await member.get(f"{tier}/members")).status_code == 200


EXAMPLE = re.compile(r"^curl -X (\w+) \$STEWARD(\S+) .*?-d '(.*?)'$", re.MULTILINE | re.DOTALL)


async def test_the_examples_of_the_documentation_run(acme, client):
    text = (Path(__file__).parents[2] / "docs" / "segments.md").read_text(encoding="utf-8")
    made, found = None, []
    for method, path, body in EXAMPLE.findall(text):
        answer = await client.request(method, path.replace("$SEGMENT", made or ""), json=json.loads(body))
        found.append((answer.status_code, answer.json()))
        made = made or answer.json()["id"]

    assert [status for status, _ in found] == [201, 200]
    assert [one["result"] for one in found[1][1]["data"]] == ["entered", "unknown"]
