"""API keys over the wire: made, listed, rotated, revoked; and what they may do."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain import keys as rules
from app.services import keys

REQUEST_ID = {"x-request-id": "same-for-both"}


async def make(client, **body):
    answer = await client.post("/api/v1/keys", json={"name": "Backend", "scopes": ["read"], **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def ask(client, secret):
    return await client.get("/api/v1/me", headers={"authorization": f"Bearer {secret}", **REQUEST_ID})


async def test_a_secret_is_shown_once_and_works(client):
    made = await make(client)

    assert rules.well_formed(made["secret"])
    assert made["secret"].startswith(made["hint"])
    assert made["secret"].startswith("stw_test_rea_")
    me = await ask(client, made["secret"])
    assert me.status_code == 200
    assert me.json()["key"] == {"id": made["id"], "name": "Backend", "hint": made["hint"]}
    assert me.json()["scopes"] == ["read"]
    shown = (await client.get(f"/api/v1/keys/{made['id']}")).json()
    assert "secret" not in shown
    assert made["secret"] not in (await client.get("/api/v1/keys")).text


async def test_the_database_does_not_hold_the_secret(client, database, workspace):
    made = await make(client)

    async with database.transaction(workspace) as db:
        stored = (await db.execute(text("select row_to_json(k)::text from api_keys k"))).scalars().all()
        hashes = (await db.execute(text("select encode(secret_hash, 'escape') from key_secrets"))).scalars().all()
    assert not any(made["secret"][20:] in row for row in [*stored, *hashes])


async def test_keys_are_listed_newest_first_page_by_page(client):
    names = [f"key {number}" for number in range(4)]
    for name in names:
        await make(client, name=name)

    first = (await client.get("/api/v1/keys", params={"limit": 3})).json()
    second = (await client.get("/api/v1/keys", params={"limit": 3, "cursor": first["nextCursor"]})).json()

    assert [key["name"] for key in first["data"]] == ["key 3", "key 2", "key 1"]
    assert first["hasMore"]
    assert [key["name"] for key in second["data"]] == ["key 0", "test"]
    assert (second["hasMore"], second["nextCursor"]) == (False, None)


async def test_rotation_keeps_the_old_secret_for_the_overlap(client, clock):
    made = await make(client)
    rotated = (await client.post(f"/api/v1/keys/{made['id']}/rotate", json={"overlapHours": 2})).json()

    assert rotated["secret"] != made["secret"]
    assert (await ask(client, made["secret"])).status_code == 200
    assert (await ask(client, rotated["secret"])).status_code == 200
    clock.at = datetime.now(UTC) + timedelta(hours=2, seconds=5)
    assert (await ask(client, made["secret"])).status_code == 401
    assert (await ask(client, rotated["secret"])).status_code == 200


async def test_rotation_without_overlap_ends_the_old_secret_at_once(client):
    made = await make(client)
    await ask(client, made["secret"])
    await client.post(f"/api/v1/keys/{made['id']}/rotate", json={"overlapHours": 0})

    assert (await ask(client, made["secret"])).status_code == 401


async def test_a_revoked_key_stops_working_and_stays_listed(client):
    made = await make(client)
    assert (await ask(client, made["secret"])).status_code == 200

    assert (await client.delete(f"/api/v1/keys/{made['id']}")).status_code == 204
    assert (await client.delete(f"/api/v1/keys/{made['id']}")).status_code == 204

    assert (await ask(client, made["secret"])).status_code == 401
    assert (await client.get(f"/api/v1/keys/{made['id']}")).json()["revokedAt"] is not None
    again = await client.post(f"/api/v1/keys/{made['id']}/rotate", json={})
    assert (again.status_code, again.json()["code"]) == (409, "key_revoked")


async def test_a_key_revoked_elsewhere_stops_working_within_five_seconds(client, database, workspace):
    made = await make(client)
    assert (await ask(client, made["secret"])).status_code == 200

    async with database.transaction(workspace) as db:  # as another process would
        await keys.revoke(db, workspace, rules_id(made), now=datetime.now(UTC))

    async with asyncio.timeout(5):
        while (await ask(client, made["secret"])).status_code != 401:
            await asyncio.sleep(0.2)


def rules_id(made):
    from app.domain import ids

    return ids.read("key", made["id"])


async def test_unknown_revoked_and_expired_keys_are_refused_in_the_same_bytes(client, clock):
    revoked, expired = await make(client), await make(client, expiresAt="2031-01-01T00:00:00Z")
    await client.delete(f"/api/v1/keys/{revoked['id']}")
    unknown = rules.secret("test", ["read"], b"\7" * 32)
    clock.at = datetime(2031, 1, 2, tzinfo=UTC)

    bodies = [await ask(client, secret) for secret in (unknown, revoked["secret"], expired["secret"], "stw_nonsense")]

    assert {answer.status_code for answer in bodies} == {401}
    assert len({answer.content for answer in bodies}) == 1
    assert {answer.headers["www-authenticate"] for answer in bodies} == {'Bearer realm="steward"'}


async def test_a_key_with_wrong_check_digits_costs_no_query(app, client, monkeypatch):
    asked, callers = [], app.state.steward.callers
    look_up = callers._look_up
    monkeypatch.setattr(callers, "_look_up", lambda fingerprint: asked.append(fingerprint) or look_up(fingerprint))
    good = rules.secret("test", ["read"], b"\1" * 32)

    for secret in (good[:-1] + ("a" if good[-1] != "a" else "b"), "x", "stw_live_rea_" + "0" * 36, "é" * 49):
        answer = await client.get("/api/v1/me", headers={"authorization": f"Bearer {secret}".encode("latin-1")})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
    assert asked == []
    await ask(client, good)
    await ask(client, good)
    assert len(asked) == 1


async def test_basic_authentication_carries_the_key_as_user_name(client):
    made = await make(client)

    answer = await client.get("/api/v1/me", headers={"authorization": ""}, auth=(made["secret"], ""))
    assert answer.status_code == 200


async def test_last_use_is_written_once_a_minute(app, client, monkeypatch):
    usage, written = app.state.steward.usage, []
    write = usage._write
    monkeypatch.setattr(usage, "_write", lambda caller: written.append(caller) or write(caller))
    made = await make(client)

    for _ in range(20):
        await ask(client, made["secret"])
    await usage.settle()

    assert len([caller for caller in written if rules_id(made) == caller.key_id]) == 1
    assert (await client.get(f"/api/v1/keys/{made['id']}")).json()["lastUsedAt"] is not None


async def test_a_missing_scope_is_named(make_client, workspace):
    reader = await make_client(workspace, "read")

    answer = await reader.get("/api/v1/keys")

    assert answer.status_code == 403
    assert answer.json()["code"] == "insufficient_scope"
    assert answer.json()["context"] == {"scope": "admin"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": " ", "scopes": ["read"]}, "invalid_request"),
        ({"name": "x", "scopes": []}, "invalid_request"),
        ({"name": "x", "scopes": ["read", "read"]}, "invalid_request"),
        ({"name": "x", "scopes": ["root"]}, "invalid_request"),
        ({"name": "x", "scopes": ["read"], "secret": "mine"}, "unknown_field"),
        ({"name": "x", "scopes": ["read"], "expiresAt": "2001-01-01T00:00:00Z"}, "expiry_in_the_past"),
        ({"name": "x", "scopes": ["read"], "expiresAt": 12345}, "invalid_request"),
        ({"name": 7, "scopes": ["read"]}, "invalid_request"),
    ],
)
async def test_what_a_key_cannot_be(client, body, code):
    answer = await client.post("/api/v1/keys", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_the_workspace_is_shown_and_changed(client):
    before = (await client.get("/api/v1/workspace")).json()
    changed = await client.patch("/api/v1/workspace", json={"name": "Acme", "ownerDefaultPolicy": "first_user"})

    assert changed.status_code == 200
    assert changed.json() == {**before, "name": "Acme", "ownerDefaultPolicy": "first_user"}
    assert (await client.get("/api/v1/workspace")).json() == changed.json()
    assert (await client.patch("/api/v1/workspace", json={"name": None})).json()["name"] == "Acme"
