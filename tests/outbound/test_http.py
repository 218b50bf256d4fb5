"""What the one client does with receivers good and bad; all of them on loopback, which the tests list as allowed."""

import asyncio
import logging
import resource
import time

import pytest

from app.outbound.addresses import Allow
from app.outbound.http import KEPT_BYTES, MAX_HEADERS, Client
from app.outbound.outcomes import REASONS
from tests.receivers import (
    Answer,
    Receiver,
    cut_short,
    drip,
    flood,
    gzip_bomb,
    hang_up,
    huge,
    raw,
    redirect,
    silence,
)

BODY = '{"owner":"Zoë"}'.encode()
LOOPBACK = Allow.of(["127.0.0.1"])


@pytest.fixture
async def hook():
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def client():
    async with Client(LOOPBACK, deadline=5) as client:
        yield client


@pytest.fixture
async def hasty():
    async with Client(LOOPBACK, deadline=0.4) as client:
        yield client


async def test_the_bytes_and_headers_given_are_the_ones_sent(hook, client):
    outcome = await client.post(hook.url, BODY, {"Webhook-Id": "msg_1", "Content-Type": "application/json"})

    assert (outcome.ok, outcome.status, outcome.error, outcome.excerpt) == (True, 200, None, "ok")
    assert outcome.reason == "The receiver answered 200."
    received = hook.requests[0]
    assert (received.method, received.path, received.body) == ("POST", "/hook", BODY)
    assert received.headers == {
        "host": f"127.0.0.1:{hook.port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "content-length": str(len(BODY)),
        "content-type": "application/json",
        "user-agent": "Steward",
        "webhook-id": "msg_1",
    }


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(hook, client, status):
    hook.answer(status, body=b"")
    assert (await client.post(hook.url, BODY, {})).ok


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503, 599])
async def test_any_other_answer_is_a_failure_with_its_status(hook, client, status):
    hook.answer(status, body="no", headers={"Retry-After": "7"})
    outcome = await client.post(hook.url, BODY, {})
    assert (outcome.ok, outcome.status, outcome.error) == (False, status, None)
    assert (outcome.excerpt, outcome.retry_after) == ("no", 7)
    assert outcome.reason == f"The receiver answered {status}."


@pytest.mark.parametrize("value", ["-1", "9e99", "soon", ""])
async def test_an_unintelligible_wish_is_none(hook, client, value):
    hook.answer(429, headers={"retry-after": value})
    assert (await client.post(hook.url, BODY, {})).retry_after is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_recorded_and_not_followed(hook, client, status):
    async with Receiver() as elsewhere:
        hook.answer(redirect(elsewhere.url, status))
        outcome = await client.post(hook.url, BODY, {})

    assert (outcome.ok, outcome.status, outcome.error) == (False, status, "redirect_not_followed")
    assert (len(hook.requests), elsewhere.connections) == (1, 0)


async def test_other_methods_and_answers_without_a_body_work_too(hook, client):
    hook.answer(Answer(204, b""))
    outcome = await client.send("PUT", hook.url, BODY, {})
    assert (outcome.ok, outcome.excerpt, hook.requests[0].method) == (True, "", "PUT")


# -- Deadlines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silence(), id="silence"),
        pytest.param(Answer(delay=60), id="late"),
        pytest.param(drip(0.01), id="drip of body"),
        pytest.param(drip(0.01, head=b"HTTP/1.1 200 OK\r\nx: "), id="drip of head"),
        pytest.param(
            drip(0.01, head=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n"), id="drip of chunk"
        ),
        pytest.param(flood(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50), id="interim answers for ever"),
    ],
)
async def test_a_slow_receiver_is_left_at_the_deadline(hook, hasty, answer):
    hook.answer(answer)
    started = time.monotonic()
    outcome = await hasty.post(hook.url, BODY, {})
    elapsed = time.monotonic() - started

    assert outcome.ok is False
    assert outcome.error in {"timed_out", "answer_not_understood"}  # a dripped head may turn out not to be one
    assert elapsed < 1.5
    await hook.wait_closed()


async def test_before_there_is_a_connection_silence_and_refusal_look_the_same(hook):
    """So that nobody can map a network by listening to the difference."""

    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    async def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError("no such name at resolver 10.0.0.53")

    async with Receiver() as gone:
        closed_port = gone.port
    told = []
    for lookup, url in (
        (never, "https://silent.example/"),
        (nowhere, "https://missing.example/"),
        (None, f"http://127.0.0.1:{closed_port}/"),
    ):
        async with Client(LOOPBACK, deadline=0.2, lookup=lookup) as client:
            outcome = await client.post(url, BODY, {})
        told.append((outcome.status, outcome.error, outcome.reason, outcome.excerpt))

    assert told == [(None, "connection_failed", REASONS["connection_failed"], "")] * 3


# -- Answers too large, too long, or not answers --------------------------------------------------------------------


async def test_ten_gigabytes_are_cut_at_sixteen_kibibytes_and_the_connection_dropped(hook, client):
    taken = [0]
    hook.answer(huge(10 * 2**30, counter=taken))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = await client.post(hook.url, BODY, {})

    assert (outcome.ok, outcome.excerpt) == (True, "x" * KEPT_BYTES)
    await hook.wait_closed()
    assert taken[0] < 16 * 2**20  # what fits into the buffers between us
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


