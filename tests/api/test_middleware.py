"""The gate: what is decided from the head, what from the body, and what is written down."""

import asyncio
import gzip
import json

import pytest
import structlog

from app.api import heads, middleware


async def test_the_request_id_is_kept_when_sane_and_made_otherwise(client):
    kept = await client.get("/healthz", headers={"x-request-id": "abc-123_x.y"})
    assert kept.headers["x-request-id"] == "abc-123_x.y"

    for strange in ("a b", "x" * 65, "évil", "a\tb", "{}", ""):
        made = await client.get("/healthz", headers={"x-request-id": strange.encode("latin-1")})
        assert made.headers["x-request-id"] != strange
        assert len(made.headers["x-request-id"]) == 32


async def test_the_key_is_checked_before_the_body_is_read(app):
    taken = []

    async def endless():
        taken.append(1)
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x" * 65536, "more_body": True}

    answers = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/batch",
        "raw_path": b"/api/v1/batch",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", b"x"), (b"content-length", b"1000000000"), (b"content-type", b"application/json")],
        "scheme": "http",
        "server": ("x", 80),
        "root_path": "",
    }

    async def send(message):
        answers.append((message["type"], len(taken)))
        if message["type"] == "http.response.start":
            assert message["status"] == 401
            assert (b"connection", b"close") in message["headers"]

    await app(scope, endless, send)

    assert answers[0] == ("http.response.start", 0)
    assert len(taken) <= 1  # after the answer, and never more than 64 KiB of it


async def test_a_huge_announced_body_is_refused_unread(live, make_key, workspace):
    key = await make_key(workspace)
    head = (
        f"POST /api/v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nExpect: 100-continue\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n"
    )

    answer, closed = await live.send(head.encode())

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer
    assert closed


async def test_a_gzip_body_is_read(client):
    body = gzip.compress(json.dumps({"name": "Zipped", "scopes": ["read"]}).encode())

    answer = await client.post(
        "/api/v1/keys", content=body, headers={"content-type": "application/json", "content-encoding": "gzip"}
    )

    assert answer.status_code == 201


async def test_a_body_in_many_pieces_is_read(client):
    async def pieces():
        for character in json.dumps({"name": "Dripped", "scopes": ["read"]}):
            yield character.encode()

    answer = await client.post("/api/v1/keys", content=pieces(), headers={"content-type": "application/json"})

    assert answer.status_code == 201


async def test_an_unknown_path_is_a_problem_inside_and_outside_the_api(client):
    for path in ("/nothing", "/api/v1/nothing", "/api/v1/keys/"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_without_a_key_even_unknown_paths_of_the_api_say_401(client):
    answer = await client.get("/api/v1/nothing", headers={"authorization": ""})

    assert (answer.status_code, answer.json()["code"]) == (401, "missing_api_key")


async def test_a_wrong_method_says_which_are_right(client):
    for method in ("PUT", "HEAD", "TRACE", "OPTIONS", "BREW"):
        answer = await client.request(method, "/api/v1/keys")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, POST"


async def test_a_request_leaves_one_line_without_secrets(client):
    with structlog.testing.capture_logs() as lines:
        await client.get("/api/v1/me?token=stw_live_secret", headers={"x-request-id": "r-1"})

    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["method"], line["path"], line["status"], line["request_id"]) == ("GET", "/api/v1/me", 200, "r-1")
    assert "secret" not in str(line)
    assert "stw_" not in str(line)


@pytest.mark.parametrize(("text", "shown"), [("/a\r\nb", "/a\\r\\nb"), ("/\x1b[31mred", "/\\x1b[31mred"), ("/é", "/é")])
def test_the_log_cannot_be_broken_or_coloured(text, shown):
    assert middleware.printable(text) == shown


def test_the_log_is_cut():
    assert len(middleware.printable("/" + "x" * 9000)) == 300


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/api/v1/keys", None),
        (b"/a/b%2Fc", "/a/b%2Fc"),
        (b"/a/b%2fc%20d", "/a/b%2Fc d"),
        (b"/a/100%25", "/a/100%25"),
        (b"/a/%252F", "/a/%252F"),
        (b"/a/%C3%A9%2F", "/a/é%2F"),
    ],
)
def test_ids_with_slashes_stay_in_one_segment(raw, path):
    assert heads.routable(raw) == path


async def test_health_needs_no_key_and_no_database(client):
    answer = await client.get("/healthz", headers={"authorization": ""})

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_readiness_tells_what_is_there(client):
    answer = await client.get("/readyz", headers={"authorization": ""})

    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert answer.json()["schemaRevision"] == answer.json()["schemaWanted"]
    assert answer.json()["bell"] == "none"


async def test_metrics_count_by_route_template(client):
    await client.get("/api/v1/keys/key_" + "0" * 32)
    await client.get("/api/v1/nothing/at/all")

    page = (await client.get("/metrics", headers={"authorization": ""})).text

    assert 'steward_http_requests_total{method="GET",route="/api/v1/keys/{key}",status="404"}' in page
    assert 'route="unmatched",status="404"' in page
    assert "/at/all" not in page
    assert "steward_jobs" in page
