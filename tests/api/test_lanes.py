"""The lanes: what each surface takes of credentials, types of content, sizes and addresses, and who may post there."""

import asyncio
import base64
import gzip
import json

import httpx
import pytest

from app.api import credentials, lanes
from app.domain import keys as rules
from app.main import create_app
from tests.conftest import CLOCK, running

KEY = rules.secret("live", ["ingest"], b"\5" * 32)
B64 = base64.b64encode(KEY.encode()).decode()
B64_COLON = base64.b64encode(f"{KEY}:".encode()).decode()
B64_PASSWORD = base64.b64encode(f"{KEY}:pass:word Basic x".encode()).decode()
LANES = ("/v1/nothing", "/rudderstack/nothing", "/analytics/v1/nothing", "/api/v1/nothing")
TRACKING = LANES[:3]
FOUND = (404, "route_not_found")  # the gate let it through, and there is no such route


@pytest.fixture
async def bare(app):
    """A client without a key."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://steward.test") as client:
        yield client


@pytest.fixture
async def key(make_key, workspace):
    return await make_key(workspace, "ingest")


def outcome(answer):
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {KEY}",
        f"bearer   {KEY} ",
        f"Basic {B64}",
        f"Basic {B64_COLON}",
        f"Basic {B64_PASSWORD}",
        f"Basic {KEY}",
        f"Basic {KEY}:",
        f"Basic {KEY}:password",
        f"Basic {B64_COLON}:",
        f"Basic {B64_COLON.rstrip('=')}",
        f"  BASIC \t {B64_COLON}  ",
        f"Basic Basic {B64_COLON}",
        f"Basic Bearer {KEY}",
        f"Basic {B64_COLON[:20]} {B64_COLON[20:]}",
        f"Basic {base64.b64encode(f' {KEY} :'.encode()).decode()}",
        f"Basic {base64.urlsafe_b64encode(f'{KEY}:~~~???>>>'.encode()).decode()}",
    ],
)
def test_one_key_is_read_in_all_the_ways_clients_write_it(header):
    assert credentials.read(header.encode()) == KEY


@pytest.mark.parametrize("header", [None, "", "Basic", "Basic ", "Bearer", "Digest abc", KEY, "  "])
def test_what_carries_no_key_at_all(header):
    assert credentials.read(header if header is None else header.encode()) is None


@pytest.mark.parametrize(
    "header", [b"Basic \xff\xfe", b"Basic =", b"Basic ====", b"Basic :", b"Basic :x", b"Bearer \xe9"]
)
def test_nonsense_opens_nothing(header):
    text = credentials.read(header)
    assert text is not None
    assert not rules.well_formed(text)


def test_a_lane_is_told_by_the_first_segment():
    assert lanes.lane_of("/v1/batch") is lanes.TRACKING
    assert lanes.lane_of("/v1") is lanes.TRACKING
    assert lanes.lane_of("/v1x/batch") is None
    assert lanes.lane_of("/healthz") is None
    assert lanes.lane_of("/rudderstack") is lanes.RUDDERSTACK
    assert lanes.lane_of("/analytics/v1/batch") is lanes.ANALYTICS
    assert lanes.lane_of("/") is None


@pytest.mark.parametrize("path", LANES)
async def test_every_lane_takes_a_bearer_and_a_basic_key(bare, key, path):
    for header in (f"Bearer {key}", f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}", f"Basic {key}"):
        answer = await bare.get(path, headers={"authorization": header})
        assert outcome(answer) == FOUND


@pytest.mark.parametrize("path", LANES)
async def test_a_missing_key_is_told_in_every_clients_words(bare, path):
    answer = await bare.post(path, json={})

    assert outcome(answer) == (401, "missing_api_key")
    body = answer.json()
    assert {"error", "code", "message", "type", "title", "status", "detail"} <= body.keys()
    if path.startswith("/analytics"):
        assert body["error"] == body["message"] == "Authorization header not present."
    else:
        assert body["error"] == "missing_api_key"


@pytest.mark.parametrize("path", LANES)
async def test_unknown_and_malformed_keys_are_refused_in_the_same_bytes(bare, path):
    answers = [
        await bare.post(path, json={}, headers={"authorization": f"Basic {text}", "x-request-id": "same"})
        for text in (KEY, base64.b64encode(f"{KEY}:".encode()).decode(), "nonsense", "====")
    ]

    assert {outcome(answer) for answer in answers} == {(401, "invalid_api_key")}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("path", TRACKING)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", "", None])
async def test_the_type_of_content_decides_nothing_where_sdks_post(bare, key, path, kind):
    headers = {"authorization": f"Basic {key}"} | ({} if kind is None else {"content-type": kind})
    for body, more in ((b"{}", {}), (gzip.compress(b"{}"), {"content-encoding": "gzip"})):
        assert outcome(await bare.post(path, content=body, headers=headers | more)) == FOUND


@pytest.mark.parametrize("path", TRACKING)
@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
async def test_no_other_compression_is_read(bare, key, path, encoding):
    answer = await bare.post(
        path, content=b"{}", headers={"authorization": f"Basic {key}", "content-encoding": encoding}
    )
    assert outcome(answer) == (415, "unsupported_content_encoding")


@pytest.mark.parametrize("path", TRACKING)
async def test_bodies_are_bounded_as_sent_and_after_gzip_but_not_by_their_ratio(bare, key, path, app):
    ceiling = app.state.steward.settings.tracking_body_bytes
    assert ceiling == 4 * 1024 * 1024 + 512 * 1024
    auth = {"authorization": f"Basic {key}"}
    zipped = auth | {"content-encoding": "gzip"}

    assert outcome(await bare.post(path, content=b" " * ceiling, headers=auth)) == FOUND
    assert outcome(await bare.post(path, content=b" " * (ceiling + 1), headers=auth)) == (413, "payload_too_large")
    assert outcome(await bare.post(path, content=gzip.compress(b" " * ceiling), headers=zipped)) == FOUND
    for bomb in (b" " * (ceiling + 1), bytes(200_000_000)):
        answer = await bare.post(path, content=gzip.compress(bomb, 9), headers=zipped)
        assert outcome(answer) == (413, "payload_too_large")
    for broken in (b"{}", gzip.compress(b"{}")[:-3], gzip.compress(b"{}") + b"x"):
        assert outcome(await bare.post(path, content=broken, headers=zipped)) == (400, "invalid_compression")


async def test_our_own_lane_is_as_strict_as_ever(client):
    plain = await client.post("/api/v1/keys", content=b"{}", headers={"content-type": "text/plain"})
    bomb = await client.post(
        "/api/v1/keys",
        content=gzip.compress(b" " * 4_000_000),
        headers={"content-type": "application/json", "content-encoding": "gzip"},
    )

    assert outcome(plain) == (415, "unsupported_media_type")
    assert outcome(bomb) == (413, "payload_too_large")


@pytest.mark.parametrize("path", TRACKING)
async def test_a_slash_at_the_end_is_ignored_and_nothing_redirects(bare, key, path, app):
    for asked in (f"{path}/", f"{path}//", f"/{path.split('/')[1]}/", f"/{path.split('/')[1]}"):
        for method in ("GET", "POST"):
            answer = await bare.request(method, asked, headers={"authorization": f"Basic {key}"})
            assert answer.status_code in {404, 405, 200, 400}, asked
            assert "location" not in answer.headers


async def test_the_key_may_be_in_the_body_where_no_header_is(bare, key):
    for body in (
        {"writeKey": key, "batch": []},
        {"batch": [{"event": "x"}], "sentAt": "now", "writeKey": key},
        {"writeKey": f"{key}:"},
    ):
        for headers in ({}, {"authorization": "Bearer ya29.an-oauth-token"}, {"content-type": "text/plain"}):
            assert outcome(await bare.post("/v1/nothing", content=json.dumps(body), headers=headers)) == FOUND
    zipped = gzip.compress(json.dumps({"writeKey": key}).encode())
    assert outcome(await bare.post("/v1/nothing", content=zipped, headers={"content-encoding": "gzip"})) == FOUND


async def test_the_key_of_a_header_wins_over_one_in_the_body(bare, key, make_key, other_workspace, app):
    other, seen = await make_key(other_workspace, "ingest"), []
    note = app.state.steward.usage.note
    app.state.steward.usage.note = lambda caller: seen.append(caller.workspace_id) or note(caller)
    try:
        body = json.dumps({"writeKey": other})
        await bare.post("/v1/nothing", content=body, headers={"authorization": f"Bearer {key}"})
        await bare.post("/v1/nothing", content=body)
    finally:
        app.state.steward.usage.note = note
    assert len(seen) == 2
    assert seen[0] != seen[1] == other_workspace


async def test_a_bad_key_in_the_header_is_not_saved_by_the_body(bare, key):
    for header in (f"Basic {KEY}", "Basic nonsense", f"Bearer {KEY}"):
        answer = await bare.post("/v1/nothing", json={"writeKey": key}, headers={"authorization": header})
        assert outcome(answer) == (401, "invalid_api_key")


async def test_only_the_bodys_own_write_key_counts(bare, key):
    """A key somebody's end user wrote into a property must not take the data to another workspace."""
    for body in (
        {"batch": [{"properties": {"writeKey": key}}]},
        {"writeKey": {"writeKey": key}},
        [{"writeKey": key}],
        {"text": f'"writeKey":"{key}"'},
        {"writeKey": KEY, "batch": [{"writeKey": key}]},
    ):
        answer = await bare.post("/v1/nothing", json=body)
        assert answer.status_code == 401, body
    assert outcome(await bare.post("/v1/nothing", json={"batch": []})) == (401, "missing_api_key")
    assert outcome(await bare.post("/v1/nothing", content=b"not json")) == (401, "missing_api_key")
    assert outcome(await bare.post("/v1/nothing", json={"writeKey": "x"})) == (401, "invalid_api_key")
    assert outcome(await bare.post("/v1/nothing", content=b'{"writeKey":"' + key.encode() + b'"')) == (
        401,
        "invalid_api_key",
    )


