"""A client of Vitally's analytics API that was only told another host."""

from base64 import b64encode

import httpx
import pytest
from dirty_equals import IsPartialDict
from sqlalchemy import text

BASE = "/analytics/v1"
ACCOUNT = {"accountId": "acme", "traits": {"name": "Acme"}, "messageId": "a-1"}
USER = {"userId": 1, "accountId": "acme", "traits": {"name": "Ada", "createdAt": "2025-01-01"}, "messageId": "u-1"}
TRACK = {"event": "Login", "userId": 1, "properties": {}, "messageId": "t-1"}


@pytest.fixture
async def vitally(app, make_key, workspace):
    """Authenticated as Vitally's documentation says: `Basic` and the token."""
    key = await make_key(workspace, "ingest")
    token = b64encode(f"{key}:".encode()).decode()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
        base_url="https://acme.api.steward.test",
        headers={"authorization": f"Basic {token}"},
    ) as client:
        yield client


async def call(vitally, kind, body, status=200):
    answer = await vitally.post(f"{BASE}/{kind}", json=body)
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json() == {"message": "Success."}
    return answer


async def get(client, path):
    return (await client.get(f"/api/v1{path}")).json()


async def events(database, workspace):
    async with database.transaction(workspace) as db:
        return await db.scalar(text("select count(*) from events"))


async def test_every_kind_of_message_is_taken(client, vitally):
    await call(vitally, "organization", {"organizationId": 7, "traits": {"name": "Group"}, "messageId": 1})
    await call(vitally, "account", {**ACCOUNT, "organizationId": 7})
    await call(vitally, "user", USER)
    await call(vitally, "track", {**TRACK, "accountId": "acme"})
    instance = {"externalId": "T-1", "customObjectId": "c0", "name": "Printer", "accountId": "acme", "traits": {}}
    await call(vitally, "customobjectinstance", {**instance, "messageId": "c-1"})
    before = await get(client, "/users/1")
    await call(vitally, "unlink", {"userId": 1, "accountId": "acme", "messageId": "x-1"})

    account = await get(client, "/accounts/acme")
    assert account == IsPartialDict(name="Acme", events=1, organization=IsPartialDict(externalId="7", name="Group"))
    assert before == IsPartialDict(name="Ada", sessions=1, accounts=[IsPartialDict(externalId="acme")])
    assert (await get(client, "/users/1"))["accounts"] == []
    assert (await get(client, "/custom-objects/c0/instances/T-1"))["name"] == "Printer"


async def test_an_event_of_a_user_alone_counts_for_the_users_account(client, vitally):
    await call(vitally, "user", USER)
    await call(vitally, "track", TRACK)

    assert (await get(client, "/accounts/acme"))["events"] == 1


async def test_a_repeat_is_told_by_its_id_or_by_its_content(vitally, database, workspace):
    unnamed = {"event": "Login", "userId": 1, "properties": {}, "timestamp": "2026-03-01T09:30:00.000Z"}
    for _ in range(2):
        await call(vitally, "track", TRACK)
        await call(vitally, "track", {**TRACK, "event": "Other"})  # the first one under an id stands
        await call(vitally, "track", unnamed)
        await call(vitally, "batch", [{"type": "track", **unnamed}])

    assert await events(database, workspace) == 2


async def test_a_batch_stores_what_is_good_and_puts_the_rest_aside(client, vitally, database, workspace):
    batch = [{"type": "account", **ACCOUNT}, {"type": "track", "messageId": "bad"}, {"type": "track", **TRACK}, 5]

    await call(vitally, "batch", batch)

    assert await events(database, workspace) == 1
    assert (await get(client, "/accounts/acme"))["name"] == "Acme"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("track", {**TRACK, "userId": None}),
        ("track", {"userId": 1, "messageId": "m"}),
        ("user", {"userId": 1, "traits": {}, "messageId": "m"}),
        ("account", {"accountId": "acme", "traits": {}}),
        ("unlink", {"userId": 1, "messageId": "m"}),
        ("customobjectinstance", {"externalId": 1, "messageId": "m"}),
        ("account", [ACCOUNT]),
        ("account", "text"),
        ("batch", {"messages": []}),
        ("batch", []),
        ("batch", [{"type": "account", **ACCOUNT}] * 101),
    ],
)
async def test_what_cannot_be_used_is_answered_with_400_and_a_sentence(vitally, kind, body):
    answer = await call(vitally, kind, body, 400)

    assert answer.json() == IsPartialDict(status=400, error=answer.json()["message"])
    assert " " in answer.json()["error"]


async def test_a_body_that_is_not_json_is_answered_with_400(vitally):
    answer = await vitally.post(f"{BASE}/track", content=b"{", headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


async def test_without_a_key_the_answer_is_vitallys(vitally):
    del vitally.headers["authorization"]
    answer = await call(vitally, "track", TRACK, 401)

    assert answer.json()["error"] == "Authorization header not present."


async def test_a_refused_message_is_among_the_rejected_ones(client, vitally):
    await call(vitally, "track", {"userId": 1, "messageId": "m"}, 400)
    await call(vitally, "batch", [{"type": "nonsense"}])

    listed = (await get(client, "/rejected-messages"))["data"]
    assert {row["source"] for row in listed} == {"analytics"}
    assert len(listed) == 2