async def test_a_gzip_bomb_is_not_unpacked(hook, client):
    hook.answer(gzip_bomb())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = await client.post(hook.url, BODY, {})

    assert outcome.ok
    assert len(outcome.excerpt) <= KEPT_BYTES
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(flood(b"HTTP/1.1 200 OK\r\n", b"x-more: y\r\n" * 100), id="headers for ever"),
        pytest.param(flood(b"HTTP/1.1 200 OK\r\nx-long: ", b"y" * 4096), id="one header for ever"),
        pytest.param(flood(b"HTTP/1.1 200 ", b"y" * 4096), id="a reason for ever"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (MAX_HEADERS + 1) + b"\r\n"), id="many headers"),
        pytest.param(raw(b"220 mail.example ESMTP\r\n\r\n"), id="another protocol"),
        pytest.param(raw(b"HTTP/1.1 two hundred\r\n\r\n"), id="no status"),
        pytest.param(
            raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            id="two lengths",
        ),
    ],
)
async def test_what_is_not_an_http_answer_is_a_failure(hook, client, answer):
    hook.answer(answer)
    outcome = await client.post(hook.url, BODY, {})
    assert (outcome.status, outcome.error) == (None, "answer_not_understood")


@pytest.mark.parametrize(
    ("answer", "status", "excerpt"),
    [
        pytest.param(hang_up(), None, "", id="reset"),
        pytest.param(raw(b""), None, "", id="hung up"),
        pytest.param(cut_short(), 200, "x" * 500, id="cut short"),
    ],
)
async def test_a_broken_answer_is_no_success_though_it_began_with_200(hook, client, answer, status, excerpt):
    hook.answer(answer)
    outcome = await client.post(hook.url, BODY, {})
    assert (outcome.ok, outcome.error) == (False, "connection_failed")
    assert (outcome.status, outcome.excerpt) == (status, excerpt)


@pytest.mark.parametrize(
    ("answer", "status", "excerpt"),
    [
        pytest.param(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), 200, "ok", id="whole, then hung up"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"), 200, "until the end", id="no length"),
        pytest.param(raw(b"HTTP/1.1 200 \xff\xfe\r\ncontent-length: 0\r\n\r\n"), 200, "", id="odd reason"),
        pytest.param(Answer(200, b"ok", {"x-odd": "\xff\xfe"}), 200, "ok", id="odd header"),
        pytest.param(Answer(413, b"no", read_body=False), 413, "no", id="answered before reading"),
        pytest.param(raw(b"HTTP/1.1 101 Yes\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), 101, "", id="upgrade"),
    ],
)
async def test_an_odd_answer_is_an_answer(hook, client, answer, status, excerpt):
    hook.answer(answer)
    outcome = await client.post(hook.url, b"x" * 900_000, {})
    assert (outcome.status, outcome.error, outcome.excerpt) == (status, None, excerpt)


async def test_an_excerpt_of_any_bytes_can_be_stored_and_shown(hook, client):
    hook.answer(200, body=b"a\0b\x1b[31m\xff\xed\xa0\x80\tc\r\n" + "é".encode())
    excerpt = (await client.post(hook.url, BODY, {})).excerpt
    assert excerpt.startswith("a\ufffdb\ufffd[31m\ufffd")
    assert excerpt.endswith("\tc\r\né")
    excerpt.encode()


async def test_credentials_echoed_back_are_blanked(hook, client):
    hook.answer(401, body="bad token xoxb-123-secret")
    outcome = await client.post(hook.url, BODY, {"Authorization": "Bearer xoxb-123-secret"})
    assert outcome.excerpt == "bad token ****"


# -- What is remembered, and what is not ----------------------------------------------------------------------------


async def test_cookies_are_neither_kept_nor_sent(hook, client):
    hook.answer(200, headers={"set-cookie": "session=abc; path=/"})
    for _ in range(2):
        await client.post(hook.url, BODY, {})
    assert [request.headers.get("cookie") for request in hook.requests] == [None, None]
    assert hook.connections == 1  # the connection is kept


async def test_urls_are_not_logged(hook, client, caplog):
    with caplog.at_level(logging.DEBUG):
        await client.post(hook.url_for("127.0.0.1", "/services/T0/B0/hush"), BODY, {"authorization": "Bearer hush"})
    assert "hush" not in caplog.text


async def test_a_call_caught_by_a_closing_connection_is_made_again_at_once(hook, client):
    hook.script(200, hang_up(), 200)
    await client.post(hook.url, BODY, {})
    outcome = await client.post(hook.url, BODY, {})
    assert (outcome.ok, len(hook.requests), hook.connections) == (True, 3, 2)


async def test_but_not_when_the_receiver_could_not_tell_it_is_a_repetition(hook, client):
    hook.script(200, hang_up(), 200)
    await client.post(hook.url, BODY, {})
    outcome = await client.post(hook.url, BODY, {}, repeatable=False)
    assert (outcome.error, len(hook.requests)) == ("connection_failed", 2)


async def test_a_receiver_that_always_hangs_up_is_tried_once_a_call(hook, client):
    hook.answer(hang_up())
    assert (await client.post(hook.url, BODY, {})).error == "connection_failed"
    assert len(hook.requests) == 1


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
async def test_proxies_named_in_the_environment_are_ignored(hook, monkeypatch, name):
    async with Receiver() as proxy:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with Client(LOOPBACK) as client:
            direct = await client.post(hook.url, BODY, {})
            refused = await client.post("http://169.254.169.254/latest", BODY, {})

    assert direct.ok
    assert refused.error == "destination_not_allowed"
    assert proxy.connections == 0


async def test_a_slow_receiver_does_not_delay_the_others(hook, client):
    hook.answer(silence())
    async with Receiver() as quick:
        slow = [asyncio.create_task(client.post(hook.url, BODY, {})) for _ in range(50)]
        await hook.wait_for(50)
        started = time.monotonic()
        assert (await client.post(quick.url, BODY, {})).ok
        assert time.monotonic() - started < 1
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
    await hook.wait_closed(50)


async def test_the_operators_list_is_logged_at_the_start(caplog):
    async with Client(LOOPBACK):
        pass
    assert "127.0.0.1/32" in caplog.text
