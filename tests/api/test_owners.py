"""Account owners through the API: every edge case of the documented product, with real messages and real evaluation."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

T0 = datetime(2026, 3, 1, 9, tzinfo=UTC)


def at(minute):
    return (T0 + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


def says(value, minute, account="acme", key="ownerId"):
    return {"type": "account", "accountId": account, "traits": {key: value}, "timestamp": at(minute)}


def joins(user, minute, account="acme", **traits):
    return {"type": "user", "userId": user, "accountId": account, "traits": traits, "timestamp": at(minute)}


def leaves(user, minute, account="acme"):
    return {"type": "unlink", "userId": user, "accountId": account, "timestamp": at(minute)}


def acts(user, minute, event="Login", account="acme"):
    return {"type": "event", "event": event, "userId": user, "accountId": account, "timestamp": at(minute)}


@pytest.fixture
async def mapped(client, drain):
    answer = await client.put("/api/v1/trait-map", json={"owner": "ownerId"})
    assert answer.status_code == 200, answer.text
    await drain()


@pytest.fixture
def tell(client, drain):
    """Send messages and let them be evaluated."""

    async def send(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code in (200, 202, 207), answer.text
        await drain()

    return send


@pytest.fixture
def owner(client):
    async def ask(account="acme"):
        answer = await client.get(f"/api/v1/accounts/{account}/owner")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["settling"] is False
        return body

    return ask


@pytest.fixture
def choose(client):
    async def put(user, account="acme", **more):
        return await client.put(f"/api/v1/accounts/{account}/owner", json={"user": user, **more})

    return put


def brief(body):
    return body["owner"] and body["owner"]["externalId"], body["source"], body["state"]


pytestmark = pytest.mark.usefixtures("mapped")


async def test_the_trait_names_the_owner(tell, owner):
    await tell(joins("user-1", 0, email="ann@acme.example", name="Ann"), says("user-1", 1))

    found = await owner()

    assert brief(found) == ("user-1", "trait", "resolved")
    assert found["trait"] == {"key": "ownerId", "valueSeen": "user-1", "seenAt": at(1)}
    assert found["since"] == at(1)
    assert found["rule"] == 'Trait "ownerId" names user "user-1", who is linked to the account.'
    assert [step["verdict"] for step in found["steps"]] == ["decides"]


async def test_the_six_columns(tell, owner, client, drain):
    await tell(
        joins("user-1", 0, email="ann@acme.example", createdAt="2025-12-24T18:00:00Z"),
        says("user-1", 1),
        acts("user-1", 10),
        acts("user-1", 20),
        acts("user-1", 60 * 24),
        acts("user-1", 30, "$message.received"),
        acts("user-1", 40, "$message.sent"),
    )

    untracked = (await owner())["owner"]
    await client.patch("/api/v1/workspace", json={"conversationTracking": True})
    await drain()
    tracked = (await owner())["owner"]

    assert untracked["lastReceivedMessageAt"] is None
    assert untracked["lastSentMessageAt"] is None
    assert {key: tracked[key] for key in tracked if key != "id"} == {
        "externalId": "user-1",
        "name": None,
        "email": "ann@acme.example",
        "joinedAt": "2025-12-24T18:00:00Z",
        "lastSeenAt": at(60 * 24),
        "sessions": 2,
        "lastReceivedMessageAt": at(30),
        "lastSentMessageAt": at(40),
    }


async def test_without_a_join_date_the_first_activity_counts(tell, owner):
    await tell(joins("user-1", 0), says("user-1", 1), acts("user-1", 10), acts("user-1", 5))

    assert (await owner())["owner"]["joinedAt"] == at(5)


async def test_an_unknown_user_is_pending_until_known_and_linked(tell, owner):
    await tell(says("user-1", 1))
    unknown = await owner()
    await tell({"type": "user", "userId": "user-1", "timestamp": at(2)})
    stranger = await owner()
    await tell(joins("user-1", 3))
    linked = await owner()

    assert brief(unknown) == brief(stranger) == (None, None, "pending")
    assert unknown["pendingValue"] == stranger["pendingValue"] == "user-1"
    assert "not known yet" in unknown["steps"][0]["because"]
    assert "not linked" in stranger["steps"][0]["because"]
    assert brief(linked) == ("user-1", "trait", "resolved")
    assert (linked["since"], linked["pendingValue"]) == (at(3), None)


async def test_an_unresolved_value_never_takes_the_owner_away(tell, owner):
    await tell(joins("user-1", 0), says("user-1", 1), says("ghost", 2))

    found = await owner()

    assert brief(found) == ("user-1", "trait", "pending")
    assert found["pendingValue"] == "ghost"


async def test_a_choice_stands_until_the_trait_changes(tell, owner, choose):
    await tell(joins("user-1", 0), joins("user-2", 0), joins("user-3", 0), says("user-1", 1))

    chosen = (await choose("user-2")).json()
    now = datetime.now(UTC) + timedelta(seconds=1)
    await tell({"type": "account", "accountId": "acme", "traits": {"ownerId": "user-1"}})
    resent = await owner()
    await tell({"type": "account", "accountId": "acme", "traits": {"ownerId": "user-3"}, "timestamp": now.isoformat()})
    changed = await owner()

    assert brief(chosen) == brief(resent) == ("user-2", "api", "resolved")
    assert brief(changed) == ("user-3", "trait", "resolved")


async def test_a_manual_choice_is_recorded_with_who_made_it(tell, owner, choose):
    await tell(joins("user-1", 0))

    await choose("user-1", source="manual", by="Dana")

    assert brief(await owner()) == ("user-1", "manual", "resolved")


async def test_a_choice_beats_a_trait_whose_clock_runs_ahead(tell, owner, choose):
    ahead = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    await tell(joins("user-1", 0), joins("user-2", 0))
    await tell({"type": "account", "accountId": "acme", "traits": {"ownerId": "user-1"}, "timestamp": ahead})

    assert brief((await choose("user-2")).json()) == ("user-2", "api", "resolved")
    assert brief(await owner()) == ("user-2", "api", "resolved")


async def test_a_cleared_trait_takes_only_its_own_owner_away(tell, owner, choose):
    await tell(joins("user-1", 0), joins("user-2", 0), says("user-1", 1), says(None, 2))
    cleared = await owner()
    await choose("user-2")
    await tell({"type": "account", "accountId": "acme", "traits": {"ownerId": None}})

    assert brief(cleared) == (None, None, "none")
    assert brief(await owner()) == ("user-2", "api", "resolved")


async def test_an_owner_who_leaves_is_followed_by_the_policy(tell, owner, client, drain):
    await tell(joins("user-0", 0), joins("user-1", 1), joins("user-2", 1), says("user-0", 1), says("user-1", 2))
    await tell(leaves("user-1", 3))
    without = await owner()
    await client.patch("/api/v1/workspace", json={"ownerDefaultPolicy": "first_user"})
    await drain()
    with_policy = await owner()
    await tell(joins("user-1", 4))

    assert brief(without) == (None, None, "pending")
    assert brief(with_policy) == ("user-0", "auto_first_user", "pending")
    assert brief(await owner()) == ("user-1", "trait", "resolved")


async def test_a_chosen_owner_who_leaves_hands_back_to_the_trait(tell, owner, choose):
    await tell(joins("user-1", 0), joins("user-2", 0), says("user-1", 1))
    await choose("user-2")

    await tell(leaves("user-2", 2))

    assert brief(await owner()) == ("user-1", "trait", "resolved")


async def test_the_first_user_ever_is_the_default_whatever_came_first(tell, owner, client, drain):
    await client.patch("/api/v1/workspace", json={"ownerDefaultPolicy": "first_user"})
    await tell(joins("user-2", 5))
    early = await owner()
    await tell(acts("user-1", 1))

    assert brief(early) == ("user-2", "auto_first_user", "resolved")
    assert brief(await owner()) == ("user-1", "auto_first_user", "resolved")


async def test_numbers_match_as_text(tell, owner):
    await tell(joins(5, 0), says(5, 1))
    number = await owner()
    await tell(says("5", 2))

    assert brief(number) == brief(await owner()) == ("5", "trait", "resolved")


async def test_one_user_may_own_many_accounts(tell, owner):
    accounts = ["acme", "globex", "initech"]
    await tell(*(joins("user-1", 0, account=one) for one in accounts), *(says("user-1", 1, one) for one in accounts))

    assert {brief(await owner(one)) for one in accounts} == {("user-1", "trait", "resolved")}


async def test_nobody_is_a_decision_too(tell, owner, choose, client, drain):
    await client.patch("/api/v1/workspace", json={"ownerDefaultPolicy": "first_user"})
    await tell(joins("user-1", 0), says("user-1", 1))

    nobody = (await choose(None)).json()
    await drain()
    still = await owner()
    back = (await client.delete("/api/v1/accounts/acme/owner")).json()
    again = (await client.delete("/api/v1/accounts/acme/owner")).json()

    assert brief(nobody) == brief(still) == (None, "api", "none")
    assert brief(back) == brief(again) == ("user-1", "trait", "resolved")


async def test_only_someone_linked_can_be_chosen(tell, choose, owner):
    await tell(joins("user-1", 0), {"type": "user", "userId": "user-2", "timestamp": at(0)})

    stranger, ghost, nowhere = await choose("user-2"), await choose("ghost"), await choose("user-1", "nowhere")

    assert (stranger.status_code, stranger.json()["code"]) == (422, "user_not_linked")
    assert (ghost.status_code, ghost.json()["code"]) == (404, "unknown_user")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown_account")
    assert brief(await owner()) == (None, None, "none")


async def test_what_is_sent_must_be_a_choice(client, tell):
    await tell(joins("user-1", 0))

    for body in (
        {},
        {"user": ""},
        {"user": "user-1", "x": 1},
        {"user": ["user-1"]},
        {"user": "user-1", "source": "trait"},
    ):
        assert (await client.put("/api/v1/accounts/acme/owner", json=body)).status_code == 422


async def test_history_tells_every_change_newest_first(tell, choose, client):
    await tell(joins("user-1", 0), joins("user-2", 0), says("user-1", 1))
    await choose("user-2")
    await choose("user-2")
    await choose(None)

    first = (await client.get("/api/v1/accounts/acme/owner/history?limit=2")).json()
    rest = (await client.get(f"/api/v1/accounts/acme/owner/history?limit=2&cursor={first['nextCursor']}")).json()

    told = [
        (one["from"] and one["from"]["externalId"], one["to"] and one["to"]["externalId"], one["source"])
        for one in first["data"] + rest["data"]
    ]
    assert told == [("user-2", None, "api"), ("user-1", "user-2", "api"), (None, "user-1", "trait")]
    assert (first["hasMore"], rest["hasMore"]) == (True, False)
    oldest = rest["data"][0]
    assert (oldest["traitKey"], oldest["traitValue"]) == ("ownerId", "user-1")
    assert oldest["reason"] == 'Trait "ownerId" names user "user-1", who is linked to the account.'


async def test_reading_needs_read_and_deciding_needs_admin(tell, make_client, workspace):
    await tell(joins("user-1", 0))
    reader, sender = await make_client(workspace, "read"), await make_client(workspace, "ingest")

    assert (await reader.get("/api/v1/accounts/acme/owner")).status_code == 200
    assert (await reader.put("/api/v1/accounts/acme/owner", json={"user": "user-1"})).status_code == 403
    assert (await reader.delete("/api/v1/accounts/acme/owner")).status_code == 403
    assert (await sender.get("/api/v1/accounts/acme/owner")).status_code == 403


async def test_another_workspace_sees_nothing(tell, make_client, other_workspace):
    await tell(joins("user-1", 0), says("user-1", 1))
    stranger = await make_client(other_workspace)

    assert (await stranger.get("/api/v1/accounts/acme/owner")).status_code == 404
    assert (await stranger.put("/api/v1/accounts/acme/owner", json={"user": None})).status_code == 404


async def test_newer_data_shows_as_settling_until_it_is_evaluated(tell, client, drain, owner):
    await tell(joins("user-1", 0))
    await client.post("/api/v1/batch", json={"messages": [says("user-1", 1)]})

    early = (await client.get("/api/v1/accounts/acme/owner")).json()
    await drain()

    assert (early["settling"], early["owner"]) == (True, None)
    assert brief(await owner()) == ("user-1", "trait", "resolved")


async def test_a_changed_owner_is_announced_once_with_before_and_after(tell, choose, client, database, workspace):
    await tell(joins("user-1", 0), joins("user-2", 0), says("user-1", 1))
    hook = await client.post(
        "/api/v1/webhooks", json={"url": "https://hooks.example.com/in", "types": ["account.owner_changed"]}
    )
    assert hook.status_code == 201, hook.text

    await choose("user-2")
    await choose("user-2", source="manual")

    async with database.transaction(workspace) as db:
        letters = [json.loads(body) for body in (await db.execute(text("select body from deliveries"))).scalars()]
    assert [letter["type"] for letter in letters] == ["account.owner_changed"]
    data = letters[0]["data"]
    assert (data["previousOwner"]["externalId"], data["newOwner"]["externalId"]) == ("user-1", "user-2")
    assert (data["source"], data["reason"]) == ("api", 'User "user-2" was chosen through the API.')
    assert data["account"]["externalId"] == "acme"
