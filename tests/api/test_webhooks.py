"""Webhooks and deliveries through the API: what is accepted, what is shown, who may."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.domain.deliveries import EVENT_TYPES
from app.domain.ids import new_id, read

HOOK = "http://127.0.0.1:9/hook"  # allowed to the tests alone
NOWHERE = "whk_" + "0" * 32


@pytest.fixture
async def webhook(client):
    answer = await client.post("/api/v1/webhooks", json={"url": HOOK, "description": "ours"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_secret_is_shown_once(client, webhook):
    assert webhook["secret"].startswith("whsec_")
    path = f"/api/v1/webhooks/{webhook['id']}"
    shown = (await client.get(path)).json()
    assert shown == {name: value for name, value in webhook.items() if name != "secret"}
    assert shown["enabled"] is True
    assert shown["types"] == []
    everything = [
        (await client.get("/api/v1/webhooks")).text,
        (await client.patch(path, json={"description": "x"})).text,
        (await client.post(f"{path}/test")).text,
    ]
    assert not any(webhook["secret"].removeprefix("whsec_") in text for text in everything)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": "http://example.com/hook"}, 422, "destination_not_allowed"),
        ({"url": "https://10.0.0.1/hook"}, 422, "destination_not_allowed"),
        ({"url": "https://169.254.169.254/latest"}, 422, "destination_not_allowed"),
        ({"url": "https://user:pw@example.com/"}, 422, "destination_not_allowed"),
        ({"url": "https://example.com:22/"}, 422, "destination_not_allowed"),
        ({"url": ""}, 422, "invalid_request"),
        ({"url": HOOK, "types": ["account.exploded"]}, 422, "unknown_event_type"),
        ({"url": HOOK, "types": "account.owner_changed"}, 422, "invalid_request"),
        ({"url": HOOK, "secret": "whsec_mine"}, 422, "unknown_field"),
        ({}, 422, "invalid_request"),
    ],
)
async def test_what_is_refused(client, body, status, code):
    answer = await client.post("/api/v1/webhooks", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_change_changes_what_it_names(client, webhook):
    path = f"/api/v1/webhooks/{webhook['id']}"
    changed = await client.patch(path, json={"types": ["webhook.test", "account.owner_changed"], "url": HOOK + "2"})
    assert changed.status_code == 200
    assert changed.json()["types"] == ["account.owner_changed", "webhook.test"]
    assert (changed.json()["url"], changed.json()["description"]) == (HOOK + "2", "ours")
    assert (await client.patch(path, json={})).json() == changed.json()
    off = (await client.patch(path, json={"enabled": False})).json()
    assert (off["enabled"], off["disabledReason"]) == (False, "by_hand")
    assert (await client.patch(path, json={"url": "https://127.0.0.2/"})).json()["code"] == "destination_not_allowed"
    assert (await client.patch(path, json={"url": None})).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"description": "x"}),
        ("DELETE", "", None),
        ("POST", "/rotate-secret", None),
        ("POST", "/test", None),
        ("POST", "/replay", {"since": "2026-01-01T00:00:00Z"}),
        ("GET", "/deliveries", None),
    ],
)
async def test_what_belongs_to_others_is_not_there(client, make_client, other_workspace, webhook, method, path, body):
    stranger = await make_client(other_workspace)
    for who, where in ((client, NOWHERE), (client, "nonsense"), (stranger, webhook["id"])):
        answer = await who.request(method, f"/api/v1/webhooks/{where}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_webhook")
    assert (await client.get(f"/api/v1/webhooks/{webhook['id']}")).status_code == 200


async def test_readers_read_and_admins_write(make_client, workspace, webhook):
    reader, sender = await make_client(workspace, "read"), await make_client(workspace, "ingest")
    path = f"/api/v1/webhooks/{webhook['id']}"
    for where in ("/api/v1/webhooks", path, f"{path}/deliveries", "/api/v1/event-types"):
        assert (await reader.get(where)).status_code == 200
        assert (await sender.get(where)).status_code == 403
    for method, where, body in (
        ("POST", "/api/v1/webhooks", {"url": HOOK}),
        ("PATCH", path, {"description": "x"}),
        ("DELETE", path, None),
        ("POST", f"{path}/rotate-secret", None),
        ("POST", f"{path}/test", None),
        ("POST", f"{path}/replay", {"since": "2026-01-01T00:00:00Z"}),
    ):
        answer = await reader.request(method, where, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_webhooks_are_listed_page_by_page(client, webhook):
    made = [webhook["id"]] + [
        (await client.post("/api/v1/webhooks", json={"url": HOOK})).json()["id"] for _ in range(4)
    ]
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = (await client.get("/api/v1/webhooks", params=query)).json()
        seen += [one["id"] for one in answer["data"]]
        cursor = answer["nextCursor"]
        if not answer["hasMore"]:
            break
    assert seen == made
    assert cursor is None


async def test_there_is_a_limit(client, webhook, monkeypatch):
    monkeypatch.setattr("app.services.webhooks.MOST_WEBHOOKS", 1)
    answer = await client.post("/api/v1/webhooks", json={"url": HOOK})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


async def test_deliveries_are_listed_newest_first_by_state(client, webhook, database, workspace):
    path = f"/api/v1/webhooks/{webhook['id']}"
    sent = [(await client.post(f"{path}/test")).json()["id"] for _ in range(5)]
    async with database.transaction(workspace) as db:
        await db.execute(
            text("update deliveries set state = 'failed', finished_at = now() where id = any(:ids)"),
            {"ids": [read("dlv", one) for one in sent[:2]]},
        )
    first = (await client.get(f"{path}/deliveries", params={"limit": 3})).json()
    rest = (await client.get(f"{path}/deliveries", params={"limit": 3, "cursor": first["nextCursor"]})).json()
    assert [one["id"] for one in first["data"] + rest["data"]] == sent[::-1]
    failed = (await client.get(f"{path}/deliveries", params={"state": "failed"})).json()
    assert [one["id"] for one in failed["data"]] == sent[1::-1]
    assert {one["webhookId"] for one in failed["data"]} == {webhook["id"]}
    other = await client.get(f"{path}/deliveries", params={"state": "failed", "cursor": first["nextCursor"]})
    assert (other.status_code, other.json()["code"]) == (400, "invalid_cursor")
    assert (await client.get(f"{path}/deliveries", params={"state": "odd"})).status_code == 422


async def test_unknown_deliveries(client, make_client, other_workspace, webhook):
    theirs = (await client.post(f"/api/v1/webhooks/{webhook['id']}/test")).json()["id"]
    stranger = await make_client(other_workspace)
    for who, where in ((client, f"dlv_{new_id().hex}"), (client, "x"), (stranger, theirs)):
        for answer in (
            await who.get(f"/api/v1/deliveries/{where}"),
            await who.post(f"/api/v1/deliveries/{where}/replay"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_delivery")


async def test_a_webhook_that_is_off_sends_no_test(client, webhook):
    path = f"/api/v1/webhooks/{webhook['id']}"
    await client.patch(path, json={"enabled": False})
    for where, body in (("/test", None), ("/replay", {"since": "2026-01-01T00:00:00Z"})):
        answer = await client.post(path + where, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_disabled")


async def test_rotation_says_until_when_the_old_secret_signs(client, webhook):
    path = f"/api/v1/webhooks/{webhook['id']}"
    rotated = (await client.post(f"{path}/rotate-secret")).json()
    assert rotated["secret"].startswith("whsec_")
    until = datetime.fromisoformat(rotated["previousUntil"])
    assert 23.9 < (until - datetime.now(UTC)).total_seconds() / 3600 <= 24
    assert (await client.get(path)).json()["previousSecretUntil"] == rotated["previousUntil"]


async def test_event_types_come_with_whole_examples(client):
    types = (await client.get("/api/v1/event-types")).json()["data"]
    assert [one["type"] for one in types] == list(EVENT_TYPES)
    for one in types:
        assert one["example"]["type"] == one["type"]
        assert set(one["example"]) == {"id", "type", "timestamp", "data"}
        assert {"account", "owner", "csm", "accountExecutive", "keyRoles"} <= set(one["example"]["data"])


async def test_a_deleted_webhook_is_gone_with_its_deliveries(client, webhook):
    path = f"/api/v1/webhooks/{webhook['id']}"
    delivery = (await client.post(f"{path}/test")).json()
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    assert (await client.get(f"/api/v1/deliveries/{delivery['id']}")).status_code == 404
