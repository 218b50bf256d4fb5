"""Hostile inputs that are bytes on a socket, by their number in the threat model; sent to every surface."""

import asyncio
import socket
import struct
from functools import partial

import pytest
import sqlalchemy as sa

from tests.api.hostile import ACCOUNTS, DIALECTS

SURFACES = {one.paths["account"]: one.body() for one in DIALECTS}


def head(*lines, key=None, path=ACCOUNTS, method="POST"):
    authorization = [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *authorization, *lines, "", ""]).encode()


TYPED = "Content-Type: application/json"
CLOSE = "Connection: close"
CHUNKED = "Transfer-Encoding: chunked"
UPGRADE = ("Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13")


def chunked(*pieces):
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def wire(path, body):
    """What is sent to a surface that usually gets `body`, and the statuses that are right for it; None: no answer."""
    ask, length = partial(head, path=path), f"Content-Length: {len(body)}"
    return {
        "74 a connection and no bytes": ([], (None,)),
        "75 half a header line": ([b"POST %b HTTP/1.1\r\nHo" % path.encode()], (408,)),
        "75 a head that never ends": ([b"POST %b HTTP/1.1\r\nHost: x\r\n" % path.encode()], (408,)),
        "76 half a body": ([ask(TYPED, length, key="KEY") + body[:5]], (408,)),
        "77 a dripping body": ([ask(TYPED, length, key="KEY"), *(b"x" for _ in range(40))], (408,)),
        "79 a header of 70 KB": ([ask("X-Long: " + "a" * 70_000, key="KEY", method="GET")], (431,)),
        "79 a header of 5 MB": ([ask("X-Long: " + "a" * 5_000_000, key="KEY", method="GET")], (431, None)),
        "80 150 headers": ([ask(*(f"X-{n}: a" for n in range(150)), key="KEY", method="GET")], (431,)),
        "80 20,000 headers": ([ask(*(f"X-{n}: a" for n in range(20_000)), key="KEY", method="GET")], (431, None)),
        "81 a URL of 10 KB": ([ask(key="KEY", path=path + "a" * 10_000, method="GET")], (414, 431)),
        "81 a URL of 1 MB": ([ask(key="KEY", path="/" + "a" * 1_000_000, method="GET")], (414, 431, 400, None)),
        "82 a length and chunks": ([ask(TYPED, length, CHUNKED, key="KEY") + chunked(body)], (400,)),
        "83 two lengths": ([ask(TYPED, length, "Content-Length: 3", key="KEY") + body], (400,)),
        **{
            f"84 a length of {said}": ([ask(TYPED, f"Content-Length: {said}", key="KEY") + body], (400,))
            for said in ("-1", "+5", "0x5", "9" * 20, "1e3", "1 2")
        },
        "85 a chunk size that is none": ([ask(TYPED, CHUNKED, key="KEY") + b"zz\r\n" + body], (400,)),
        "85 a chunk of 1 GB announced": ([ask(TYPED, CHUNKED, key="KEY") + b"40000000\r\nabc"], (408, 413)),
        "85 5 MB in chunks": ([ask(TYPED, CHUNKED, key="KEY") + chunked(*[b"x" * 50_000] * 100)], (413,)),
        "86 line feeds only": ([ask(TYPED, length, key="KEY").replace(b"\r\n", b"\n") + body], (400,)),
        "86 a space before the colon": ([ask(TYPED, length, "X-Y : z", key="KEY") + body], (400,)),
        "86 a folded header": ([ask(TYPED, length, "X-Y: z\r\n  folded", key="KEY") + body], (400,)),
        "87 no host": ([ask(TYPED, length, key="KEY").replace(b"Host: x\r\n", b"") + body], (400,)),
        "87 two hosts": ([ask(TYPED, length, "Host: y", key="KEY") + body], (400,)),
        "91 a method in small letters": ([ask(key="KEY", method="get")], (400, 405)),
        "94 a key in the query": ([ask(TYPED, length, CLOSE, path=path + "?key=KEY") + body], (401,)),
        "95 two authorizations": ([ask(TYPED, length, "Authorization: Bearer x", key="KEY") + body], (400, 401)),
        "95 NUL in an authorization": ([ask("Authorization: Bearer a\0b", method="GET")], (400, 401)),
        "95 an authorization of 1 MB": ([ask("Authorization: Bearer " + "a" * 1_000_000, method="GET")], (431, None)),
        "92 an upgrade": ([ask(*UPGRADE, key="KEY", method="GET", path="/ws")], (404, 400)),
        "92 HTTP/1.0": ([ask(key="KEY", method="GET", path="/api/v1/me").replace(b"HTTP/1.1", b"HTTP/1.0")], (200,)),
        "92 HTTP/9": ([ask(key="KEY", method="GET").replace(b"HTTP/1.1", b"HTTP/9.9")], (400,)),
        "92 no HTTP at all": ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], (400,)),
    }


