"""From a webhook made through the API to what a receiver verifies with a library of its own."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.domain.deliveries import Announcement
from app.domain.ids import new_id, read
from app.services import deliveries
from tests.receivers import Receiver


@pytest.fixture
async def receiver():
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
def sql(database, workspace):
    async def run(statement, **values):
        async with database.transaction(workspace) as db:
            return await db.execute(text(statement), values)

    return run


@pytest.fixture
def later(sql, drain):
    """Time passes: every retry is due."""

    async def run():
        await sql("update jobs set run_at = now() where state = 'ready'")
        await drain()

    return run


@pytest.fixture
async def make_webhook(client, receiver):
    async def make(**changes):
        answer = await client.post("/api/v1/webhooks", json={"url": receiver.url, **changes})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make


@pytest.fixture
async def account(client, drain):
    answer = await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"name": "Ácme"}})
    assert answer.status_code in {200, 202}, answer.text
    await drain()
    return read("acc", answer.json()["account"]["id"])


@pytest.fixture
def announce(database, workspace, account):
    async def run(event_type="indicator.activated", **changes):
        news = Announcement(
            **{
                "type": event_type,
                "account_id": account,
                "event_id": new_id(),
                "occurred_at": datetime.now(UTC),
                "data": {"indicator": {"name": "Quiet"}},
                **changes,
            }
        )
        async with database.transaction(workspace) as db:
            await deliveries.announce(db, workspace, [news], now=datetime.now(UTC))
        return news

    return run


@pytest.fixture
def shown(client):
    """The newest delivery of a webhook, with its log."""

    async def run(webhook, **query):
        listed = await client.get(f"/api/v1/webhooks/{webhook['id']}/deliveries", params=query)
        assert listed.status_code == 200, listed.text
        newest = listed.json()["data"][0]
        return (await client.get(f"/api/v1/deliveries/{newest['id']}")).json()

    return run


async def test_a_letter_arrives_and_verifies(make_webhook, announce, drain, receiver, shown):
    webhook = await make_webhook()
    news = await announce()
    await drain()

    (request,) = receiver.requests
    assert request.headers["webhook-id"] == f"evt_{news.event_id.hex}"
    body = Webhook(webhook["secret"]).verify(request.body, request.headers)
    assert body == request.json()
    assert body["type"] == "indicator.activated"
    assert body["data"]["account"]["name"] == "Ácme"
    assert body["data"]["indicator"] == {"name": "Quiet"}
    assert body["data"]["owner"] is None

    delivery = await shown(webhook)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)
    assert delivery["eventId"] == body["id"] == request.headers["webhook-id"]
    assert delivery["body"].encode() == request.body
    assert [(one["number"], one["status"], one["excerpt"]) for one in delivery["log"]] == [(1, 200, "ok")]


async def test_saying_it_twice_sends_it_once(make_webhook, announce, drain, receiver):
    await make_webhook()
    news = await announce()
    await announce(event_id=news.event_id)
    await drain()
    await announce(event_id=news.event_id)
    await drain()
    assert len(receiver.requests) == 1


async def test_endpoints_get_the_types_they_asked_for(make_webhook, announce, drain, receiver):
    await make_webhook(types=["account.owner_changed"])
    await announce("indicator.activated")
    await announce("account.owner_changed")
    await drain()
    assert [request.json()["type"] for request in receiver.requests] == ["account.owner_changed"]


async def test_a_failure_is_tried_again_with_the_same_id_and_bytes(
    make_webhook, announce, drain, later, receiver, shown, clock
):
    webhook = await make_webhook()
    receiver.script(500, 200)
    await announce()
    await drain()
    pending = await shown(webhook)
    assert (pending["state"], pending["attempts"]) == ("pending", 1)
    assert pending["nextAttemptAt"] is not None
    assert len(receiver.requests) == 1  # not at once

    clock.at = datetime.now(UTC) + timedelta(seconds=5)
    await later()
    first, second = receiver.requests
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    delivery = await shown(webhook)
    assert (delivery["state"], delivery["attempts"], delivery["nextAttemptAt"]) == ("delivered", 2, None)
    assert [one["status"] for one in delivery["log"]] == [500, 200]


async def test_a_receiver_may_ask_for_patience(make_webhook, announce, drain, receiver, shown, now):
    webhook = await make_webhook()
    receiver.answer(429, headers={"retry-after": "600"})
    await announce()
    await drain()
    again = datetime.fromisoformat((await shown(webhook))["nextAttemptAt"])
    assert timedelta(seconds=595) < again - now < timedelta(seconds=800)


async def test_gone_switches_the_endpoint_off_and_what_waits_is_held(
    client, make_webhook, announce, drain, later, receiver, shown, sql
):
    webhook = await make_webhook()
    receiver.script(500, 410, 200)
    await announce()
    await drain()
    await announce()
    await drain()  # the second meets 410
    after = (await client.get(f"/api/v1/webhooks/{webhook['id']}")).json()
    assert (after["enabled"], after["disabledReason"]) == (False, "gone")
    assert (await shown(webhook))["state"] == "cancelled"
    await announce()  # nobody wants to hear it now
    await later()
    assert len(receiver.requests) == 2
    waiting = await shown(webhook, state="pending")
    assert waiting["attempts"] == 1

    refused = await client.post(f"/api/v1/deliveries/{waiting['id']}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
    on = await client.patch(f"/api/v1/webhooks/{webhook['id']}", json={"enabled": True})
    assert (on.json()["enabled"], on.json()["disabledReason"]) == (True, None)
    await later()
    assert len(receiver.requests) == 3
    assert (await client.get(f"/api/v1/deliveries/{waiting['id']}")).json()["state"] == "delivered"


async def test_switched_off_by_hand_nothing_is_sent_and_nothing_lost(
    client, make_webhook, announce, drain, later, receiver
):
    webhook = await make_webhook()
    await announce()
    await client.patch(f"/api/v1/webhooks/{webhook['id']}", json={"enabled": False})
    await drain()
    assert receiver.requests == []
    await client.patch(f"/api/v1/webhooks/{webhook['id']}", json={"enabled": True})
    await later()
    assert len(receiver.requests) == 1


async def test_an_endpoint_that_fails_for_five_days_is_switched_off(
    client, make_webhook, announce, drain, later, receiver, sql, shown
):
    webhook = await make_webhook()
    receiver.answer(500)
    await announce()
    await drain()
    assert (await client.get(f"/api/v1/webhooks/{webhook['id']}")).json()["failingSince"] is not None
    await sql("update webhook_endpoints set failing_since = now() - interval '5 days 1 minute'")
    await later()
    after = (await client.get(f"/api/v1/webhooks/{webhook['id']}")).json()
    assert (after["enabled"], after["disabledReason"]) == (False, "failing")
    assert (await shown(webhook))["state"] == "pending"
    assert [row.state for row in await sql("select state from jobs where kind = 'delivery.send'")] == ["held"]


async def test_a_success_forgets_the_failures_before_it(client, make_webhook, announce, drain, later, receiver):
    webhook = await make_webhook()
    receiver.script(500, 200)
    await announce()
    await drain()
    await later()
    assert (await client.get(f"/api/v1/webhooks/{webhook['id']}")).json()["failingSince"] is None


async def test_after_the_last_attempt_it_has_failed_and_can_be_replayed(
    client, make_webhook, announce, drain, later, receiver, shown, sql
):
    webhook = await make_webhook()
    receiver.answer(500)
    since = datetime.now(UTC)
    await announce()
    await drain()
    for _ in range(9):
        await later()
    delivery = await shown(webhook)
    assert (delivery["state"], delivery["attempts"], len(delivery["log"])) == ("failed", 10, 10)
    assert [row.state for row in await sql("select state from jobs where kind = 'delivery.send'")] == ["dead"]
    await later()
    assert len(receiver.requests) == 10

    receiver.answer(200)
    replayed = await client.post(
        f"/api/v1/webhooks/{webhook['id']}/replay", json={"since": since.isoformat().replace("+00:00", "Z")}
    )
    assert (replayed.status_code, replayed.json()) == (202, {"replayed": 1})
    await drain()
    assert len(receiver.requests) == 11
    assert len({(request.body, request.headers["webhook-id"]) for request in receiver.requests}) == 1
    delivery = await shown(webhook)
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 11)
    assert {row.state for row in await sql("select state from jobs where kind = 'delivery.send'")} == {
        "cancelled",
        "done",
    }


async def test_a_delivered_letter_can_be_sent_again(client, make_webhook, announce, drain, receiver, shown):
    webhook = await make_webhook()
    await announce()
    await drain()
    delivery = await shown(webhook)
    answer = await client.post(f"/api/v1/deliveries/{delivery['id']}/replay")
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    await drain()
    first, second = receiver.requests
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])


async def test_while_a_secret_is_rotated_both_open(client, make_webhook, announce, drain, receiver, clock):
    webhook = await make_webhook()
    rotated = (await client.post(f"/api/v1/webhooks/{webhook['id']}/rotate-secret")).json()
    assert rotated["secret"] != webhook["secret"]
    await announce()
    await drain()
    (request,) = receiver.requests
    assert len(request.headers["webhook-signature"].split()) == 2
    for secret in (webhook["secret"], rotated["secret"]):
        assert Webhook(secret).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(rotated["secret"]).verify(request.body + b" ", request.headers)

    clock.at = datetime.now(UTC) + timedelta(hours=25)
    await announce()
    await drain()
    clock.at = None
    last = receiver.requests[-1]
    assert len(last.headers["webhook-signature"].split()) == 1


async def test_a_destination_that_has_become_private_fails_at_once(make_webhook, announce, drain, receiver, sql, shown):
    webhook = await make_webhook()
    await sql("update webhook_endpoints set url = 'https://10.0.0.1/hook'")
    await announce()
    await drain()
    delivery = await shown(webhook)
    assert delivery["state"] == "failed"
    assert [(one["status"], one["error"]) for one in delivery["log"]] == [(None, "destination_not_allowed")]


async def test_a_test_event_reaches_an_endpoint_of_any_type(client, make_webhook, drain, receiver):
    webhook = await make_webhook(types=["indicator.resolved"])
    delivery = (await client.post(f"/api/v1/webhooks/{webhook['id']}/test")).json()
    assert (delivery["type"], delivery["state"]) == ("webhook.test", "pending")
    await drain()
    body = Webhook(webhook["secret"]).verify(receiver.requests[0].body, receiver.requests[0].headers)
    assert body["type"] == "webhook.test"
    assert (await client.get(f"/api/v1/deliveries/{delivery['id']}")).json()["state"] == "delivered"


async def test_a_deleted_webhook_gets_nothing_more(client, make_webhook, announce, drain, receiver, sql):
    webhook = await make_webhook()
    await announce()
    assert (await client.delete(f"/api/v1/webhooks/{webhook['id']}")).status_code == 204
    await drain()
    assert receiver.requests == []
    assert [row.state for row in await sql("select state from jobs where kind = 'delivery.send'")] == ["cancelled"]


async def test_the_trait_that_makes_a_letter_too_large_is_left_out(client, make_webhook, announce, drain, receiver):
    await make_webhook()
    await client.post(
        "/api/v1/accounts", json={"externalId": "acme", "traits": {f"t{n}": "x" * 7000 for n in range(4)}}
    )
    await drain()
    await announce()
    await drain()
    request = receiver.requests[-1]
    assert len(request.body) <= 20_000
    assert json.loads(request.body)["data"]["account"]["traitsTruncated"] is True


def shape(value):
    """The keys of a JSON value, all the way down, except below traits and into lists."""
    if isinstance(value, dict):
        return {name: None if name == "traits" else shape(inner) for name, inner in value.items()}
    return None


async def test_what_really_happens_looks_like_the_examples(client, make_webhook, drain, receiver):
    """The journey: a mapped trait names the owner, an indicator comes to hold, and no longer does."""
    await make_webhook()
    member = (await client.post("/api/v1/members", json={"name": "Ana", "email": "ana@example.com"})).json()
    rule = {"field": "mrr", "op": "lessThan", "value": 100}
    made = await client.post(
        "/api/v1/indicators",
        json={"name": "Small", "kind": "risk", "filter": rule, "assignee": {"member": member["id"]}},
    )
    assert made.status_code == 201, made.text
    mapped = await client.put("/api/v1/trait-map", json={"owner": "ownerId"})
    assert mapped.status_code == 200, mapped.text
    await drain()
    user = {"externalId": "olive", "accounts": ["acme"], "traits": {"name": "Olive"}}
    for path, body in (
        ("accounts", {"externalId": "acme", "traits": {"ownerId": "olive", "mrr": 50}}),
        ("users", user),
        ("accounts", {"externalId": "acme", "traits": {"mrr": 500}}),
    ):
        answer = await client.post(f"/api/v1/{path}", json=body)
        assert answer.status_code in {200, 202}, answer.text
        await drain()
    examples = {one["type"]: one["example"] for one in (await client.get("/api/v1/event-types")).json()["data"]}
    letters = {request.json()["type"]: request.json() for request in receiver.requests}
    assert letters.keys() == examples.keys() - {"webhook.test"}
    assert letters["account.owner_changed"]["data"]["owner"]["externalId"] == "olive"
    for name, letter in letters.items():
        known = {"owner": shape(examples[name]["data"]["owner"]), "csm": None, "previousOwner": None}
        ours, theirs = shape(letter), shape(examples[name])
        for both in (ours["data"], theirs["data"]):
            both |= {key: None for key in known if key in both}
        assert ours == theirs
        for why, example in zip(letter["data"].get("why", []), examples[name]["data"].get("why", []), strict=False):
            assert why.keys() == example.keys()
