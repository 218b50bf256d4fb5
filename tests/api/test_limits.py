"""Limits: requests per key, bodies in flight per workspace, and what is refused first when there is too much of all."""

import asyncio
import json
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from app.api import buckets
from app.api.holds import STRANGERS, Holds
from app.api.limiter import AWAY_SECONDS, Limiter
from app.api.pressure import Pressure
from app.api.refusals import RateLimited, Saturated, TooManyConcurrent
from app.api.shared import SharedBuckets
from app.domain.keys import Caller
from app.main import create_app
from app.services import keys
from tests.conftest import CLOCK, running

HEADERS = {
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
}


class Time:
    """Moves when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Fake:
    """A shared bucket that does as it is told."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def draw(self, key_id, rate, wanted):
        self.asked.append(wanted)
        answer = self.answers.pop(0) if self.answers else (wanted, 1000.0, 1)
        if isinstance(answer, Exception):
            raise answer
        if answer == "hang":
            await asyncio.sleep(60)
        return answer

    async def close(self):
        pass


def a_caller(per_minute=None):
    return Caller(uuid4(), uuid4(), frozenset({"ingest"}), per_minute)


async def admitted(limiter, caller, tries):
    """How many of so many requests were let through."""
    count = 0
    for _ in range(tries):
        try:
            await limiter.admit(caller)
        except RateLimited:
            continue
        count += 1
    return count


@pytest.fixture
def time():
    return Time()


@pytest.mark.parametrize(
    ("per_minute", "given", "burst"),
    [(60_000, 0, 10_000), (600, 0, 100), (120, 0, 60), (60, 0, 60), (10, 0, 10), (1, 0, 1), (60_000, 50, 50)],
)
def test_a_burst_is_a_sixth_of_a_minute_but_not_less_than_sixty(per_minute, given, burst):
    assert buckets.rate(per_minute, given).burst == burst


async def test_without_redis_a_key_may_send_its_burst_and_then_its_rate(time):
    limiter, caller = Limiter(600, 0, None, time), a_caller()

    assert await admitted(limiter, caller, 200) == 100
    time.now += 1
    assert await admitted(limiter, caller, 200) == 10
    time.now += 3600
    assert await admitted(limiter, caller, 200) == 100


async def test_keys_do_not_share_a_bucket_and_have_rates_of_their_own(time):
    limiter, usual, small = Limiter(600, 0, None, time), a_caller(), a_caller(5)

    assert await admitted(limiter, usual, 200) == 100
    assert await admitted(limiter, small, 200) == 5
    time.now += 12
    assert await admitted(limiter, small, 200) == 1


async def test_a_changed_rate_holds_from_the_next_request(time):
    limiter, caller = Limiter(600, 0, None, time), a_caller()
    await limiter.admit(caller)
    slower = Caller(caller.workspace_id, caller.key_id, caller.scopes, 6)

    assert await admitted(limiter, slower, 200) == 6
    time.now += 10
    assert await admitted(limiter, slower, 200) == 1
    assert await admitted(limiter, caller, 200) == 0


async def test_a_refusal_says_when_to_come_back(time):
    limiter, caller = Limiter(6, 0, None, time), a_caller()
    await admitted(limiter, caller, 6)

    with pytest.raises(RateLimited) as refused:
        await limiter.admit(caller)

    assert refused.value.retry_after == 10
    time.now += 9.5
    with pytest.raises(RateLimited) as refused:
        await limiter.admit(caller)
    assert refused.value.retry_after == 1
    time.now += 0.6
    await limiter.admit(caller)


async def test_tokens_are_fetched_in_chunks_and_in_the_background(time):
    shared = Fake()
    limiter, caller = Limiter(60_000, 0, shared, time), a_caller()

    assert await admitted(limiter, caller, 1000) == 1000
    await limiter.close()
    assert 2 <= len(shared.asked) <= 6


async def test_all_who_wait_share_one_question(time):
    shared = Fake()
    limiter, caller = Limiter(60, 0, shared, time), a_caller()

    await asyncio.gather(*(limiter.admit(caller) for _ in range(50)))

    assert shared.asked == [3 + 50]