WIRE = {(path, name): sent for path, body in SURFACES.items() for name, sent in wire(path, body).items()}
# What is decided before there is a path, once; the slow ones too.
ONCE = {name for name in wire(ACCOUNTS, b"") if name.startswith(("74", "92")) or "MB" in name} - {"85 5 MB in chunks"}
WIRE = {key: sent for key, sent in WIRE.items() if key[0] == ACCOUNTS or key[1] not in ONCE}


@pytest.fixture
async def fine(live, make_key, workspace):
    """Whether the server still serves."""
    key = await make_key(workspace)

    async def ask():
        answer, _ = await live.send(head("Connection: close", key=key, path="/api/v1/me", method="GET"))
        return answer.startswith(b"HTTP/1.1 200 ")

    return key, ask


@pytest.mark.parametrize(("path", "name"), WIRE)
async def test_hostile_bytes(path, name, live, fine, rows):
    pieces, wanted = WIRE[path, name]
    key, ask = fine

    answer, closed = await live.send(
        *(p.replace(b"KEY", key.encode()) for p in pieces), pause=0.03 if len(pieces) > 2 else 0
    )

    status = int(answer.split(b" ", 2)[1]) if answer else None
    assert status in wanted, answer[:300]
    assert closed
    if status is not None and status >= 400:
        assert b"content-type: application/problem+json" in answer.lower()
        assert b"x-request-id" in answer.lower() or b'"requestId"' in answer
    assert await rows() == 0
    assert await ask()


async def test_idle_connections_keep_nobody_out(live, fine):
    """Row 78."""
    _, ask = fine
    idle = [await live.connect() for _ in range(200)]

    assert await ask()
    for _, writer in idle:
        writer.close()


async def test_a_thousand_pipelined_requests_are_served_in_order(live, fine):
    """Row 92."""
    key, ask = fine
    one = head(key=key, path="/healthz", method="GET")

    answer, _ = await live.send(
        one * 999 + head("Connection: close", key=key, path="/api/v1/me", method="GET"), seconds=30
    )

    assert answer.count(b"HTTP/1.1 200 ") == 1000
    assert await ask()


async def test_a_forged_client_address_is_not_believed(live, fine, capsys):
    """Row 93: what is logged is what the socket says."""
    key, _ = fine

    answer, _ = await live.send(
        head(
            "X-Forwarded-For: 6.6.6.6",
            "X-Forwarded-Proto: gopher",
            "Connection: close",
            key=key,
            path="/api/v1/me",
            method="GET",
        )
    )

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert "6.6.6.6" not in capsys.readouterr().out


async def test_a_key_in_the_query_is_not_logged(live, fine, capsys):
    """Row 94."""
    key, _ = fine

    await live.send(head("Connection: close", path=f"/api/v1/me?api_key={key}", method="GET"))

    assert key not in capsys.readouterr().out


async def test_leaving_at_any_moment_leaves_no_open_transaction(live, fine, database, rows):
    """Row 96: connections are reset at every stage; nothing stays open, and what is stored is whole."""
    key, ask = fine
    body = SURFACES[ACCOUNTS]
    request = head(TYPED, f"Content-Length: {len(body)}", key=key) + body
    for number in range(60):
        reader, writer = await live.connect()
        writer.write(request[: len(request) - (number % 3)])
        await asyncio.sleep(number * 0.0004)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        del reader
    await asyncio.sleep(1.0)

    async with database.engine.connect() as connection:
        idle = await connection.scalar(
            sa.text(
                "select count(*) from pg_stat_activity where state like 'idle in transaction%'"
                " and application_name = 'steward-api'"
            )
        )
    assert idle == 0
    assert await rows() in {0, 1}
    assert await ask()
