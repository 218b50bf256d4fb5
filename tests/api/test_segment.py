"""The Segment-compatible surface as libraries see it, and that it tells Steward the same as our own dialect."""

import gzip
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from dirty_equals import IsPartialDict, IsStr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.intake import reading, segment
from tests.services.test_convergence import state_after

NOTHING = {"accepted": 0, "duplicates": 0, "conflicts": 0, "rejected": 0, "suppressed": 0, "ignored": 0}
USER = {"userId": "user-1"}
IDENTIFY = {**USER, "messageId": "i-1", "traits": {"email": "ada@acme.test"}}
GROUP = {**USER, "messageId": "g-1", "groupId": "acme", "traits": {"name": "Acme"}}
TRACK = {**USER, "messageId": "t-1", "event": "Login", "context": {"groupId": "acme"}}
KINDS = {
    "identify": ("i", IDENTIFY),
    "group": ("g", GROUP),
    "track": ("t", TRACK),
    "page": ("p", {**USER, "name": "Home"}),
    "screen": ("s", {**USER, "name": "Home"}),
}


def typed(kind, event):
    return {"type": kind, **event}


def counted(**counts):
    return {"success": True, **NOTHING, **counts}


async def count(database, workspace, table):
    async with database.transaction(workspace) as db:
        return await db.scalar(text(f"select count(*) from {table}"))


@pytest.fixture
async def key(make_key, workspace):
    return await make_key(workspace, "ingest")