async def test_an_empty_shared_bucket_is_not_asked_at_every_request(time):
    shared = Fake((5, 0.0, 2), (0, 0.5, 2))
    limiter, caller = Limiter(600, 0, shared, time), a_caller()

    assert await admitted(limiter, caller, 100) == 5
    assert len(shared.asked) == 1
    time.now += 0.2
    assert await admitted(limiter, caller, 100) == 0
    assert len(shared.asked) == 2


@pytest.mark.parametrize("trouble", [ConnectionError("gone"), "hang"])
async def test_without_an_answer_each_process_fills_its_part(time, trouble):
    shared = Fake((5, 95.0, 2), trouble)
    limiter, caller = Limiter(600, 0, shared, time), a_caller()

    async with asyncio.timeout(2):
        first = await admitted(limiter, caller, 300)
    assert first == 5 + 95 // 2  # what it had, and half of what was left: another process may take the other
    time.now += 1
    assert await admitted(limiter, caller, 300) == 5
    assert len(shared.asked) == 2  # nobody waits for it meanwhile


async def test_the_shared_bucket_is_used_again_when_it_is_back(time):
    shared = Fake(ConnectionError("gone"), ConnectionError("still"), (7, 0.0, 1))
    limiter, caller = Limiter(600, 0, shared, time), a_caller()

    assert await admitted(limiter, caller, 300) == 100
    for _ in range(2):
        time.now += AWAY_SECONDS + 0.1
        await admitted(limiter, caller, 1)
        await asyncio.sleep(0.05)
    assert len(shared.asked) == 3
    time.now += 0.01

    assert await admitted(limiter, caller, 300) <= 7 + 5  # what it gave, and a chunk


async def test_idle_buckets_are_forgotten(time, monkeypatch):
    monkeypatch.setattr("app.api.limiter.MOST_BUCKETS", 100)
    limiter, busy = Limiter(6, 0, None, time), a_caller()
    for _ in range(99):
        await limiter.admit(a_caller())
    time.now += 61
    assert await admitted(limiter, busy, 10) == 6
    for _ in range(50):
        await limiter.admit(a_caller())

    assert len(limiter._buckets) <= 100
    assert await admitted(limiter, busy, 10) == 0


@pytest.fixture
async def processes(redis_url):
    """Limiters as several processes would have them."""
    opened = [Limiter(600, 0, SharedBuckets(redis_url)) for _ in range(3)]
    yield opened
    for limiter in opened:
        await limiter.close()


async def flood(limiters, caller, seconds):
    """So many were admitted of as many as can be asked."""
    count, loop = 0, asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        for limiter in limiters:
            count += await admitted(limiter, caller, 5)
        await asyncio.sleep(0.002)
    return count


async def test_processes_together_keep_to_the_limit(processes):
    count = await flood(processes, a_caller(), 2.0)

    assert not any(limiter._away for limiter in processes)
    assert 100 + 20 - 10 <= count <= 100 + 20 + 10  # the burst, two seconds of rate, a chunk each


async def test_a_bucket_that_redis_forgot_admits_within_twice_the_limit(processes, redis_url):
    caller, count = a_caller(), 0
    async with Redis.from_url(redis_url) as redis:
        for _ in range(3):
            count += await flood(processes, caller, 0.5)
            await redis.flushall()

    assert count <= 2 * 600
    assert count >= 100


async def test_processes_that_lose_redis_admit_within_twice_the_limit(processes, monkeypatch):
    caller = a_caller()
    before = await flood(processes, caller, 0.5)
    for limiter in processes:
        monkeypatch.setattr(limiter._shared, "_script", None)
    after = await flood(processes, caller, 2.0)

    assert all(limiter._away for limiter in processes)
    assert 95 <= before <= 115
    assert 10 <= after <= 2 * 20 + 15  # neither closed nor open


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "unix:///nowhere/valkey.sock"])
async def test_a_redis_that_is_not_there_costs_nobody_more_than_a_moment(url):
    limiter, caller = Limiter(600, 0, SharedBuckets(url)), a_caller()

    async with asyncio.timeout(1):
        count = await admitted(limiter, caller, 1000)
    await limiter.close()

    assert 100 <= count <= 115


