"""The lifecycle through the API: rules, the clock, choices by hand, organizations and users, previews."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text

from app.services import lifecycle_rules

CANCELLED = {"field": "traits.cancelledAt", "op": "isSet"}
ON_TRIAL = {"field": "traits.plan", "op": "is", "value": "free"}
TESTS = {"field": "externalId", "op": "startsWith", "value": "test-"}


@pytest.fixture
def tell(client, drain):
    async def send(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text
        await drain()

    return send


@pytest.fixture
def rules(client, drain):
    async def put(subject="accounts", *, reprocess=True, **given):
        answer = await client.put(f"/api/v1/lifecycle/{subject}", json={**given, "reprocess": reprocess})
        assert answer.status_code == 200, answer.text
        await drain()
        return answer.json()

    return put


@pytest.fixture
def status(client):
    async def get(ref="acme", kind="accounts"):
        answer = await client.get(f"/api/v1/{kind}/{ref}/status")
        assert answer.status_code == 200, answer.text
        return answer.json()

    return get


@pytest.fixture
def history(client):
    async def get(ref="acme", kind="accounts"):
        rows = (await client.get(f"/api/v1/{kind}/{ref}/status/history")).json()["data"]
        return [(row["from"], row["to"], row["source"]) for row in reversed(rows)]

    return get


@pytest.fixture
def choose(client, drain):
    async def put(value, ref="acme", kind="accounts"):
        answer = await client.put(f"/api/v1/{kind}/{ref}/status", json={"status": value})
        assert answer.status_code == 200, answer.text
        await drain()
        return answer.json()

    return put


@pytest.fixture
def query(database, workspace):
    async def run(sql, **values):
        async with database.transaction(workspace) as db:
            found = await db.execute(text(sql), values)
            return [tuple(row) for row in found.all()] if found.returns_rows else []

    return run


def says(account="acme", at=None, **traits):
    message = {"type": "account", "accountId": account, "traits": traits}
    return message | ({"timestamp": at.isoformat()} if at else {})


async def test_without_rules_everyone_is_subscribed_and_the_status_trait_is_followed(tell, status, history):
    await tell(says(), says("globex", status="Churned"))

    acme, globex = await status(), await status("globex")

    assert (acme["status"], acme["source"], acme["settling"]) == ("subscribed", "default", False)
    assert (globex["status"], globex["source"]) == ("churned", "trait")
    assert globex["endedAt"] == globex["since"]
    assert await history() == []
    assert await history("globex") == [(None, "churned", "trait")]


async def test_rules_apply_when_a_record_is_next_evaluated_or_to_all_of_them_when_asked(tell, status, rules, history):
    await tell(says(cancelledAt="2026-01-01"), says("globex", plan="free"))
    saved = await rules(reprocess=False, churned=CANCELLED, trial=ON_TRIAL)
    before = [(await status(name))["status"] for name in ("acme", "globex")]
    assert (await status())["settling"] is True
    await tell(says(color="red"))
    one = [(await status(name))["status"] for name in ("acme", "globex")]
    applied = await rules(churned=CANCELLED, trial=ON_TRIAL)

    assert (saved["version"], saved["reprocessing"], applied["version"]) == (1, None, 1)
    assert applied["reprocessing"]["cause"] == "lifecycle"
    assert (before, one) == (["subscribed", "subscribed"], ["churned", "subscribed"])
    assert (await status("globex"))["status"] == "trial"
    assert await history() == [("subscribed", "churned", "rule")]


async def test_track_rules_win_in_both_modes(tell, status, rules, choose):
    await tell(says("test-1"), says("acme", cancelledAt="x"))
    await choose("trial", "test-1")
    await rules(track={"mode": "exclude", "filter": TESTS}, churned=CANCELLED)
    excluded = [(await status(name))["status"] for name in ("test-1", "acme")]
    await rules(track={"mode": "include", "filter": TESTS})
    included = [(await status(name))["status"] for name in ("test-1", "acme")]

    assert excluded == ["ignored", "churned"]
    assert included == ["trial", "ignored"]


async def test_a_trial_ends_at_its_instant_with_nothing_posted(client, tell, status, rules, history, clock, drain):
    ends = datetime.now(UTC) + timedelta(days=7)
    await client.put("/api/v1/trait-map", json={"trialEnd": ["trialEndsAt"]})
    await rules(trial={"field": "trialEndsAt", "op": "isSet"})
    await tell(says(trialEndsAt=ends.isoformat()))
    running = await status()
    clock.at = ends - timedelta(seconds=1)
    await drain()
    almost = await status()
    clock.at = ends + timedelta(milliseconds=1)
    settling = (await status())["settling"]
    await drain()

    assert (running["status"], running["unconverted"], almost["unconverted"]) == ("trial", False, False)
    assert settling is True
    assert ((await status())["status"], (await status())["unconverted"]) == ("trial", True)
    assert await history() == [(None, "trial", "rule"), ("trial", "trial", "rule")]


async def test_rules_that_ask_the_clock_are_followed_by_the_clock(tell, status, rules, clock, drain):
    start = datetime.now(UTC)
    await rules(churned={"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 30})
    await tell({"type": "event", "accountId": "acme", "event": "Login", "timestamp": start.isoformat()})
    before = (await status())["status"]
    clock.at = start + timedelta(days=30, seconds=1)
    await drain()
    churned = await status()
    await tell({"type": "event", "accountId": "acme", "event": "Login", "timestamp": clock.at.isoformat()})

    assert (before, churned["status"]) == ("subscribed", "churned")
    assert datetime.fromisoformat(churned["endedAt"]) == clock.at
    assert ((await status())["status"], (await status())["endedAt"]) == ("subscribed", None)


async def test_the_churn_date_is_the_traits_or_the_instant_the_rules_first_matched(client, tell, status, rules):
    await client.put("/api/v1/trait-map", json={"churn": ["left", "cancelledAt"]})
    await rules(churned=CANCELLED)
    await tell(says(cancelledAt="2026-01-02T00:00:00Z"), says("globex", cancelledAt="some day"))

    acme, globex = await status(), await status("globex")

    assert acme["endedAt"] == "2026-01-02T00:00:00Z"
    assert globex["endedAt"] == globex["since"]


@pytest.mark.parametrize(("keeps", "mrr"), [(True, 500.0), (False, None)])
async def test_a_churned_account_keeps_its_last_mrr_unless_told_to_blank_it(client, tell, rules, keeps, mrr):
    await rules(churned={"field": "mrr", "op": "isNotSet"}, keepMrrWhenChurned=keeps)
    await tell(says(mrr=500))
    await tell(says(mrr=None))
    await tell(says(color="red"))

    account = (await client.get("/api/v1/accounts/acme")).json()

    assert (account["status"], account["mrr"]) == ("churned", mrr)


async def test_a_choice_holds_until_the_rules_say_otherwise(tell, status, rules, choose, history):
    await rules(churned=CANCELLED, trial=ON_TRIAL)
    await tell(says(plan="free"))
    chosen = await choose("churned")
    await tell(says(color="red"))
    held = await status()
    await tell(says(plan="pro"))

    assert (chosen["status"], chosen["source"], chosen["choice"]["rulesSaid"]) == ("churned", "manual", "trial")
    assert (held["status"], held["choice"]["status"]) == ("churned", "churned")
    assert ((await status())["status"], (await status())["choice"]) == ("subscribed", None)
    assert await history() == [
        (None, "trial", "rule"),
        ("trial", "churned", "manual"),
        ("churned", "subscribed", "default"),
    ]


async def test_handing_back_to_the_rules(client, tell, status, rules, choose):
    await tell(says())
    await choose("ignored")
    back = await choose(None)
    again = await choose(None)
    rows = (await client.get("/api/v1/accounts/acme/status/history")).json()["data"]

    assert (back["status"], back["choice"], again["status"]) == ("subscribed", None, "subscribed")
    assert [row["to"] for row in rows] == ["subscribed", "ignored"]
    assert rows[1]["changedBy"].startswith("key_")


async def test_any_revenue_even_none_at_all_undoes_a_churn_by_hand(tell, status, choose):
    await tell(says())
    await choose("churned")
    await tell(says(mrr=0))

    found = await status()

    assert (found["status"], found["source"]) == ("subscribed", "rule")


async def test_with_subscribed_conditions_revenue_alone_undoes_nothing(tell, status, choose, rules):
    await rules(subscribed={"field": "mrr", "op": "greaterThan", "value": 0})
    await tell(says())
    await choose("churned")
    await tell(says(mrr=0))
    still = (await status())["status"]
    await tell(says(mrr=10))

    assert (still, (await status())["status"]) == ("churned", "subscribed")


async def test_an_organization_hands_down_churned_and_ignored_and_never_looks_at_its_accounts(
    client, tell, status, choose, history
):
    await tell({"type": "account", "accountId": "acme", "organizationId": "group", "traits": {}}, says("globex"))
    assert (await status("group", "organizations"))["status"] == "subscribed"
    await choose("churned", "group", "organizations")
    churned = await status()
    await choose("trial", "group", "organizations")
    back = await status()
    await choose("churned")

    assert (churned["status"], churned["source"]) == ("churned", "organization")
    assert (back["status"], back["source"]) == ("subscribed", "default")
    assert (await status("group", "organizations"))["status"] == "trial"
    assert (await status("globex"))["status"] == "subscribed"
    assert await history() == [
        ("subscribed", "churned", "organization"),
        ("churned", "subscribed", "default"),
        ("subscribed", "churned", "manual"),
    ]


async def test_an_account_that_changes_its_organization_follows_the_new_one(client, tell, status, choose):
    await tell({"type": "account", "accountId": "acme", "organizationId": "old", "traits": {"mrr": 10}})
    await choose("ignored", "old", "organizations")
    ignored = (await status())["status"]
    await tell({"type": "account", "accountId": "acme", "organizationId": "new", "traits": {"mrr": 20}})
    sums = {
        name: (await client.get(f"/api/v1/organizations/{name}")).json()["accountsCount"] for name in ("old", "new")
    }

    assert (ignored, (await status())["status"]) == ("ignored", "subscribed")
    assert sums == {"old": 0, "new": 1}


async def test_organizations_are_summed_up_whenever_an_account_moves(tell, query):
    at = datetime(2026, 3, 1, tzinfo=UTC)
    await tell(
        {"type": "account", "accountId": "a", "organizationId": "group", "traits": {"mrr": 10}},
        {"type": "account", "accountId": "b", "organizationId": "group", "traits": {"mrr": 5}},
        {"type": "user", "userId": "u1", "accountIds": ["a", "b"]},
        {"type": "user", "userId": "u2", "accountIds": ["b"]},
        {"type": "event", "accountId": "a", "event": "Login", "timestamp": at.isoformat()},
    )
    first = await query("select accounts, users, mrr, first_seen_at, last_seen_at from organization_facts")
    await tell(says("b", mrr=7))

    assert first == [(2, 2, 15, at, at)]
    assert await query("select mrr from organization_facts") == [(17,)]
    assert await query("select count(*) from dirty_records") == [(0,)]


async def test_users_are_deactivated_by_rule_by_hand_and_by_the_clock(tell, status, rules, choose, clock, drain, query):
    start = datetime.now(UTC)
    await tell({"type": "user", "userId": "u1", "traits": {"left": True}}, {"type": "user", "userId": "u2"})
    assert await query("select count(*) from user_facts") == [(0,)], "nobody asks about users"
    quiet = {"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 90}
    await rules("users", churned={"any": [{"field": "traits.left", "op": "isTrue"}, quiet]})
    first = [(await status(name, "users"))["status"] for name in ("u1", "u2")]
    await tell({"type": "event", "userId": "u2", "event": "Login", "timestamp": start.isoformat()})
    clock.at = start + timedelta(days=90, seconds=1)
    await drain()
    late = await status("u2", "users")
    active = await choose("active", "u2", "users")

    assert first == ["deactivated", "active"]
    assert (late["status"], late["endedAt"] is not None) == ("deactivated", True)
    assert (active["status"], active["source"], active["endedAt"]) == ("active", "manual", None)


async def test_a_user_of_whom_something_is_told_is_evaluated_once_rules_ask(tell, status, rules):
    await rules("users", churned={"field": "traits.left", "op": "isTrue"})
    await tell({"type": "user", "userId": "u1", "traits": {}})
    before = (await status("u1", "users"))["status"]
    await tell({"type": "user", "userId": "u1", "traits": {"left": True}})

    assert (before, (await status("u1", "users"))["status"]) == ("active", "deactivated")


async def test_the_preview_says_who_would_move_and_stores_nothing(client, tell, status):
    await tell(says(plan="free"), says("globex", plan="pro"), says("initech"), says("test-1", plan="free"))
    proposed = {
        "track": {"mode": "exclude", "filter": TESTS},
        "trial": ON_TRIAL,
        "churned": {"field": "traits.plan", "op": "isNoneOf", "value": ["free", "pro"]},
        "examples": 1,
    }

    found = (await client.post("/api/v1/lifecycle/accounts/preview", json=proposed)).json()

    assert (found["total"], found["lookedAt"], found["partial"], found["moving"]) == (4, 4, False, 3)
    moves = {(move["from"], move["to"]): move for move in found["moves"]}
    assert {key: move["count"] for key, move in moves.items()} == {
        ("subscribed", "trial"): 1,
        ("subscribed", "ignored"): 1,
        ("subscribed", "churned"): 1,
    }
    (initech,) = moves["subscribed", "churned"]["examples"]
    assert (initech["externalId"], initech["because"]) == ("initech", "It meets the churn conditions.")
    assert {one["condition"]: (one["matching"], one["forLackOfAValue"]) for one in found["conditions"]} == {
        "track": (1, 0),
        "churned": (1, 1),
        "trial": (2, 0),
    }
    assert {(await status(name))["status"] for name in ("acme", "globex", "initech", "test-1")} == {"subscribed"}
    assert (await client.get("/api/v1/lifecycle/accounts")).json()["version"] == 0


async def test_a_preview_of_many_says_that_it_is_a_sample(client, tell, monkeypatch):
    monkeypatch.setattr(lifecycle_rules, "SLICE", 2)
    monkeypatch.setattr(lifecycle_rules, "MOST_RECORDS", 4)
    await tell(*(says(f"account-{n}", plan="free") for n in range(7)))

    found = (await client.post("/api/v1/lifecycle/accounts/preview", json={"trial": ON_TRIAL})).json()

    assert (found["total"], found["lookedAt"], found["partial"], found["moving"]) == (7, 4, True, 4)


async def test_a_preview_says_what_reprocessing_then_does(client, tell, rules, query, choose):
    await tell(*(says(f"a{n}", plan="free" if n % 3 else "pro", mrr=n if n % 2 else None) for n in range(12)))
    await choose("churned", "a1")
    proposed = {"trial": ON_TRIAL, "churned": {"field": "mrr", "op": "lessThan", "value": 6}}
    found = (await client.post("/api/v1/lifecycle/accounts/preview", json=proposed)).json()
    before = dict(await query("select account_id, status from account_facts"))
    await rules(**proposed)
    after = dict(await query("select account_id, status from account_facts"))

    moved = [(before[id_], after[id_]) for id_ in after if before[id_] != after[id_]]
    assert {(m["from"], m["to"]): m["count"] for m in found["moves"]} == {m: moved.count(m) for m in moved}


@pytest.mark.parametrize(
    ("subject", "body", "pointer"),
    [
        ("accounts", {"churned": {"field": "status", "op": "is", "value": "trial"}}, "#/churned"),
        ("accounts", {"trial": {"all": [{"field": "churnedAt", "op": "isSet"}]}}, "#/trial"),
        ("accounts", {"subscribed": {"field": "segments", "op": "isSet"}}, "#/subscribed"),
        ("accounts", {"churned": {"field": "indicators", "op": "isSet"}}, "#/churned"),
        ("accounts", {"churned": {"field": "organization.status", "op": "isSet"}}, "#/churned"),
        (
            "accounts",
            {
                "churned": {
                    "related": "users",
                    "op": "none",
                    "where": {"field": "status", "op": "is", "value": "active"},
                }
            },
            "#/churned",
        ),
        ("accounts", {"churned": {"all": []}}, "#/churned"),
        ("accounts", {"churned": {"field": "updatedAt", "op": "isSet"}}, "#/churned"),
        (
            "organizations",
            {"trial": {"related": "accounts", "op": "none", "where": {"field": "updatedAt", "op": "isSet"}}},
            "#/trial",
        ),
        (
            "accounts",
            {"churned": {"field": "mrr", "op": "decreasedBy", "value": {"by": 50, "unit": "percent", "days": 30}}},
            "#/churned",
        ),
        ("accounts", {"track": {"mode": "exclude", "filter": {"field": "nix", "op": "is"}}}, "#/track/filter/field"),
        ("users", {"trial": {"field": "name", "op": "isSet"}}, "#/trial"),
        ("users", {"churned": {"field": "deactivatedAt", "op": "isSet"}}, "#/churned"),
        ("organizations", {"churned": {"field": "mrr", "op": "is", "value": "much"}}, "#/churned/value"),
    ],
)
async def test_what_no_lifecycle_rule_can_ask_is_refused_with_a_pointer(client, subject, body, pointer):
    answers = [
        await client.put(f"/api/v1/lifecycle/{subject}", json=body),
        await client.post(f"/api/v1/lifecycle/{subject}/preview", json=body),
    ]

    assert [answer.status_code for answer in answers] == [422, 422], answers[0].text
    assert {answer.json()["errors"][0]["pointer"] for answer in answers} == {pointer}
    assert (await client.get(f"/api/v1/lifecycle/{subject}")).json()["version"] == 0


async def test_users_have_no_trial_and_accounts_are_not_deactivated(client, tell):
    await tell({"type": "user", "userId": "u1", "accountId": "acme"})

    assert (await client.put("/api/v1/users/u1/status", json={"status": "trial"})).status_code == 422
    assert (await client.put("/api/v1/accounts/acme/status", json={"status": "deactivated"})).status_code == 422


async def test_two_who_choose_and_an_evaluator_leave_one_status_and_its_history(client, tell, status, drain, history):
    await tell(says())

    async def put(value):
        assert (await client.put("/api/v1/accounts/acme/status", json={"status": value})).status_code == 200

    await asyncio.gather(*(put(value) for value in ("churned", "trial", "ignored", "churned")), tell(says(mrr=None)))
    await drain()
    lines = await history()

    assert (await status())["status"] == lines[-1][1]
    assert all(before[1] == after[0] for before, after in pairwise(lines))


async def test_deleting_an_account_or_user_takes_choices_and_history_along(client, tell, choose, query, drain):
    await tell({"type": "user", "userId": "u1", "accountId": "acme"})
    await choose("churned")
    await choose("deactivated", "u1", "users")
    await client.delete("/api/v1/accounts/acme")
    await client.delete("/api/v1/users/u1")
    await drain()

    assert await query("select count(*) from status_changes") == [(0,)]
    assert await query("select count(*) from status_choices") == [(0,)]


async def test_history_is_paged(client, tell, choose):
    await tell(says())
    for value in ("churned", "trial", "ignored"):
        await choose(value)
    first = (await client.get("/api/v1/accounts/acme/status/history", params={"limit": 2})).json()
    cursor = {"limit": 2, "cursor": first["nextCursor"]}
    second = (await client.get("/api/v1/accounts/acme/status/history", params=cursor)).json()

    assert [row["to"] for row in first["data"] + second["data"]] == ["ignored", "trial", "churned"]
    assert (first["hasMore"], second["hasMore"]) == (True, False)


async def test_why_an_account_has_its_status_and_an_mrr_that_no_trait_says(client, tell, rules):
    await rules(churned={"field": "mrr", "op": "isNotSet"})
    await tell(says(mrr=500))
    await tell(says(mrr=None))

    async def why(fact):
        return (await client.get("/api/v1/accounts/acme/why", params={"fact": fact})).json()

    status, since, churned, mrr = [await why(fact) for fact in ("status", "statusSince", "churnedAt", "mrr")]

    assert (status["value"], status["rule"], status["source"]) == ("churned", "It meets the churn conditions.", "rule")
    assert [one["rung"] for one in status["inputs"] if one["verdict"] == "decides"] == ["churned"]
    assert since["value"] == status["since"] == churned["value"]
    assert mrr["value"] == 500
    assert mrr["rule"].endswith("a churned account keeps its last MRR.")
