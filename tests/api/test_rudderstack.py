"""RudderStack's server as a sender: one event per request, the key as its user typed it."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from dirty_equals import IsPartialDict, IsStr

MESSAGE = {
    "type": "track",
    "messageId": "m-1",
    "userId": "user-1",
    "anonymousId": "0190f3c2",
    "event": "Login",
    "properties": {"plan": "pro"},
    "channel": "web",
    "rudderId": "6f1",
    "request_ip": "192.0.2.1",
    "context": {"groupId": "acme", "traits": {"email": "ada@acme.test"}, "library": {"name": "x"}},
    "originalTimestamp": "2026-05-01T09:43:19.329Z",
    "sentAt": "2026-05-01T09:43:19.800Z",
    "timestamp": "2026-05-01T09:43:20.100Z",
    "receivedAt": "2026-05-01T09:43:20.571Z",
}


def counts(answer):
    return {name: count for name, count in answer.json().items() if count}


async def test_an_event_is_stored_with_the_account_and_the_user_it_names(client):
    answer = await client.post("/rudderstack", json=MESSAGE)
    again = await client.post("/rudderstack", json={**MESSAGE, "receivedAt": "2026-05-01T10:00:00Z", "rudderId": "7"})

    assert (answer.status_code, counts(answer)) == (200, {"success": True, "accepted": 1})
    assert (again.status_code, counts(again)) == (200, {"success": True, "duplicates": 1})
    account = (await client.get("/api/v1/accounts/acme")).json()
    assert account == IsPartialDict(events=1, lastSeenAt="2026-05-01T09:43:20.100000Z")
    assert (await client.get("/api/v1/users/user-1")).json() == IsPartialDict(email="ada@acme.test")


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"type": "identify", "userId": "user-1", "context": {"traits": {"email": "ada@acme.test"}}}, "accepted"),
        ({"type": "group", "userId": "user-1", "groupId": "acme", "traits": {"name": "Acme"}}, "accepted"),
        ({"type": "page", "userId": "user-1", "name": "Home"}, "accepted"),
        ({"type": "track", "anonymousId": "x", "event": "Login"}, "ignored"),
        ({"type": "alias", "userId": "user-1", "previousId": "x"}, "ignored"),
    ],
)
async def test_every_kind_is_taken(client, message, found):
    answer = await client.post("/rudderstack", json=message)
    assert (answer.status_code, counts(answer)) == (200, {"success": True, found: 1})


async def test_an_event_that_waited_there_for_hours_is_not_moved(client, clock):
    clock.at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    happened = clock.at - timedelta(hours=5)
    times = dict.fromkeys(("originalTimestamp", "sentAt", "timestamp", "receivedAt"), happened.isoformat())
    await client.post("/rudderstack", json={**MESSAGE, **times})

    seen = (await client.get("/api/v1/accounts/acme")).json()["lastSeenAt"]
    assert datetime.fromisoformat(seen) == happened


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"[]", "invalid_message"),
        (b"{}", "unknown_type"),
        (b'{"type": "merge"}', "unknown_type"),
        (b'{"type": "track", "userId": "u"}', "blank_name"),
    ],
)
async def test_what_it_should_not_send_again_is_a_400(client, body, code):
    answer = await client.post("/rudderstack", content=body)
    assert (answer.status_code, answer.json()) == (400, IsPartialDict(code=code, error=code, message=IsStr()))


async def test_the_key_is_read_as_its_user_typed_it(app, make_key, workspace):
    key = await make_key(workspace, "ingest")
    packed = b64encode(f"{key}:".encode()).decode()
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://steward.test") as sender:
        for typed in (f"Basic {packed}", f"Basic {packed}:", f"Basic {packed.rstrip('=')}", f"Basic {key}"):
            answer = await sender.post("/rudderstack", json=MESSAGE, headers={"authorization": typed})
            assert answer.status_code == 200, typed
        assert (await sender.post("/rudderstack", json=MESSAGE)).status_code == 401