# ---- over the wire ------------------------------------------------------------------------------------------------


@pytest.fixture
def small(settings):
    """An application with small limits."""

    @asynccontextmanager
    async def serve(**limits):
        async with running(create_app(settings.model_copy(update=limits), now=CLOCK)) as app:
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://steward.test") as client:
                client.app = app
                yield client

    return serve


def auth(key):
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/nothing", "/v1/nothing", "/analytics/v1/nothing"])
async def test_every_answer_to_a_known_caller_says_what_is_left(client, path):
    first, second = await client.get(path), await client.get(path)

    for answer in (first, second):
        assert answer.headers.keys() >= HEADERS
        assert answer.headers["ratelimit-policy"] == '"default";q=60000;w=60'
        assert answer.headers["ratelimit-limit"] == "60000, 60000;window=60"
        assert answer.headers["x-ratelimit-limit"] == "60000"
        left = answer.headers["ratelimit-remaining"]
        assert answer.headers["ratelimit"] == f'"default";r={left};t={answer.headers["ratelimit-reset"]}'
        assert answer.headers["x-ratelimit-remaining"] == left
        assert int(answer.headers["x-ratelimit-reset"]) > 1_700_000_000
    assert int(second.headers["ratelimit-remaining"]) <= int(first.headers["ratelimit-remaining"])


async def test_answers_to_strangers_say_nothing_of_limits(client):
    for path in ("/api/v1/me", "/v1/batch", "/healthz"):
        answer = await client.get(path, headers={"authorization": ""})
        assert not HEADERS & answer.headers.keys()


@pytest.mark.parametrize("path", ["/api/v1/me", "/v1/nothing", "/rudderstack/x", "/analytics/v1/nothing"])
async def test_a_key_over_its_limit_is_told_to_wait(small, make_key, workspace, path):
    async with small(requests_per_minute=3) as client:
        key, other = await make_key(workspace), await make_key(workspace)
        answers = [await client.get(path, headers=auth(key)) for _ in range(4)]
        beside = await client.get(path, headers=auth(other))
        metrics = (await client.get("/metrics")).text

    refused = answers[3]
    assert 429 not in {answer.status_code for answer in answers[:3]}
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert {"error", "code", "message"} <= refused.json().keys()
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert refused.headers["ratelimit-remaining"] == "0"
    assert refused.headers["ratelimit-reset"] == refused.headers["retry-after"]
    assert beside.status_code != 429
    assert 'steward_refused_total{code="rate_limited"} 1.0' in metrics


