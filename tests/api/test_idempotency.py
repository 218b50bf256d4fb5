"""A write with an Idempotency-Key happens once, whatever is lost on the way."""

import asyncio

import pytest
import sqlalchemy as sa

KEY = {"Idempotency-Key": "11f0c7c4-made-by-the-client"}
MEMBER = {"email": "ada@example.com", "name": "Ada"}


async def test_the_same_write_twice_is_done_once_and_answered_alike(client):
    first = await client.post("/api/v1/members", json=MEMBER, headers=KEY)
    again = await client.post("/api/v1/members", json=MEMBER, headers=KEY)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert len((await client.get("/api/v1/members")).json()["data"]) == 1


async def test_another_key_is_another_write(client):
    await client.post("/api/v1/members", json=MEMBER, headers=KEY)

    again = await client.post("/api/v1/members", json=MEMBER, headers={"Idempotency-Key": "another"})

    assert (again.status_code, again.json()["code"]) == (409, "email_taken")


async def test_a_key_belongs_to_one_request(client):
    await client.post("/api/v1/members", json=MEMBER, headers=KEY)

    other = await client.post("/api/v1/members", json=MEMBER | {"name": "Grace"}, headers=KEY)

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_means_something_else_at_another_address(client):
    made = await client.post("/api/v1/members", json=MEMBER, headers=KEY)

    gone = await client.delete(f"/api/v1/members/{made.json()['id']}", headers=KEY)
    again = await client.delete(f"/api/v1/members/{made.json()['id']}", headers=KEY)

    assert (gone.status_code, again.status_code, again.content) == (204, 204, b"")


async def test_what_was_refused_may_be_tried_again_with_the_same_key(client):
    refused = await client.patch("/api/v1/members/ada@example.com", json={"name": "Ada L."}, headers=KEY)
    await client.post("/api/v1/members", json=MEMBER)

    done = await client.patch("/api/v1/members/ada@example.com", json={"name": "Ada L."}, headers=KEY)

    assert (refused.status_code, done.status_code) == (404, 200)


async def test_a_secret_is_shown_again_to_who_lost_the_answer_and_is_not_stored_in_the_open(
    client, database, workspace
):
    body = {"name": "backend", "scopes": ["ingest"]}
    first = await client.post("/api/v1/keys", json=body, headers=KEY)
    again = await client.post("/api/v1/keys", json=body, headers=KEY)

    assert again.json() == first.json()
    async with database.transaction(workspace) as db:
        stored = (await db.execute(sa.text("select answer from idempotency_keys"))).scalar_one()
    assert first.json()["secret"] not in stored


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é"])
async def test_keys_that_cannot_be_told_apart_safely_are_refused(client, key):
    refused = await client.post("/api/v1/members", json=MEMBER, headers=[(b"Idempotency-Key", key.encode("latin-1"))])

    assert (refused.status_code, refused.json()["code"]) == (400, "unusable_idempotency_key")


async def test_of_many_at_once_one_does_it(client):
    answers = await asyncio.gather(*(client.post("/api/v1/members", json=MEMBER, headers=KEY) for _ in range(8)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"request_in_progress"}
    assert len((await client.get("/api/v1/members")).json()["data"]) == 1


async def test_reading_takes_no_notice_of_the_header(client):
    first = await client.post("/api/v1/reports/accounts", json={}, headers=KEY)
    other = await client.post("/api/v1/reports/accounts", json={"limit": 5}, headers=KEY)

    assert (first.status_code, other.status_code) == (200, 200)
