"""Ingestion as a sender sees it: a verdict per message, the same through every door, nothing half-written."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from dirty_equals import IsList, IsPartialDict, IsStr
from sqlalchemy import text

from app.db import workspaces
from app.db.base import Outpaced

ACCOUNT = {"type": "account", "messageId": "a-1", "accountId": "acme", "traits": {"name": "Acme", "mrr": 250}}
USER = {
    "type": "user",
    "messageId": "u-1",
    "userId": "user-1",
    "accountId": "acme",
    "traits": {"email": "ada@acme.test"},
}
EVENT = {"type": "event", "messageId": "e-1", "userId": "user-1", "accountId": "acme", "event": "Login"}
UNLINK = {"type": "unlink", "messageId": "x-1", "userId": "user-1", "accountId": "acme"}


async def send(client, *messages, **envelope):
    return await client.post("/api/v1/batch", json={"messages": list(messages), **envelope})


async def count(database, workspace, table):
    async with database.transaction(workspace) as db:
        return await db.scalar(text(f"select count(*) from {table}"))


async def test_a_batch_answers_with_one_verdict_per_message(client):
    first = await send(client, ACCOUNT, USER, EVENT, UNLINK)
    again = await send(client, EVENT, {**EVENT, "event": "Other"}, {**EVENT, "messageId": "e-2"}, {"type": "event"})

    assert (first.status_code, first.json()["results"]) == (202, ["accepted"] * 4)
    assert again.json() == {
        "accepted": 1,
        "duplicates": 1,
        "conflicts": 1,
        "rejected": 1,
        "suppressed": 0,
        "withoutMessageId": 0,
        "results": ["duplicate", "conflict", "accepted", "rejected"],
        "faults": IsList(
            IsPartialDict(code="duplicate", indexes=[0]),
            IsPartialDict(code="message_id_reused", indexes=[1]),
            IsPartialDict(code="missing_field", indexes=[3], pointer="#/event"),
        ),
    }


async def test_a_repeated_batch_is_counted_not_stored_twice(client, database, workspace):
    for _ in range(3):
        await send(client, ACCOUNT, USER, EVENT)

    assert await count(database, workspace, "events") == 1
    assert (await client.get("/api/v1/accounts/acme")).json()["events"] == 1


async def test_a_twin_within_a_batch_is_a_duplicate_and_the_first_body_counts(client):
    answer = await send(client, ACCOUNT, {**ACCOUNT, "traits": {"name": "Other"}}, ACCOUNT)

    assert answer.json()["results"] == ["accepted", "conflict", "duplicate"]
    assert (await client.get("/api/v1/accounts/acme")).json()["name"] == "Acme"


async def test_messages_without_an_id_are_taken_every_time_and_counted(client):
    unnamed = {key: value for key, value in EVENT.items() if key != "messageId"}
    answer = await send(client, unnamed, unnamed)

    assert answer.json() == IsPartialDict(accepted=2, withoutMessageId=2)


@pytest.mark.parametrize(
    ("message", "code", "pointer"),
    [
        ({**EVENT, "event": " "}, "blank_name", "#/event"),
        ({**EVENT, "event": None}, "blank_name", "#/event"),
        ({**EVENT, "userId": ""}, "blank_id", "#/userId"),
        ({**EVENT, "userId": "\u00a0"}, "blank_id", "#/userId"),
        ({**EVENT, "userId": "é" * 129}, "id_too_long", "#/userId"),
        ({**EVENT, "userId": 1.5}, "invalid_id", "#/userId"),
        ({**EVENT, "userId": True}, "invalid_id", "#/userId"),
        ({**EVENT, "userId": None, "accountId": None}, "missing_subject", None),
        ({**EVENT, "timestamp": 1767225600}, "invalid_timestamp", "#/timestamp"),
        ({**EVENT, "timestamp": "2026-02-30T00:00:00Z"}, "invalid_timestamp", "#/timestamp"),
        ({**EVENT, "timestamp": "now"}, "invalid_timestamp", "#/timestamp"),
        ({**EVENT, "timestamp": "0001-01-01T00:00:00+14:00"}, "invalid_timestamp", "#/timestamp"),
        ({**EVENT, "timestamp": "1999-12-31T23:59:59Z"}, "timestamp_out_of_range", None),
        ({**EVENT, "timestamp": "9999-12-31T23:59:59-14:00"}, "invalid_timestamp", "#/timestamp"),
        ({**EVENT, "properties": []}, "invalid_message", "#/properties"),
        ({**EVENT, "properties": {"text": "x" * 8193}}, "limit_exceeded", None),
        ({**EVENT, "properties": {f"k{n}": "x" * 8000 for n in range(5)}}, "limit_exceeded", None),
        ({**EVENT, "color": "red"}, "unknown_field", "#/color"),
        ({**ACCOUNT, "traits": {f"t{n}": n for n in range(201)}}, "too_many_traits", "#/traits"),
        ({**ACCOUNT, "traits": {"a": "b\u0000c"}}, "nul_character", None),
        ({**ACCOUNT, "traits": {"a": 2**63}}, "out_of_range", None),
        ({**USER, "accountIds": ["a"] * 101}, "limit_exceeded", "#/accountIds"),
        ({"type": "group"}, "unknown_type", "#/"),
        ({}, "unknown_type", "#/"),
        ("text", "invalid_message", "#/"),
        (None, "invalid_message", "#/"),
    ],
)
async def test_a_bad_message_is_refused_by_itself(client, database, workspace, message, code, pointer):
    answer = await send(client, message, ACCOUNT)

    assert answer.json() == IsPartialDict(accepted=1, rejected=1, results=["rejected", "accepted"])
    assert answer.json()["faults"] == [IsPartialDict(code=code, indexes=[0], detail=IsStr(min_length=10))]
    assert await count(database, workspace, "events") == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": {}},
        {"messages": [EVENT] * 501},
        {"messages": [EVENT], "sentAt": "soon"},
        {"messages": [EVENT], "extra": 1},
        [EVENT],
        5,
    ],
)
async def test_a_bad_envelope_is_refused_whole(client, database, workspace, body):
    answer = await client.post("/api/v1/batch", json=body)

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["code"] == "invalid_batch"
    assert await count(database, workspace, "message_receipts") == 0


async def test_a_hundred_kinds_of_trouble_make_a_short_answer(client):
    answer = await send(client, *({**EVENT, "userId": "", "messageId": f"m-{n}"} for n in range(500)))

    assert answer.json()["rejected"] == 500
    assert len(answer.content) < 16 * 1024


async def test_sent_at_corrects_a_wrong_clock(client, clock):
    clock.at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    wrong = clock.at + timedelta(days=400)
    happened = (wrong - timedelta(minutes=5)).isoformat()

    answer = await send(client, {**EVENT, "timestamp": happened}, sentAt=wrong.isoformat())

    assert answer.json()["results"] == ["accepted"]
    seen = (await client.get("/api/v1/accounts/acme")).json()["lastSeenAt"]
    assert datetime.fromisoformat(seen) == clock.at - timedelta(minutes=5)


async def test_sessions_are_distinct_days_of_a_user(client, clock):
    clock.at = datetime(2026, 6, 10, 12, tzinfo=UTC)
    days = [0, 0, 1, 1, 5]
    await send(
        client,
        *(
            {**EVENT, "messageId": f"e-{n}", "timestamp": f"2026-06-0{day + 1}T1{n}:00:00Z"}
            for n, day in enumerate(days)
        ),
        {**EVENT, "messageId": "c-1", "event": "$message.received", "timestamp": "2026-06-09T00:00:00Z"},
    )

    user = (await client.get("/api/v1/users/user-1")).json()
    assert user == IsPartialDict(
        sessions=3,
        firstSeenAt="2026-06-01T10:00:00Z",
        lastSeenAt="2026-06-06T14:00:00Z",
        lastReceivedMessageAt="2026-06-09T00:00:00Z",
        lastSentMessageAt=None,
    )


async def test_one_account_one_user_one_event_through_their_own_doors(client):
    account = await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"name": "Acme", "a": 1}})
    cleared = await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"a": None, "b": {"c": [1]}}})
    user = await client.post(
        "/api/v1/users", json={"externalId": 7, "accounts": ["acme"], "traits": {"email": "ada@acme.test"}}
    )
    event = await client.post("/api/v1/events", json={"event": "Login", "userId": 7, "accountId": "acme"})

    assert account.json()["account"] == IsPartialDict(externalId="acme", name="Acme", status="subscribed")
    assert cleared.json()["account"]["traits"] == {"name": "Acme", "b": {"c": [1]}}
    assert user.json()["user"] == IsPartialDict(
        externalId="7", email="ada@acme.test", accounts=[IsPartialDict(externalId="acme", name="Acme")]
    )
    assert (event.status_code, event.json()) == (
        202,
        {"status": "accepted", "messageId": IsStr(), "deduplicated": False},
    )
    listed = (await client.get("/api/v1/accounts/acme/events")).json()["data"]
    assert listed == [IsPartialDict(event="Login", userId="7", accountId="acme")]


async def test_a_message_sent_alone_is_deduplicated_like_any_other(client):
    body = {"externalId": "acme", "messageId": "m-1", "traits": {"name": "Acme"}}
    first = await client.post("/api/v1/accounts", json=body)
    again = await client.post("/api/v1/accounts", json=body)
    other = await client.post("/api/v1/accounts", json={**body, "traits": {"name": "Other"}})

    assert [first.json()["status"], again.json()["status"]] == ["accepted", "duplicate"]
    assert (other.status_code, other.json()["code"]) == (409, "message_id_reused")


@pytest.mark.parametrize("external_id", ["a/b", "../up", "%2e%2e", "a?b#c", "ünï", "acc_" + "0" * 32, " padded "])
async def test_any_external_id_finds_its_account_again(client, external_id):
    made = await client.post("/api/v1/accounts", json={"externalId": external_id})

    listed = await client.get("/api/v1/accounts", params={"externalId": external_id})
    by_id = await client.get(f"/api/v1/accounts/{made.json()['account']['id']}")

    assert [row["externalId"] for row in listed.json()["data"]] == [external_id]
    assert by_id.json()["externalId"] == external_id


async def test_numbers_come_back_as_they_were_sent(client):
    traits = {"int": 2**63 - 1, "low": -(2**63), "float": 0.1 + 0.2, "tiny": 5e-324, "exp": 2**53 + 1}
    answer = await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": traits})

    assert answer.json()["account"]["traits"] == traits


async def test_requests_that_share_a_transaction_get_their_own_verdicts(client):
    answers = await asyncio.gather(
        *(send(client, {**EVENT, "messageId": f"e-{n % 10}", "event": f"Event {n % 10}"}) for n in range(40))
    )

    verdicts = [answer.json()["results"][0] for answer in answers]
    assert (verdicts.count("accepted"), verdicts.count("duplicate")) == (10, 30)


async def test_mirrored_batches_do_not_deadlock(client, database, workspace):
    messages = [{**EVENT, "messageId": f"e-{n}", "userId": f"u-{n}", "accountId": f"a-{n}"} for n in range(100)]
    answers = await asyncio.gather(*(send(client, *messages[:: (-1) ** n]) for n in range(6)))

    assert {answer.status_code for answer in answers} == {202}
    assert await count(database, workspace, "events") == 100


async def test_accounts_are_walked_page_by_page(client):
    await send(client, *({**ACCOUNT, "messageId": f"a-{n}", "accountId": f"acme-{n}"} for n in range(25)))

    seen, cursor = [], None
    while True:
        params = {"limit": 10, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/api/v1/accounts", params=params)).json()
        seen += [row["externalId"] for row in page["data"]]
        cursor = page["nextCursor"]
        if not page["hasMore"]:
            break
    assert sorted(seen) == sorted(f"acme-{n}" for n in range(25))


async def test_a_deletion_of_the_workspace_that_loses_a_race_is_run_again(client, monkeypatch):
    slug = (await client.get("/api/v1/workspace")).json()["slug"]
    delete, lost = workspaces.delete, [Outpaced(), Outpaced()]

    async def loses(db, workspace_id):
        await delete(db, workspace_id)
        if lost:
            raise lost.pop()

    monkeypatch.setattr(workspaces, "delete", loses)
    assert (await client.request("DELETE", "/api/v1/workspace", json={"slug": slug})).status_code == 204
    assert (await client.get("/api/v1/workspace")).status_code == 401


async def test_nothing_is_left_of_a_workspace_deleted_while_messages_arrive(client, database, workspace):
    slug = (await client.get("/api/v1/workspace")).json()["slug"]
    flood = [send(client, {**EVENT, "messageId": f"e-{n}", "userId": f"u-{n}"}) for n in range(30)]
    deletion = client.request("DELETE", "/api/v1/workspace", json={"slug": slug})

    *answers, deleted = await asyncio.gather(*flood, deletion)

    assert deleted.status_code in {200, 202, 204}
    assert {answer.status_code for answer in answers} <= {202, 401}
    assert [await count(database, workspace, table) for table in ("events", "message_receipts", "accounts")] == [
        0,
        0,
        0,
    ]