@pytest.fixture
async def sender(app):
    """A client that brings no key of its own."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://steward.test") as client:
        yield client


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_has_two_addresses(client, kind):
    short, event = KINDS[kind]
    answers = [await client.post(f"/v1/{path}", json={**event, "messageId": path}) for path in (kind, short)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json() for answer in answers] == [counted(accepted=1)] * 2


async def test_an_alias_is_taken_and_ignored(client):
    for path in ("alias", "a"):
        answer = await client.post(f"/v1/{path}", json={**USER, "previousId": "x"})
        assert (answer.status_code, answer.json()) == (200, counted(ignored=1))


@pytest.mark.parametrize("path", ["batch", "import", "b", "batch/"])
async def test_a_batch_tells_everything_at_once(client, path):
    batch = [
        typed("group", GROUP),
        typed("identify", IDENTIFY),
        typed("track", TRACK),
        typed("page", {"anonymousId": "x"}),
    ]
    answer = await client.post(f"/v1/{path}", json={"batch": batch, "sentAt": datetime.now(UTC).isoformat()})
    again = await client.post(f"/v1/{path}", json={"batch": batch})

    assert (answer.status_code, answer.json()) == (200, counted(accepted=3, ignored=1))
    assert again.json() == counted(duplicates=3, ignored=1)
    account = (await client.get("/api/v1/accounts/acme")).json()
    assert account == IsPartialDict(name="Acme", events=1)
    user = (await client.get("/api/v1/users/user-1")).json()
    assert user == IsPartialDict(email="ada@acme.test", accounts=[IsPartialDict(externalId="acme")])


async def test_an_empty_batch_is_answered_like_any_other(client):
    answer = await client.post("/v1/batch", json={"batch": []})
    assert (answer.status_code, answer.json()) == (200, counted())


async def test_bad_events_never_stop_their_neighbours(client, database, workspace):
    bad = [
        {**TRACK, "event": ""},
        typed("delete", USER),
        None,
        "text",
        typed("track", {**TRACK, "properties": {"a": 2**63}}),
    ]
    answer = await client.post("/v1/batch", json={"batch": [*bad, typed("track", TRACK)]})

    assert (answer.status_code, answer.json()) == (200, counted(accepted=1, rejected=5))
    assert await count(database, workspace, "events") == 1


async def test_one_id_for_two_events_is_a_conflict_and_the_first_stands(client):
    await client.post("/v1/track", json=TRACK)
    answer = await client.post("/v1/track", json={**TRACK, "event": "Logout"})

    assert (answer.status_code, answer.json()) == (200, counted(conflicts=1))


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("batch", b"", "malformed_json"),
        ("batch", b"{", "malformed_json"),
        ("batch", b"\xff\xfe", "invalid_encoding"),
        ("batch", b'{"batch": [], "batch": []}', "duplicate_key"),
        ("batch", b"[]", "invalid_batch"),
        ("batch", b"{}", "invalid_batch"),
        ("batch", b'{"batch": {}}', "invalid_batch"),
        ("batch", b'{"batch": [' + b",".join([b"{}"] * 5001) + b"]}", "invalid_batch"),
        ("batch", b'{"batch": [], "context": {"a": "\\u0000"}}', "nul_character"),
        ("track", b"", "malformed_json"),
        ("track", b"[]", "invalid_message"),
        ("track", b"{}", "blank_name"),
        ("track", b'{"event": "Login"}', "missing_subject"),
        ("track", b'{"event": "\\u0000", "userId": "u"}', "nul_character"),
        ("group", b'{"userId": "u"}', "missing_field"),
        ("identify", json.dumps({"userId": "u", "traits": {"a": "x" * 33_000}}).encode(), "limit_exceeded"),
    ],
)
async def test_what_cannot_be_used_is_a_400_every_library_can_read(client, path, body, code):
    answer = await client.post(f"/v1/{path}", content=body)

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json() == IsPartialDict(code=code, error=code, message=IsStr(min_length=10), status=400)


async def test_a_single_event_is_of_the_kind_its_address_says(client, database, workspace):
    await client.post("/v1/track", json={**TRACK, "type": "identify"})
    assert await count(database, workspace, "events") == 1


async def test_a_key_may_come_in_every_way_libraries_send_it(sender, key):
    for headers, extra in [
        ({"authorization": f"Basic {b64encode(f'{key}:'.encode()).decode()}"}, {}),
        ({"authorization": f"Basic {b64encode(key.encode()).decode()}"}, {"writeKey": key}),
        ({}, {"writeKey": key}),
        ({"authorization": "Bearer of-another-issuer"}, {"writeKey": key}),
    ]:
        answer = await sender.post("/v1/batch", json={"batch": [typed("track", TRACK)], **extra}, headers=headers)
        assert answer.status_code == 200, (headers, answer.text)
        single = await sender.post("/v1/t", json={**TRACK, **extra}, headers=headers)
        assert single.status_code == 200, (headers, single.text)


async def test_a_wrong_key_is_a_401(sender):
    answer = await sender.post("/v1/batch", json={"batch": []})
    assert (answer.status_code, answer.json()) == (401, IsPartialDict(code=IsStr(), message=IsStr()))


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/x-www-form-urlencoded", "text/plain; charset=utf-8", None],
)
@pytest.mark.parametrize("packed", [False, True])
async def test_the_type_of_the_content_does_not_matter(client, content_type, packed):
    body = json.dumps({"batch": [typed("track", TRACK)]}).encode()
    headers = {"content-type": content_type} if content_type else {}
    if packed:
        body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
    answer = await client.post("/v1/batch", content=body, headers=headers)

    assert (answer.status_code, answer.json()["success"]) == (200, True)


async def test_three_megabytes_that_pack_very_well_are_read(client):
    events = [
        typed("track", {**TRACK, "messageId": f"m-{n}", "properties": {"text": "x" * 30_000}}) for n in range(100)
    ]
    body = json.dumps({"batch": events}).encode()
    assert len(body) > 3_000_000
    answer = await client.post("/v1/batch", content=gzip.compress(body), headers={"content-encoding": "gzip"})

    assert (answer.status_code, answer.json()) == (200, counted(accepted=100))


async def test_an_event_without_an_account_counts_for_the_one_the_user_was_last_linked_to(client):
    for account, minutes in (("acme", 9), ("globex", 5)):
        at = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
        await client.post("/v1/group", json={**USER, "groupId": account, "timestamp": at})
    await client.post("/v1/track", json={**USER, "event": "Login"})

    events = [(await client.get(f"/api/v1/accounts/{name}")).json()["events"] for name in ("acme", "globex")]
    assert events == [0, 1]


CAPTURED = {
    "segment-analytics-python": {
        "sentAt": "2026-05-01T09:43:19.812345+00:00",
        "batch": [
            {
                "type": "group", "messageId": "6f1", "timestamp": "2026-05-01T09:43:19.329+00:00", "userId": "user-1",
                "anonymousId": None, "groupId": "acme", "traits": {"name": "Acme", "ownerId": "user-1"},
                "integrations": {}, "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
            }
        ],
    },
    "analytics-node-next": {
        "batch": [
            {
                "type": "track", "messageId": "node-next-1-x", "timestamp": "2026-05-01T09:43:19.329Z",
                "userId": "user-1", "event": "Login", "properties": {}, "integrations": {},
                "_metadata": {"nodeVersion": "22.0.0", "jsRuntime": "node"},
                "context": {"groupId": "acme", "library": {"name": "@segment/analytics-node", "version": "3.1.0"}},
            }
        ],
        "sentAt": "2026-05-01T09:43:19.800Z",
    },
    "rudder-sdk-python": {
        "sentAt": "2026-05-01T09:43:19.812345+00:00",
        "batch": [
            {
                "type": "identify", "messageId": "r-1", "timestamp": "2026-05-01T09:43:19.329123+00:00",
                "userId": "user-1", "anonymousId": None, "channel": "server", "integrations": {"All": True},
                "context": {
                    "traits": {"email": "ada@acme.test"},
                    "library": {"name": "analytics-python", "version": "2.1.9"},
                },
            }
        ],
    },
    "rudder-sdk-node": {
        "timestamp": "2026-05-01T09:43:19.329Z",
        "sentAt": "2026-05-01T09:43:19.329Z",
        "batch": [
            {
                "type": "identify", "messageId": "n-1", "originalTimestamp": "2026-05-01T09:43:19.300Z",
                "sentAt": "2026-05-01T09:43:19.329Z", "userId": "user-1", "traits": {"email": "ada@acme.test"},
                "_metadata": {"nodeVersion": "22.0.0"},
                "context": {"traits": {"email": "ada@acme.test"}, "library": {"name": "analytics-node"}},
            }
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("library", CAPTURED)
async def test_what_libraries_were_seen_to_send_is_taken(client, library):
    answer = await client.post("/v1/batch", json=CAPTURED[library])

    assert (answer.status_code, answer.json()) == (200, counted(accepted=1))
    users = (await client.get("/api/v1/users")).json()["data"]
    assert [user["externalId"] for user in users] == ["user-1"]


NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ats = st.integers(0, 6).map(lambda n: (NOW - timedelta(hours=9 * n)).isoformat())
values = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from(["", "a", "user-1"]))
traits = st.fixed_dictionaries({}, optional={"plan": values, "mrr": values, "ownerId": values, "name": values})
accounts, users = st.sampled_from(["acme", "globex"]), st.sampled_from(["user-1", "user-2", 3])
facts = st.one_of(
    st.tuples(st.just("account"), ats, st.none(), accounts, traits),
    st.tuples(st.just("user"), ats, users, st.none(), traits),
    st.tuples(st.just("member"), ats, users, accounts, traits),
    st.tuples(st.just("event"), ats, st.one_of(users, st.none()), accounts, st.none()),
    st.tuples(st.just("unlink"), ats, users, accounts, st.none()),
)


def ours(fact):
    """A fact as our own dialect tells it."""
    kind, at, user, account, about = fact
    return {
        "account": {"type": "account", "accountId": account, "traits": about},
        "user": {"type": "user", "userId": user, "traits": about},
        "member": {"type": "user", "userId": user, "accountId": account, "traits": about},
        "event": {"type": "event", "event": "Login", "userId": user, "accountId": account},
        "unlink": {"type": "unlink", "userId": user, "accountId": account},
    }[kind] | {"timestamp": at}


def theirs(fact, way):
    """A fact as Segment's libraries tell it, in one of the ways there are."""
    kind, at, user, account, about = fact
    event = {"type": "track", "event": "Login", "userId": user, "context": {"groupId": account}}
    identify = {"type": "identify", "userId": user}
    member = [
        {**identify, "traits": about, "context": {"groupId": account}},
        {**identify, "traits": {**(about or {}), "company": {"id": account}}},
        {"type": "group", "userId": user, "groupId": account, "context": {"traits": about}},
    ]
    return {
        "account": {"type": "group", "groupId": account, "traits": about},
        "user": {**identify, **[{"traits": about}, {"context": {"traits": about}}][way % 2]},
        "member": member[way % 3],
        "event": event if user is not None else {**event, "anonymousId": "x"},
        "unlink": {**identify, "traits": {"company": {"id": account, "remove": True}}},
    }[kind] | [{"timestamp": at}, {"originalTimestamp": at}][way % 2]


@st.composite
def told_twice(draw):
    """The same facts in two dialects: in ours at once, in Segment's shuffled, repeated and split."""
    drawn = draw(st.lists(facts, min_size=1, max_size=10))
    items = [{**ours(fact), "messageId": f"m-{n}"} for n, fact in enumerate(drawn)]
    events = [{**theirs(fact, draw(st.integers(0, 5))), "messageId": f"m-{n}"} for n, fact in enumerate(drawn)]
    shuffled = draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=4))))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=3)))
    return items, [shuffled[a:b] for a, b in pairwise([0, *cuts, len(shuffled)]) if a < b]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(both=told_twice())
async def test_both_dialects_leave_the_same_state(database, both):
    items, batches = both
    own = reading.read_batch(json.dumps({"messages": items}).encode(), now=NOW)
    foreign = [
        segment.read_batch(json.dumps({"batch": batch}).encode(), now=NOW, event_bytes=32_768, most=500)
        for batch in batches
    ]
    assert not own.refused
    assert not any(taken.refused for taken in foreign)

    straight = await state_after(database, [own.envelopes], "none")
    assert straight == await state_after(database, [taken.envelopes for taken in foreign], "none")
