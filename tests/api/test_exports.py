"""Everything known of one user or account, as of one moment, line by line."""

import asyncio
import json

import pytest

from app.api.routes import exports as routes
from tests.receivers import Receiver


@pytest.fixture
async def lived(client, drain):
    """A user and an account with a past, and others around them."""
    async with Receiver() as hook:
        await client.put("/api/v1/trait-map", json={"owner": "ownerId"})
        await client.post("/api/v1/webhooks", json={"url": hook.url})
        always = {"field": "externalId", "op": "isSet"}
        await client.post("/api/v1/indicators", json={"name": "Any", "kind": "risk", "filter": always})
        person = {"email": "ada@acme.test", "name": "Ada"}
        messages = [
            {
                "type": "user",
                "userId": "ada",
                "accountId": "acme",
                "traits": person,
                "timestamp": "2026-03-01T09:00:00Z",
            },
            {"type": "user", "userId": "bob", "accountId": "acme", "traits": {"email": "bob@acme.test"}},
            {"type": "account", "accountId": "acme", "traits": {"ownerId": "ada"}, "timestamp": "2026-03-01T09:00:00Z"},
        ]
        for n in range(30):
            who = {"userId": ("ada", "bob")[n % 2], "timestamp": f"2026-03-{n % 9 + 1:02}T10:00:00Z"}
            where = {} if n % 5 == 0 else {"accountId": ("acme", "globex")[n % 3 == 0]}
            messages.append({"type": "event", "event": f"Event {n}", **who, **where})
        answer = await client.post("/api/v1/batch", json={"messages": messages})
        assert answer.json()["accepted"] == 33, answer.text
        await drain()


async def lines(client, path):
    answer = await client.get(f"/api/v1/{path}/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    found = [json.loads(line) for line in answer.content.splitlines()]
    assert found[-1] == {"type": "end", "records": len(found) - 1}
    return found[:-1]


def of(found, kind):
    return [one for one in found if one["type"] == kind]


async def test_a_user_with_everything(client, lived):
    found = await lines(client, "users/ada")

    assert found[0]["type"] == "users"
    assert found[0]["externalId"] == "ada"
    assert found[0]["traits"] == {"email": "ada@acme.test", "name": "Ada"}
    assert found[0]["traitTimes"] == dict.fromkeys(("email", "name"), "2026-03-01T09:00:00Z")
    assert {one["name"] for one in of(found, "events")} == {f"Event {n}" for n in range(0, 30, 2)}
    assert len(of(found, "memberships")) == 2
    assert len(of(found, "user_days")) == 9
    assert len(of(found, "user_activity")) == len(of(found, "owned_accounts")) == len(of(found, "owner_claims")) == 1
    assert [one["toUserId"] for one in of(found, "owner_changes")] == [found[0]["id"]]
    assert {one["body"]["data"]["owner"]["externalId"] for one in of(found, "deliveries")} == {"ada"}
    assert all(len(one["attempts"]) == 1 for one in of(found, "deliveries"))
    assert "bob@acme.test" not in json.dumps(found)


async def test_an_account_with_everything(client, lived):
    found = await lines(client, "accounts/acme")

    assert found[0]["externalId"] == "acme"
    assert {one["type"] for one in found} >= {
        *("accounts", "account_activity", "account_facts", "memberships", "alerts", "owner_changes", "owner_claims"),
        *("events", "deliveries"),
    }
    assert {one["name"] for one in of(found, "events")} == {f"Event {n}" for n in range(30) if n % 5 and n % 3}
    assert len(of(found, "memberships")) == 2


async def test_nothing_changed_means_the_same_bytes(client, lived):
    for path in ("users/ada", "accounts/acme"):
        first, second = [(await client.get(f"/api/v1/{path}/export")).content for _ in range(2)]
        assert first == second


async def test_pages_do_not_show(client, lived, monkeypatch):
    whole = (await client.get("/api/v1/users/ada/export")).content
    monkeypatch.setattr("app.db.exports.ROWS", 2)
    monkeypatch.setattr("app.db.exports.SCANNED", 3)
    assert (await client.get("/api/v1/users/ada/export")).content == whole


async def test_what_happens_meanwhile_is_not_in_it(client, lived, monkeypatch, drain):
    """The first line is read, then the user changes, then the rest is read."""
    monkeypatch.setattr(routes, "CHUNK_BYTES", 1)

    real = routes.exports.everything

    async def slowly(db, workspace_id, kind, subject_id):
        first = True
        async for line in real(db, workspace_id, kind, subject_id):
            yield line
            if first:
                first = False
                more = {"type": "event", "event": "Meanwhile", "userId": "ada", "accountId": "acme"}
                answer = await client.post("/api/v1/batch", json={"messages": [more]})
                assert answer.json()["accepted"] == 1

    before = (await client.get("/api/v1/users/ada/export")).content
    monkeypatch.setattr(routes.exports, "everything", slowly)
    assert (await client.get("/api/v1/users/ada/export")).content == before
    monkeypatch.setattr(routes.exports, "everything", real)
    assert b"Meanwhile" in (await client.get("/api/v1/users/ada/export")).content


async def test_few_at_a_time(client, lived, monkeypatch):
    monkeypatch.setattr(routes.TURNS, "taken", routes.MOST_AT_ONCE)
    answer = await client.get("/api/v1/users/ada/export")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_exports")
    assert answer.headers["retry-after"] == "5"


async def test_a_turn_is_given_back(client, lived):
    await asyncio.gather(*(client.get("/api/v1/users/ada/export") for _ in range(2)))
    assert routes.TURNS.taken == 0


async def test_nobody(client):
    assert (await client.get("/api/v1/users/nobody/export")).json()["code"] == "unknown_user"
    assert (await client.get("/api/v1/accounts/nobody/export")).json()["code"] == "unknown_account"


async def test_numbers_of_any_size_come_out_as_they_are_kept(client):
    """A large double is kept as all its digits, which some writers of JSON refuse."""
    message = {"type": "account", "accountId": "acme", "traits": {"large": 1e300}}
    assert (await client.post("/api/v1/batch", json={"messages": [message]})).status_code == 202

    found = await client.get("/api/v1/accounts/acme/export")

    lines = [json.loads(line) for line in found.text.splitlines()]
    assert next(line for line in lines if line["type"] == "accounts")["traits"] == {"large": 10**300}