async def test_a_key_can_have_a_rate_of_its_own_and_lose_it_again(client, make_key):
    made = (await client.post("/api/v1/keys", json={"name": "Slow", "scopes": ["read"], "requestsPerMinute": 2})).json()
    assert (made["requestsPerMinute"], made["ingestMode"]) == (2, "direct")
    slow = auth(made["secret"])

    statuses = [(await client.get("/api/v1/me", headers=slow)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    changed = await client.patch(f"/api/v1/keys/{made['id']}", json={"requestsPerMinute": None, "name": "Quick"})
    assert (changed.json()["requestsPerMinute"], changed.json()["name"]) == (None, "Quick")
    async with asyncio.timeout(5):
        while (answer := await client.get("/api/v1/me", headers=slow)).status_code == 429:
            await asyncio.sleep(0.1)
    assert answer.headers["x-ratelimit-limit"] == "60000"


async def test_settings_of_a_key_reach_every_secret_and_survive_a_rotation(client, app):
    made = (await client.post("/api/v1/keys", json={"name": "Ingest", "scopes": ["ingest"]})).json()
    rotated = (await client.post(f"/api/v1/keys/{made['id']}/rotate", json={"overlapHours": 1})).json()
    body = {"ingestMode": "inbox", "requestsPerMinute": 77}
    assert (await client.patch(f"/api/v1/keys/{made['id']}", json=body)).status_code == 200
    again = (await client.post(f"/api/v1/keys/{made['id']}/rotate", json={"overlapHours": 1})).json()

    callers = app.state.steward.callers
    callers.forget()
    for secret in (made["secret"], rotated["secret"], again["secret"]):
        caller = await callers.behind(secret)
        assert (caller.ingest_mode, caller.requests_per_minute) == ("inbox", 77)
    shown = (await client.get(f"/api/v1/keys/{made['id']}")).json()
    assert (shown["ingestMode"], shown["requestsPerMinute"], shown["name"]) == ("inbox", 77, "Ingest")


@pytest.mark.parametrize(
    "body",
    [
        {"requestsPerMinute": 0},
        {"requestsPerMinute": 1.5},
        {"ingestMode": "later"},
        {"scopes": ["admin"]},
        {"name": ""},
    ],
)
async def test_what_a_key_cannot_become(client, body):
    made = (await client.post("/api/v1/keys", json={"name": "Key", "scopes": ["read"]})).json()

    assert (await client.patch(f"/api/v1/keys/{made['id']}", json=body)).status_code == 422


async def test_a_revoked_key_does_not_change(client):
    made = (await client.post("/api/v1/keys", json={"name": "Key", "scopes": ["read"]})).json()
    await client.delete(f"/api/v1/keys/{made['id']}")

    answer = await client.patch(f"/api/v1/keys/{made['id']}", json={"requestsPerMinute": 5})
    assert (answer.status_code, answer.json()["code"]) == (409, "key_revoked")


@pytest.fixture
async def spent(live, live_app, make_key, workspace):
    """A key that has sent all it may, on a real server."""
    text = await make_key(workspace)
    state = live_app.state.steward
    caller = await state.callers.behind(text)
    async with state.database.transaction(workspace) as db:
        await keys.change(db, workspace, caller.key_id, {"requests_per_minute": 1})
    state.callers.forget()
    await live.send(post(text, "GET"), seconds=0.3)
    return text


def post(key, method="POST", length=0):
    head = f"{method} /v1/nothing HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {key}\r\nContent-Length: {length}\r\n\r\n"
    return head.encode()


async def test_who_is_told_to_wait_keeps_the_connection(live, spent):
    body = b" " * 200_000

    answer, closed = await live.send(post(spent, length=len(body)) + body, post(spent), pause=0.3, seconds=1)

    assert answer.count(b"HTTP/1.1 429 ") == 2
    assert b"connection: close" not in answer
    assert not closed


async def test_who_drips_when_told_to_wait_does_not(live, spent):
    answer, closed = await live.send(post(spent, length=1000), *[b"x"] * 60, pause=0.05)

    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"connection: close" in answer
    assert closed


# ---- bodies in flight ---------------------------------------------------------------------------------------------


def held(**more):
    class Chosen:
        bodies_per_workspace, body_bytes_per_workspace, body_bytes = 3, 100, 150

    for name, value in more.items():
        setattr(Chosen, name, value)
    return Holds(Chosen)


def test_a_workspace_holds_so_many_bodies_and_bytes():
    holds, ours, theirs = held(), uuid4(), uuid4()
    three = [holds.open(ours) for _ in range(3)]
    with pytest.raises(TooManyConcurrent):
        holds.open(ours)
    holds.open(theirs).grow(100)
    three[0].grow(50)
    with pytest.raises(Saturated):
        three[1].grow(1)
    three[1].close()
    three[0].close()
    three[2].grow(20)
    assert (holds.requests, holds.size) == (2, 120)
    with pytest.raises(Saturated):
        three[2].grow(81)
    three[2].grow(-50)
    three[2].close()
    assert (holds.requests, holds.size) == (1, 100)
    with pytest.raises(TooManyConcurrent):
        held(body_bytes=1000).open(ours).grow(101)


def test_strangers_share_one_small_place():
    holds = held()
    for _ in range(STRANGERS):
        holds.open(None)
    with pytest.raises(Saturated):
        holds.open(None)
    holds.open(uuid4())


async def test_a_flood_of_slow_bodies_is_its_workspaces_own_trouble(small, make_key, workspace, other_workspace):
    noisy, quiet = auth(await make_key(workspace)), auth(await make_key(other_workspace))
    finish = asyncio.Event()

    async def slow():
        yield b'{"userId":'
        await finish.wait()
        yield b'"u"}'

    async with small(bodies_per_workspace=5) as client:
        posts = [asyncio.create_task(client.post("/v1/nothing", content=slow(), headers=noisy)) for _ in range(8)]
        done, waiting = await asyncio.wait(posts, timeout=4)  # refused ones may finish their sentence
        beside = await client.post("/v1/nothing", json={}, headers=quiet)
        reads = await client.get("/api/v1/me", headers=noisy)
        metrics = (await client.get("/metrics")).text
        finish.set()
        rest = await asyncio.gather(*waiting)
        after = await client.post("/v1/nothing", json={}, headers=noisy)
        left = client.app.state.steward.holds

    assert len(done) == 3
    for post in done:
        refused = post.result()
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_concurrent")
        assert refused.headers["retry-after"] == "1"
        assert refused.headers.keys() >= HEADERS
    assert beside.status_code == 404
    assert reads.status_code == 200
    assert "steward_bodies_in_flight 5.0" in metrics
    assert {answer.status_code for answer in rest} == {404}
    assert after.status_code == 404
    assert (left.requests, left.size) == (0, 0)


async def test_large_bodies_are_held_within_a_budget(small, make_key, workspace, other_workspace):
    noisy, quiet = auth(await make_key(workspace)), auth(await make_key(other_workspace))
    async with small(body_bytes_per_workspace=50_000, body_bytes=80_000) as client:
        own = await client.post("/v1/nothing", content=b" " * 60_000, headers=noisy)
        whole = await client.post("/v1/nothing", content=b" " * 90_000, headers=quiet)
        fine = await client.post("/v1/nothing", content=b" " * 40_000, headers=noisy)

    assert (own.status_code, own.json()["code"]) == (429, "too_many_concurrent")
    assert (whole.status_code, whole.json()["code"]) == (503, "overloaded")
    assert whole.headers["retry-after"] == "1"
    assert fine.status_code == 404


# ---- too much of everything ---------------------------------------------------------------------------------------


def test_one_long_step_is_nobodys_overload():
    pressure = Pressure(1.0)
    for late in (0.0, 30.0, 0.0, 30.0):
        pressure.note(late)
        pressure.check("GET")


def test_reads_are_refused_before_what_customers_send():
    pressure = Pressure(1.0)
    for _ in range(3):
        pressure.note(1.5)
    with pytest.raises(Saturated):
        pressure.check("GET")
    pressure.check("POST")
    for _ in range(3):
        pressure.note(4.5)
    with pytest.raises(Saturated):
        pressure.check("POST")
    pressure.note(0.1)
    pressure.check("GET")


async def test_a_process_that_is_always_late_notices_it():
    pressure = Pressure(0.05)
    pressure.start()
    for _ in range(5):
        await asyncio.sleep(0.01)
        __import__("time").sleep(0.25)
    await asyncio.sleep(0)
    late = pressure.late
    pressure.stop()

    assert late > 0.05


async def test_a_saturated_process_serves_health_and_ingest_and_refuses_reads(small, make_key, workspace):
    key = auth(await make_key(workspace))
    async with small() as client:
        pressure = client.app.state.steward.pressure
        pressure.stop()
        pressure.late = 2.0
        read = await client.get("/api/v1/me", headers=key)
        sent = await client.post("/v1/nothing", content=json.dumps({}), headers=key)
        health = await client.get("/healthz")

    assert (read.status_code, read.json()["code"]) == (503, "overloaded")
    assert int(read.headers["retry-after"]) >= 1
    assert sent.status_code == 404
    assert health.status_code == 200
