"""Health scores over the API: what they come to, every point of it, what they were, and what they would be."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.api.routes import health_scores
from app.db import health_previews

API = "/api/v1"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def over(field, *, healthy, poor):
    return {
        "field": field,
        "healthy": {"field": field, "op": "atLeast", "value": healthy},
        "concerning": {
            "all": [
                {"field": field, "op": "atLeast", "value": poor},
                {"field": field, "op": "lessThan", "value": healthy},
            ]
        },
        "poor": {"field": field, "op": "lessThan", "value": poor},
    }


def switch(key):
    """An integration that is on or off; one that nobody has heard of is left out."""
    field = f"traits.{key}"
    return {"healthy": {"field": field, "op": "isTrue"}, "poor": {"field": field, "op": "isFalse"}}


@pytest.fixture
def send(client, drain):
    async def post(path, body, *, method="POST", status=(200, 201, 202)):
        answer = await client.request(method, f"{API}/{path}", json=body)
        assert answer.status_code in status, answer.text
        await drain()
        return answer.json()

    return post


@pytest.fixture
def account(send):
    async def make(name, **traits):
        return await send("accounts", {"externalId": name, "traits": traits})

    return make


@pytest.fixture
def score(send):
    async def make(name, *conditions, status=(201,), **more):
        return await send("health-scores", {"name": name, "conditions": list(conditions), **more}, status=status)

    return make


@pytest.fixture
def health(client):
    async def of(ref, kind="accounts"):
        answer = await client.get(f"{API}/{kind}/{ref}/health-scores")
        assert answer.status_code == 200, answer.text
        return answer.json()

    return of


@pytest.fixture
def report(client):
    async def run(*columns, subject="accounts", **asked):
        body = {"columns": list(columns), "sort": [{"field": "externalId"}], **asked}
        answer = await client.post(f"{API}/reports/{subject}", json=body)
        assert answer.status_code == 200, answer.text
        return {row["externalId"]: tuple(row[one] for one in columns) for row in answer.json()["data"]}

    return run


async def test_two_of_three_integrations_are_worth_six_and_two_thirds(account, score, health, report):
    await account("acme", slack=True, jira=True, zoom=False)
    await score("Integrations", switch("slack"), switch("jira"), switch("zoom"))

    found = await health("acme")

    assert (found["healthScore"], found["healthLabel"], found["evaluated"]["score"]) == (6.67, "healthy", 6.67)
    (only,) = found["data"]
    assert [one["points"] for one in only["conditions"]] == [10, 10, 0]
    assert [one["effectiveShare"] for one in only["conditions"]] == [0.3333] * 3
    assert only["conditions"][2]["filter"] == "traits.zoom is false"
    assert only["conditions"][2]["seen"] == [{"field": "traits.zoom", "label": "Trait: zoom", "value": False}]
    assert await report("health", "healthLabel", "healthScores.integrations", "healthLabels.integrations") == {
        "acme": (6.67, "healthy", 6.67, "healthy")
    }


async def test_what_is_missing_is_left_out_and_its_weight_goes_to_the_rest(account, score, health):
    await account("acme", slack=True, mrr=50)
    await score("Integrations", switch("slack"), switch("jira"), weight=3)
    await score("Seats", over("traits.seats", healthy=10, poor=5), weight=1)
    await score("Revenue", over("mrr", healthy=100, poor=10), weight=1)

    found = await health("acme")

    assert found["healthScore"] == 8.75  # (3 * 10 + 1 * 5) / 4
    by_slug = {one["slug"]: one for one in found["data"]}
    assert [one["state"] for one in by_slug["integrations"]["conditions"]] == ["healthy", None]
    assert [one["effectiveShare"] for one in by_slug["integrations"]["conditions"]] == [1, 0]
    assert by_slug["seats"]["score"] is None
    assert {slug: (one["share"], one["effectiveShare"]) for slug, one in by_slug.items()} == {
        "integrations": (0.6, 0.75),
        "seats": (0.2, 0),
        "revenue": (0.2, 0.25),
    }


async def test_segments_have_conditions_and_weights_of_their_own_by_priority(account, score, send, health):
    plans = {
        plan: (await send("segments", {"name": plan, "filter": {"field": f"traits.{plan}", "op": "isTrue"}}))["id"]
        for plan in ("big", "small")
    }
    for name in ("big", "small", "both", "none"):
        await account(name, mrr=50, big=name in ("big", "both"), small=name in ("small", "both"))
    await score(
        "Revenue",
        over("mrr", healthy=100, poor=10),
        variants=[
            {"segment": plans["big"], "conditions": [over("mrr", healthy=1000, poor=100)]},
            {"segment": plans["small"], "weight": 0},
        ],
    )

    found = {name: await health(name) for name in ("big", "small", "both", "none")}

    assert {name: (one["data"][0]["score"], one["healthScore"]) for name, one in found.items()} == {
        "big": (0, 0),
        "both": (0, 0),
        "small": (5, None),  # of no weight, and so alone no health
        "none": (5, 5),
    }
    assert [found[name]["data"][0]["segment"] for name in ("both", "none")] == [plans["big"], None]


async def test_segments_that_ask_about_health_come_after_it_and_cannot_decide_it(account, score, send, client, report):
    await account("acme", mrr=5)
    await score("Revenue", over("mrr", healthy=100, poor=10))
    poor = {"field": "healthLabel", "op": "is", "value": "poor"}
    late = await send("segments", {"name": "Poor", "filter": poor})
    early = await send("segments", {"name": "Paying", "filter": {"field": "mrr", "op": "isSet"}})
    variant = {"name": "Other", "conditions": [over("mrr", healthy=20, poor=10)], "variants": [{"segment": late["id"]}]}

    refused = await client.post(f"{API}/health-scores", json=variant)
    asking = {"name": "Other", "conditions": [{"poor": {"field": "segments", "op": "isAnyOf", "value": [late["id"]]}}]}
    asked = await client.post(f"{API}/health-scores", json=asking)
    await send("health-scores", {**variant, "variants": [{"segment": early["id"]}]})
    changed = await client.patch(f"{API}/segments/{early['id']}", json={"filter": poor})

    assert await report("segments") == {"acme": ([late["id"], early["id"]],)}
    assert (refused.status_code, refused.json()["code"]) == (422, "unusable_health_score")
    assert refused.json()["errors"][0]["pointer"] == "#/variants/0/segment"
    assert (asked.status_code, asked.json()["code"]) == (422, "unusable_health_score")
    assert (changed.status_code, changed.json()["code"]) == (409, "segment_decides_health")
    await account("acme", mrr=500)
    assert await report("segments") == {"acme": ([early["id"]],)}


async def test_a_changed_score_is_a_new_version_and_archiving_takes_it_away(account, score, send, client, report):
    await account("acme", mrr=50)
    made = await score("Revenue", over("mrr", healthy=100, poor=10))

    changed = await send(
        f"health-scores/{made['id']}", {"conditions": [over("mrr", healthy=50, poor=10)]}, method="PATCH"
    )
    after = await report("healthScores.revenue")
    renamed = await send("health-scores/revenue", {"name": "MRR"}, method="PATCH")
    versions = (await client.get(f"{API}/health-scores/revenue/versions")).json()["data"]
    assert (await client.delete(f"{API}/health-scores/revenue")).status_code == 204
    await send("accounts", {"externalId": "acme", "traits": {}})

    assert (changed["version"], renamed["version"], renamed["slug"]) == (2, 2, "revenue")
    assert [one["version"] for one in versions] == [2, 1]
    assert (after, await report("health", "healthScores.revenue")) == ({"acme": (10,)}, {"acme": (None, None)})
    assert (await client.get(f"{API}/health-scores/revenue")).status_code == 404
    assert (await client.get(f"{API}/health-scores/{made['id']}")).json()["archivedAt"] is not None
    refused = await client.patch(f"{API}/health-scores/{made['id']}", json={"weight": 2})
    assert (refused.status_code, refused.json()["code"]) == (409, "health_score_archived")


async def test_history_keeps_the_last_of_a_day_with_what_was_seen(account, score, client, clock, report):
    clock.at = NOW
    await account("acme", mrr=50)
    await score("Revenue", over("mrr", healthy=100, poor=10))
    clock.at = NOW + timedelta(hours=1)
    await account("acme", mrr=60)  # worth the same
    clock.at = NOW + timedelta(days=2)
    await account("acme", mrr=5)
    clock.at = NOW + timedelta(days=2, hours=1)
    await account("acme", mrr=500)
    clock.at = NOW + timedelta(days=3)

    days = (await client.get(f"{API}/accounts/acme/health-history")).json()["data"]
    first = (await client.get(f"{API}/accounts/acme/health-history?limit=1")).json()
    second = await client.get(f"{API}/accounts/acme/health-history?limit=1&cursor={first['nextCursor']}")
    trend = (await client.get(f"{API}/accounts/acme/health-trend?days=5&score=revenue")).json()["data"]
    overall = (await client.get(f"{API}/accounts/acme/health-trend?days=5")).json()["data"]

    assert [(day["day"], day["score"], day["label"]) for day in days] == [
        ("2026-03-12", 10, "healthy"),
        ("2026-03-10", 5, "concerning"),
    ]
    assert [day["inputs"] for day in days] == [
        [{"score": "revenue", "condition": "MRR", "field": "mrr", "saw": 500, "state": "healthy", "points": 10}],
        [{"score": "revenue", "condition": "MRR", "field": "mrr", "saw": 50, "state": "concerning", "points": 5}],
    ]
    assert [day["scores"][0]["version"] for day in days] == [1, 1]
    assert [first["data"][0], second.json()["data"][0]] == days
    assert [point["score"] for point in trend] == [None, 5, 5, 10, 10]
    assert overall == [{**point} for point in trend]
    as_of = {"asOf": "2026-03-11T00:00:00Z"}
    assert await report("health", "healthLabel", "healthScores.revenue", "healthLabels.revenue", **as_of) == {
        "acme": (5, "concerning", 5, "concerning")
    }
    assert await report("health", asOf="2026-03-12T13:30:00Z") == {"acme": (10,)}


async def test_the_clock_alone_moves_health(account, score, client, clock, drain, report, send):
    clock.at = NOW
    await send("events", {"event": "Login", "accountId": "acme", "timestamp": NOW.isoformat()})
    seen = "lastSeenAt"
    await score(
        "Usage",
        {
            "healthy": {"field": seen, "op": "inLastDays", "value": 7},
            "poor": {"field": seen, "op": "moreThanDaysAgo", "value": 30},
        },
    )
    values = []
    for days in (0, 7, 30):
        clock.at = NOW + timedelta(days=days)
        await drain()
        values.append((await report("health"))["acme"])

    assert values == [(10,), (None,), (0,)]


async def test_organizations_look_at_the_health_of_their_accounts(send, score, client, health):
    await send("accounts", {"externalId": "one", "traits": {"mrr": 5}, "organizationId": "group"})
    await send("accounts", {"externalId": "two", "traits": {"mrr": 500}, "organizationId": "group"})
    await score("Revenue", over("mrr", healthy=100, poor=10))
    some = {
        "related": "accounts",
        "op": "atLeast",
        "count": 1,
        "where": {"field": "health", "op": "lessThan", "value": 3},
    }
    none = {**{key: some[key] for key in ("related", "where")}, "op": "none"}
    await score("Accounts", {"poor": some, "healthy": none}, subject="organizations")
    before = await health("group", "organizations")

    await send("accounts", {"externalId": "one", "traits": {"mrr": 50}})
    after = await health("group", "organizations")
    circular = {"poor": {"field": "organization.health", "op": "lessThan", "value": 3}}
    refused = await client.post(f"{API}/health-scores", json={"name": "Round", "conditions": [circular]})

    assert [one["evaluated"] for one in (before, after)] == [
        {"score": 0, "label": "poor"},
        {"score": 10, "label": "healthy"},
    ]
    assert before["data"][0]["conditions"][0]["seen"][0]["value"] == 1
    assert (refused.status_code, refused.json()["code"]) == (422, "unusable_health_score")


async def test_a_preview_says_how_labels_would_be_spread_and_who_would_change(account, score, client, drain):
    for name, mrr in (("a", 5), ("b", 50), ("c", 500)):
        await account(name, mrr=mrr)
    await account("d")
    await score("Revenue", over("mrr", healthy=100, poor=10))
    changed = {"score": "revenue", "conditions": [over("mrr", healthy=40, poor=1)], "examples": 1}

    answer = await client.post(f"{API}/health-scores/preview", json=changed)

    found = answer.json()
    assert answer.status_code == 200, answer.text
    spread = ("healthy", "concerning", "poor", "none", "average")
    assert [tuple(found["score"][when][one] for one in spread) for when in ("before", "after")] == [
        (1, 1, 1, 1, 5),
        (2, 1, 0, 1, 8.33),
    ]
    assert found["health"] == found["score"]
    assert (found["lookedAt"], found["changed"], found["sampled"]) == (4, 2, False)
    assert found["score"]["moves"] == [
        {"before": "concerning", "after": "healthy", "count": 1},
        {"before": "poor", "after": "concerning", "count": 1},
    ]
    (example,) = found["examples"]
    assert (example["externalId"], example["health"]["before"], example["health"]["after"]) == (
        "a",
        {"score": 0, "label": "poor"},
        {"score": 5, "label": "concerning"},
    )
    assert (await client.get(f"{API}/health-scores/revenue")).json()["version"] == 1


async def test_a_preview_shows_what_its_asker_may_see(account, client, as_member, drain, score):
    await account("open", mrr=5)
    await account("hidden", mrr=5)
    group = (await client.post(f"{API}/access-groups", json={"name": "Few"})).json()["id"]
    await client.put(f"{API}/access-groups/{group}/accounts/hidden")
    await drain()
    outsider = await as_member("leader")

    answer = await outsider.post(
        f"{API}/health-scores/preview", json={"conditions": [over("mrr", healthy=100, poor=10)]}
    )

    found = answer.json()
    assert (found["lookedAt"], [one["externalId"] for one in found["examples"]]) == (1, ["open"])


async def test_a_preview_may_look_at_a_sample_and_says_so(account, client):
    for number in range(5):
        await account(f"a{number}", mrr=5)

    body = {"conditions": [over("mrr", healthy=100, poor=10)], "sample": 100}
    found = (await client.post(f"{API}/health-scores/preview", json=body)).json()

    assert (found["sampled"], found["oneIn"], found["lookedAt"]) == (False, 1, 5)


async def test_templates_can_be_saved_as_they_are(client):
    found = (await client.get(f"{API}/health-scores/templates")).json()["data"]

    answers = [await client.post(f"{API}/health-scores", json=one) for one in found]

    assert [answer.status_code for answer in answers] == [201] * len(found)
    assert len(found) > 3


async def test_the_facts_list_names_scores_and_why_explains_them(account, score, client):
    await account("acme", mrr=50)
    await score("Revenue", over("mrr", healthy=100, poor=10))

    facts = {one["path"]: one["label"] for one in (await client.get(f"{API}/facts")).json()["data"]}
    whys = {
        path: (await client.get(f"{API}/accounts/acme/why", params={"fact": path})).json()
        for path in ("health", "healthLabel", "healthScores.revenue", "healthLabels.revenue")
    }

    assert facts["healthScores.revenue"] == "Health score: Revenue"
    assert facts["healthLabels.revenue"] == "Health score: Label: Revenue"
    assert [one["value"] for one in whys.values()] == [5, "concerning", 5, "concerning"]
    assert whys["health"]["inputs"][0]["effectiveShare"] == 1
    assert whys["healthScores.revenue"]["inputs"][0]["filter"] == "mrr >= 10 AND mrr < 100"


async def test_why_tells_apart_what_a_condition_looks_at_twice(account, score, client):
    await account("acme", plan="pro")
    users = {"related": "users", "op": "none", "where": {"field": "name", "op": "isSet"}}
    events = [{"event": name, "op": "none"} for name in ("Login", "Export")]
    await score("Quiet", {"poor": {"all": [*events, users, {**users, "where": {"field": "email", "op": "isSet"}}]}})

    why = (await client.get(f"{API}/accounts/acme/why", params={"fact": "healthScores.quiet"})).json()

    assert why["inputs"][0]["saw"] == {"Event: Login": 0, "Event: Export": 0, "users": 0, "users (2)": 0}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"conditions": []}, "#/conditions"),
        ({"conditions": [{}]}, "#/conditions/0"),
        ({"conditions": [{"poor": {"all": []}}]}, "#/conditions/0/poor"),
        ({"conditions": [{"poor": {"field": "nothing", "op": "isSet"}}]}, "#/conditions/0/poor/field"),
        ({"conditions": [{"poor": {"field": "health", "op": "isSet"}}]}, "#/conditions/0/poor"),
        ({"conditions": [{"poor": {"field": "segments", "op": "isSet"}}]}, "#/conditions/0/poor"),
        ({"conditions": [{"poor": {"field": "indicators", "op": "isSet"}}]}, "#/conditions/0/poor"),
        ({"conditions": [{"poor": {"field": "updatedAt", "op": "isSet"}}]}, "#/conditions/0/poor"),
        ({"conditions": [{"poor": {"field": "csm", "op": "isMe"}}]}, "#/conditions/0/poor"),
        ({"conditions": [{"field": "nothing", "poor": {"field": "mrr", "op": "isSet"}}]}, "#/conditions/0/field"),
        ({"conditions": [{"poor": {"field": "mrr", "op": "isSet"}}], "weight": 0.0001}, "#/weight"),
        (
            {"conditions": [{"poor": {"field": "mrr", "op": "isSet"}}], "variants": [{"segment": "x"}]},
            "#/variants/0/segment",
        ),
    ],
)
async def test_what_cannot_be_used_is_refused_with_its_place(client, body, pointer):
    answer = await client.post(f"{API}/health-scores", json={"name": "Score", **body})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text


async def test_a_slug_is_taken_until_its_score_is_archived(score, client):
    body = {"name": "Revenue", "conditions": [over("mrr", healthy=100, poor=10)]}
    made = (await client.post(f"{API}/health-scores", json=body)).json()

    taken = await client.post(f"{API}/health-scores", json=body)
    await client.delete(f"{API}/health-scores/{made['id']}")
    free = await client.post(f"{API}/health-scores", json=body)

    assert (taken.status_code, taken.json()["code"], free.status_code) == (409, "health_score_exists", 201)


async def test_deleting_an_account_takes_its_history_along(account, score, client, drain, database, workspace):
    await account("acme", mrr=50)
    await score("Revenue", over("mrr", healthy=100, poor=10))
    assert (await client.delete(f"{API}/accounts/acme")).status_code == 202
    await drain()

    async with database.transaction(workspace) as db:
        assert await db.scalar(text("select count(*) from health_days")) == 0


async def test_only_some_previews_run_at_a_time(client, monkeypatch):
    monkeypatch.setattr(health_scores.PREVIEWS, "taken", health_scores.PREVIEWS.most)
    answer = await client.post(f"{API}/health-scores/preview", json={"conditions": [over("mrr", healthy=10, poor=1)]})

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_previews")


async def test_a_preview_that_takes_too_long_says_what_to_do(client, monkeypatch):
    monkeypatch.setattr(health_previews, "SECONDS", 0.1)
    monkeypatch.setattr(health_previews, "_statement", lambda *_: text("select pg_sleep(3)"))

    answer = await client.post(f"{API}/health-scores/preview", json={"conditions": [over("mrr", healthy=100, poor=10)]})

    assert (answer.status_code, answer.json()["code"]) == (422, "preview_too_slow")
    assert "`sample`" in answer.json()["detail"]