async def test_no_other_lane_reads_a_body_to_find_a_key(bare, key):
    for path in LANES[1:]:
        assert outcome(await bare.post(path, json={"writeKey": key})) == (401, "missing_api_key")


async def test_few_bodies_of_strangers_are_read_at_once(app, bare):
    strangers, taken = 40, asyncio.Event()

    async def slow():
        yield b"{"
        await taken.wait()
        yield b"}"

    posts = [asyncio.create_task(bare.post("/v1/nothing", content=slow())) for _ in range(strangers)]
    done, _ = await asyncio.wait(posts, timeout=0.5)
    taken.set()
    answers = await asyncio.gather(*posts)

    assert {outcome(post.result()) for post in done} == {(503, "overloaded")}
    assert len(done) == strangers - 32
    assert sum(answer.status_code == 401 for answer in answers) == 32
    assert app.state.steward.holds.requests == 0


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/t", "/v1/nothing/at/all"])
async def test_a_browser_may_ask_and_post_from_any_page(bare, key, path):
    asked = await bare.options(
        path,
        headers={
            "origin": "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    refused = await bare.post(path, json={}, headers={"origin": "https://shop.example"})

    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= set(asked.headers["access-control-allow-headers"].split(", "))
    assert int(asked.headers["access-control-max-age"]) > 0
    assert "access-control-allow-credentials" not in asked.headers
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "*"


async def test_only_the_lane_of_browsers_is_open_to_pages(bare):
    for path in ("/api/v1/keys", "/analytics/v1/track", "/rudderstack", "/healthz"):
        answer = await bare.options(
            path, headers={"origin": "https://x.example", "access-control-request-method": "GET"}
        )
        assert answer.status_code in {401, 404, 405}
        assert "access-control-allow-origin" not in answer.headers


async def test_sites_can_be_listed(settings):
    listed = settings.model_copy(update={"cors_origins": ("https://shop.example",)})
    async with running(create_app(listed, now=CLOCK)) as app:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://steward.test") as client:
            ours = await client.options("/v1/t", headers={"origin": "https://shop.example"})
            theirs = await client.options("/v1/t", headers={"origin": "https://elsewhere.example"})

    assert ours.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in theirs.headers
    assert (ours.headers["vary"], theirs.headers["vary"]) == ("origin", "origin")


@pytest.mark.parametrize("path", ["/v1/batch", "/rudderstack", "/analytics/v1/batch"])
async def test_a_dripping_body_is_given_up(live, make_key, workspace, path):
    key = await make_key(workspace)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {key}\r\n"
        "Content-Type: text/plain\r\nContent-Length: 500\r\n\r\n"
    )

    answer, closed = await live.send(head.encode(), *[b"x"] * 40, pause=0.05)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer
    assert closed


async def test_half_a_body_of_a_stranger_is_given_up(live, live_app):
    head = "POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf"

    answer, closed = await live.send(head.encode())

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert closed
    assert live_app.state.steward.holds.size == 0


async def test_a_client_that_leaves_frees_what_it_held(live, live_app, make_key, workspace):
    key = await make_key(workspace)
    _, writer = await live.connect()
    writer.write(
        f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {key}\r\nContent-Length: 9\r\n\r\nab".encode()
    )
    await writer.drain()
    holds = live_app.state.steward.holds
    async with asyncio.timeout(5):
        while holds.size != 2:
            await asyncio.sleep(0.01)

    writer.close()

    async with asyncio.timeout(5):
        while holds.requests:
            await asyncio.sleep(0.01)
    assert holds.size == 0
