"""Hostile inputs, by their number in the threat model: each gets the refusal it should, stores nothing, breaks nothing.

Text, numbers and structure go through the application; what concerns bytes and sockets goes to a real server.
"""

import asyncio
import gzip
import json
import socket
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

ACCOUNTS, EVENTS, BATCH = "/api/v1/accounts", "/api/v1/events", "/api/v1/batch"
JSON = {"content-type": "application/json"}
TABLES = ("accounts", "users", "events", "message_receipts", "members", "webhook_endpoints")


@dataclass
class Case:
    """One hostile request and the answers that are right for it: (status, code)."""

    row: int
    name: str
    wanted: set
    method: str = "POST"
    path: str = ACCOUNTS
    body: bytes | None = None
    headers: dict = field(default_factory=lambda: dict(JSON))
    stores: bool = False

    def __str__(self):
        return f"{self.row} {self.name}"


def refused(row, name, body, *wanted, path=ACCOUNTS, **more):
    return Case(row, name, set(wanted), path=path, body=body, **more)


def stored(row, name, value, path=ACCOUNTS, status=200):
    return Case(row, name, {(status, None)}, path=path, body=json.dumps(value).encode(), stores=True)


def account(text):
    """An account body with `text` as JSON in the place of its id."""
    return b'{"externalId":' + text + b"}"


def traits(text):
    return b'{"externalId":"a","traits":' + text + b"}"


def trait(text):
    return traits(b'{"t":' + text + b"}")


def event(**parts):
    return json.dumps({"event": "E", "userId": "u", **parts}).encode()


ROTATE = "/api/v1/keys/key_0/rotate"


def hours(text, row, name, *wanted):
    """`text` where an integer is wanted."""
    return refused(row, name, b'{"overlapHours":' + text + b"}", *wanted, path=ROTATE)


def coded(row, name, body, encoding, *wanted):
    """A body with a content encoding."""
    return refused(row, name, body, *wanted, headers={**JSON, "content-encoding": encoding})


def numbered(count):
    """An object with that many keys."""
    return json.dumps(dict.fromkeys(map(str, range(count)), 1)).encode()


def nested(depth, opening=b"[", closing=b"]"):
    return opening * depth + closing * depth


MALFORMED, ENCODING = (400, "malformed_json"), (400, "invalid_encoding")
ZIP = (400, "invalid_compression")
NUL, RANGE, FINITE = (422, "nul_character"), (422, "out_of_range"), (422, "not_finite")
INVALID, LIMIT, DEEP = (422, "invalid_request"), (422, "limit_exceeded"), (422, "too_deep")
LARGE, MEDIA, CODING = (
    (413, "payload_too_large"),
    (415, "unsupported_media_type"),
    (415, "unsupported_content_encoding"),
)
MISSING, BATCHLESS = (401, "missing_api_key"), (422, "invalid_batch")
DUPLICATE, TIME = (400, "duplicate_key"), (422, "timestamp_out_of_range")
NOT_FOUND, CURSOR, KEY = (404, "unknown_account"), (400, "invalid_cursor"), (401, "invalid_api_key")

TEXT = [
    refused(1, "NUL in an id", account(rb'"a\u0000b"'), NUL),
    refused(2, "NUL in a trait", trait(rb'"a\u0000b"'), NUL),
    refused(3, "NUL in a trait's key", traits(rb'{"a\u0000b":1}'), NUL),
    Case(4, "NUL in a query", {NUL}, "GET", f"{ACCOUNTS}?externalId=a%00b", headers={}),
    Case(4, "NUL in a path", {NUL}, "GET", f"{ACCOUNTS}/a%00b", headers={}),
    refused(5, "lone surrogate in an id", account(rb'"\ud800"'), MALFORMED),
    refused(6, "lone surrogate in a trait", trait(rb'"\ud800x"'), MALFORMED),
    refused(7, "lone surrogate as key", traits(rb'{"\udfff":1}'), MALFORMED),
    refused(8, "bytes FF FE", account(b'"\xff\xfe"'), ENCODING),
    refused(9, "overlong UTF-8", account(b'"\xc0\xaf"'), ENCODING),
    refused(9, "surrogate in UTF-8", account(b'"\xed\xa0\x80"'), ENCODING),
    refused(10, "UTF-16", '{"externalId":"a"}'.encode("utf-16"), ENCODING),
    refused(10, "UTF-16 without a mark", '{"externalId":"a"}'.encode("utf-16-le"), MALFORMED),
    refused(11, "byte order mark", b'\xef\xbb\xbf{"externalId":"a"}', MALFORMED),
    refused(12, "charset utf-7", account(b'"a"'), MEDIA, headers={"content-type": "application/json; charset=utf-7"}),
    refused(
        15,
        "a thousand combining marks",
        account(json.dumps("a" + "\u0301" * 1000).encode()),
        INVALID,
        (422, "id_too_long"),
    ),
    *(
        refused(23, f"blank id {text!r}", account(json.dumps(text).encode()), INVALID)
        for text in ("", "  ", "\u00a0", "\t\n")
    ),
    refused(26, "10 MB id", account(b'"' + b"a" * 10_000_000 + b'"'), LARGE),
    refused(27, "id of 257 bytes", account(b'"' + b"a" * 257 + b'"'), INVALID),
    refused(27, "id of 129 two-byte letters", account(json.dumps("é" * 129).encode()), INVALID),
    stored(27, "id of 256 bytes", {"externalId": "a" * 256}),
    *(
        stored(row, name, {"externalId": "a", "traits": {"t": text}})
        for row, name, text in [
            (14, "zero-width joiner, right-to-left override", "a\u200db\u202ec"),
            (16, "CR LF", "subject\r\nBcc: everyone"),
            (18, "spreadsheet formula", "=cmd()"),
            (19, "script", "<script>alert(1)</script>"),
            (20, "template syntax", "{{7*7}} ${x} %(x)s %s {0}"),
            (21, "Slack markup", "<!channel> <@U1>"),
            (22, "SQL", "'; drop table accounts; -- \\' \\"),
            (43, "2^53+1", 2**53 + 1),
            (43, "17 digits", 0.1 + 0.2),
            (44, "1e-400000", 1e-400),
        ]
    ),
    stored(17, "ANSI escape in an event's name", {"event": "\x1b[31mred", "userId": "u"}, EVENTS, 202),
    stored(25, "dotless i and sharp s", {"externalId": "\u0131\u00df\u1e9e"}),
    stored(62, "__proto__", {"externalId": "a", "traits": {"__proto__": 1, "constructor": 2, "__class__": 3}}),
    stored(63, "keys that look alike", {"externalId": "a", "traits": {"k": 1, "K": 2, "k ": 3}}),
    stored(64, "odd keys", {"externalId": "a", "traits": {"": 1, "a.b": 2, "$x": 3, "a[0]": 4}}),
]

NUMBERS = [
    hours(b"NaN", 29, "NaN", MALFORMED),
    refused(30, "Infinity", trait(b"Infinity"), MALFORMED),
    refused(30, "-Infinity", trait(b"-Infinity"), MALFORMED),
    hours(b'"-inf"', 31, "a number as text", INVALID),
    hours(b"1e999", 32, "1e999 in a field", FINITE),
    refused(33, "NaN in a trait", trait(b"NaN"), MALFORMED),
    refused(34, "1e999 in a trait", trait(b"1e999"), FINITE),
    refused(34, "-1e999 deep in a trait", trait(b'[{"x":-1e999}]'), FINITE),
    refused(35, "NaN for a text", account(b"NaN"), MALFORMED),
    hours(b"9223372036854775808", 36, "2^63 in a field", RANGE),
    refused(37, "-2^63-1", trait(b"-9223372036854775809"), RANGE),
    refused(38, "2^64 in a trait", trait(b"18446744073709551616"), RANGE),
    hours(b"9" * 4000, 39, "4,000 digits in a field", RANGE),
    refused(40, "4,000 digits in a trait", trait(b"9" * 4000), RANGE),
    refused(41, "5,000 digits", trait(b"9" * 5000), MALFORMED),
    *(hours(text, 45, f"{text!r} for an integer", INVALID) for text in (b"true", b'"5"', b"5.0", b"null", b"[5]")),
    stored(36, "2^63-1", {"externalId": "a", "traits": {"t": 2**63 - 1, "u": -(2**63)}}),
    Case(46, "2^63 as an id", {NOT_FOUND}, "GET", f"{ACCOUNTS}/9223372036854775808", headers={}),
    Case(47, "5,000 digits as an id", {INVALID, NOT_FOUND}, "GET", f"{ACCOUNTS}/{'9' * 5000}", headers={}),
    Case(48, "Arabic digits as an id", {NOT_FOUND}, "GET", f"{ACCOUNTS}/%D9%A1%D9%A2", headers={}),
    *(
        refused(row, f"time {at}", event(timestamp=at), *wanted, path=EVENTS)
        for row, at, *wanted in [
            (49, "0001-01-01T00:00:00+14:00", TIME, INVALID),
            (50, "9999-12-31T23:59:59-14:00", TIME, INVALID),
            (52, 1767225600, INVALID),
            (52, 1767225600000, INVALID),
            (52, 10**18, INVALID),
            (53, "2026-06-30T23:59:60Z", INVALID),
            (53, "2026-02-30T00:00:00Z", INVALID),
            (53, "2026-01-01T24:00:00Z", INVALID),
            (53, "2026-01-01T00:00:00+25:00", INVALID),
            (54, "infinity", INVALID),
            (54, "now", INVALID),
            (54, "epoch", INVALID),
            (54, "today", INVALID),
            (55, "1996-01-01T00:00:00Z", TIME),
            (55, "9000-01-01T00:00:00Z", TIME),
        ]
    ),
    stored(
        51,
        "a time without an offset is UTC",
        {"event": "E", "userId": "u", "timestamp": "2026-03-01T09:30:00"},
        EVENTS,
        202,
    ),
]

STRUCTURE = [
    refused(57, "depth 500", trait(nested(500)), DEEP),
    refused(57, "depth 17", trait(nested(15)), DEEP),
    # Deeper than the parser itself follows is the same mistake to us, and gets the same answer.
    refused(58, "depth 5,000", trait(nested(5_000)), DEEP),
    refused(59, "depth 100,000", trait(nested(100_000)), DEEP),
    refused(59, "objects 100,000 deep", trait(nested(100_000, b'{"a":', b"}")), DEEP),
    refused(60, "50,000 keys", traits(numbered(50_000)), LIMIT),
    refused(60, "501 keys", trait(numbered(501)), LIMIT),
    refused(60, "a key of 257 bytes", traits(json.dumps({"k" * 257: 1}).encode()), LIMIT),
    refused(60, "a text of 8 KiB and one", trait(json.dumps("x" * 8193).encode()), LIMIT),
    stored(60, "a text of 8 KiB", {"externalId": "a", "traits": {"t": "x" * 8192}}),
    refused(
        60, "a message of more than 32 KiB", traits(json.dumps({f"k{i}": "x" * 8000 for i in range(5)}).encode()), LIMIT
    ),
    refused(61, "the same field twice", b'{"externalId":"a","externalId":"b"}', DUPLICATE),
    refused(61, "the same field twice, escaped", rb'{"externalId":"a","external\u0049d":"b"}', DUPLICATE),
    refused(
        61, "the same field twice, spaced", b'{"externalId" : "a","externalId"\n:"b","traits":{"x":"\\":"}}', DUPLICATE
    ),
    refused(61, "the same trait twice", traits(b'{"x":1,"x":2}'), DUPLICATE),
    refused(61, "messages twice", b'{"messages":[],"messages":[]}', DUPLICATE, path=BATCH),
    *(
        refused(65, repr(text), text, MALFORMED, INVALID)
        for text in (b"null", b"[]", b'"x"', b"1", b"true", b"", b" \n")
    ),
    *(
        refused(65, f"{text!r} as a batch", text, MALFORMED, INVALID, BATCHLESS, path=BATCH)
        for text in (b"null", b"[]", b'"x"', b"{}", b'{"messages":null}', b'{"messages":{}}', b"", b"  ")
    ),
    *(
        refused(66, name, text, MALFORMED)
        for name, text in [
            ("trailing garbage", b'{"externalId":"a"}x'),
            ("two values", b'{"externalId":"a"}{"externalId":"b"}'),
            ("a comment", b'{"externalId":"a"/* */}'),
            ("single quotes", b"{'externalId':'a'}"),
            ("a trailing comma", b'{"externalId":"a",}'),
            ("a control character", b'{"externalId":"a\x01"}'),
        ]
    ),
    refused(69, "a batch of none", b'{"messages":[]}', BATCHLESS, path=BATCH),
    refused(69, "a batch of 501", json.dumps({"messages": [{}] * 501}).encode(), BATCHLESS, path=BATCH),
    refused(70, "1,000 traits", traits(numbered(1000)), LIMIT),
    refused(70, "201 traits", traits(numbered(201)), INVALID, (422, "too_many_traits")),
    refused(15, "an unknown field", b'{"externalId":"a","workspaceId":"b"}', (422, "unknown_field")),
]


BOMB = gzip.compress(b'{"externalId":"' + b"a" * 10_000_000 + b'"}')
PLAIN = account(b'"a"')
GOOD = gzip.compress(PLAIN)
FORM = "multipart/form-data; boundary=x"
AUTHORIZATIONS = (
    b"",
    b"Bearer",
    b"Bearer ",
    b"Bearer \xe9\xff",
    b"Basic !!",
    b"Basic OjpqOg==",
    b"Digest x",
    b"Bearer " + b"a" * 9000,
    b"stw_live_ing_x",
)
CODED = [
    coded(88, "gzip header on a plain body", PLAIN, "gzip", ZIP),
    coded(89, "a gzip bomb", BOMB, "gzip", LARGE),
    coded(89, "gzip in gzip, said so", gzip.compress(GOOD), "gzip, gzip", CODING),
    coded(89, "gzip in gzip, not said", gzip.compress(GOOD), "gzip", ENCODING, MALFORMED),
    coded(89, "gzip cut short", GOOD[:-5], "gzip", ZIP),
    coded(89, "something after gzip", GOOD + b"x", "gzip", ZIP),
    *(coded(89, name, PLAIN, name, CODING) for name in ("br", "zstd", "deflate", "compress", "x")),
    *(
        refused(90, f"content type {kind!r}", PLAIN, MEDIA, headers={"content-type": kind} if kind else {})
        for kind in (
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            FORM,
            "application/xml",
            "application/jsonx",
        )
    ),
    *(
        Case(91, f"{method} where it is not known", {(405, "method_not_allowed")}, method, ACCOUNTS, headers={})
        for method in ("TRACE", "PATCH", "PUT", "DELETE", "OPTIONS", "BREW")
    ),
    *(
        Case(95, f"authorization {value[:20]!r}", {KEY, MISSING}, "GET", ACCOUNTS, headers={"authorization": value})
        for value in AUTHORIZATIONS
    ),
    Case(
        95,
        "authorization of 20 KB",
        {(431, "headers_too_large")},
        "GET",
        ACCOUNTS,
        headers={"authorization": b"Bearer " + b"a" * 20_000},
    ),
    Case(98, "a cursor from nowhere", {CURSOR}, "GET", f"{ACCOUNTS}?cursor=AAAA", headers={}),
    Case(98, "an empty cursor", {CURSOR}, "GET", f"{ACCOUNTS}?cursor=", headers={}),
    Case(98, "a cursor that is not base64", {CURSOR}, "GET", f"{ACCOUNTS}?cursor=%F0%9F%98%80", headers={}),
    Case(98, "a cursor of 3,000 bytes", {INVALID}, "GET", f"{ACCOUNTS}?cursor={'A' * 3000}", headers={}),
]


@pytest.fixture
def rows(database, workspace):
    """How many rows this test's workspace has, in all tables a hostile input could reach."""
    query = " union all ".join(f"select count(*) from {table}" for table in TABLES)

    async def count():
        async with database.transaction(workspace) as db:
            return sum((await db.execute(sa.text(query))).scalars())

    return count


@pytest.mark.parametrize("case", [*TEXT, *NUMBERS, *STRUCTURE, *CODED], ids=str)
async def test_hostile_requests(case, client, rows):
    before = await rows()

    answer = await client.request(case.method, case.path, content=case.body, headers=case.headers)

    code = answer.json().get("code") if answer.content and case.method != "HEAD" else None
    assert (answer.status_code, code) in case.wanted, answer.text[:300]
    assert (await rows() > before) == case.stores
    assert len(answer.content) < 32 * 1024
    assert (await client.get("/api/v1/me")).status_code == 200


async def test_texts_come_back_byte_for_byte(client):
    """Rows 13, 14, 16-22, 62-64: stored as they are, and nobody else's."""
    sent = {case.name: json.loads(case.body) for case in TEXT if case.stores and b"traits" in case.body}
    for number, (name, body) in enumerate(sent.items()):
        body["externalId"] = f"a{number}"
        answer = await client.post(ACCOUNTS, json=body)
        assert answer.json()["account"]["traits"] == body["traits"], name


async def test_numbers_come_back_as_postgresql_numerics(client):
    """Rows 42-44: exact for integers of 64 bits and for every finite double; huge ones are written out in digits."""
    numbers = [2**53 + 1, 0.1 + 0.2, 5e-324, 1e308, -0.0, 1.5]

    answer = await client.post(ACCOUNTS, json={"externalId": "a", "traits": {"n": numbers}})

    assert [float(number) for number in answer.json()["account"]["traits"]["n"]] == [float(n) for n in numbers]


async def test_composed_and_decomposed_ids_are_two(client):
    """Row 13: an id is bytes; nothing is normalised."""
    for name in ("caf\u00e9", "cafe\u0301"):
        assert (await client.post(ACCOUNTS, json={"externalId": name})).status_code == 200

    assert len((await client.get(ACCOUNTS)).json()["data"]) == 2


@pytest.mark.parametrize("name", ["a/b", "..", "../x", "%2e%2e", "?", "#", "100%", "%2F", "a b", "é", "acc_1", "%252F"])
async def test_an_id_with_reserved_characters_round_trips(client, name):
    """Row 28."""
    from urllib.parse import quote

    await client.post(ACCOUNTS, json={"externalId": name})
    answer = await client.get(f"{ACCOUNTS}/{quote(name, safe='')}".replace("/..", "/%2E%2E"))

    assert answer.status_code == 200, answer.text
    assert answer.json()["externalId"] == name


async def test_a_body_cut_at_any_byte_is_refused(client, rows):
    """Row 67."""
    whole = json.dumps({"messages": [{"type": "event", "messageId": "m", "userId": "u", "event": "E\u00e9"}]}).encode()
    before = await rows()
    for end in range(len(whole)):
        answer = await client.post(BATCH, content=whole[:end], headers=JSON)
        assert answer.status_code == 400, whole[:end]
    assert await rows() == before


async def test_every_kind_of_bad_item_is_judged_alone(client, rows):
    """Rows 1, 2, 32, 36, 57, 60, 68: in a batch a bad item is a verdict, and stops nobody."""
    good = {"type": "account", "messageId": "good", "accountId": "a"}
    bad = {
        "nul_character": {**good, "messageId": "1", "accountId": "a\0"},
        "out_of_range": {**good, "messageId": "2", "traits": {"x": 2**63}},
        "too_deep": {**good, "messageId": "3", "traits": {"x": json.loads(nested(40))}},
        "limit_exceeded": {**good, "messageId": "4", "traits": {"x": "y" * 9000}},
        "unknown_type": {**good, "type": "company"},
        "unknown_field": {**good, "workspaceId": "w"},
        "blank_id": {**good, "accountId": " "},
        "timestamp_out_of_range": {**good, "timestamp": "1970-01-01T00:00:00Z"},
    }
    body = {"messages": [*bad.values(), good, 7, None, []]}

    answer = (await client.post(BATCH, json=body)).json()

    assert answer["accepted"] == 1
    assert answer["results"] == ["rejected"] * len(bad) + ["accepted"] + ["rejected"] * 3
    found = {fault["code"]: fault["indexes"] for fault in answer["faults"]}
    assert {code: found.get(code, [None])[0] for code in bad} == {code: index for index, code in enumerate(bad)}


async def test_five_hundred_bad_items_get_a_short_answer(client):
    """Row 68."""
    answer = await client.post(BATCH, json={"messages": [{"type": "account", "accountId": "\n", "x": "canary"}] * 500})

    assert answer.status_code == 202
    assert answer.json()["rejected"] == 500
    assert len(answer.content) < 16 * 1024
    assert "canary" not in answer.text


async def test_five_hundred_items_are_taken(client):
    """Row 69."""
    items = [{"type": "event", "messageId": f"m{n}", "userId": "u", "event": "E"} for n in range(500)]

    assert (await client.post(BATCH, json={"messages": items})).json()["accepted"] == 500


async def test_the_future_begins_a_day_from_now(client):
    """Row 55."""
    for hours, status in ((23, 202), (25, 422)):
        at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
        assert (await client.post(EVENTS, json={"event": "E", "userId": "u", "timestamp": at})).status_code == status


async def test_a_trait_may_change_its_type(client):
    """Row 71."""
    for value in ("text", {"a": 1}, 5, [1], None, True):
        answer = await client.post(ACCOUNTS, json={"externalId": "a", "traits": {"t": value}})
        assert answer.status_code == 200


async def test_a_tampered_or_shortened_cursor_is_refused(client):
    """Row 98."""
    for name in ("a", "b"):
        await client.post(ACCOUNTS, json={"externalId": name})
    cursor = (await client.get(ACCOUNTS, params={"limit": 1})).json()["nextCursor"]

    for changed in (cursor[:-1], cursor[1:], cursor[:20], cursor[:-4] + "AAAA", cursor * 2):
        answer = await client.get(ACCOUNTS, params={"limit": 1, "cursor": changed})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    elsewhere = await client.get("/api/v1/users", params={"limit": 1, "cursor": cursor})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (400, "invalid_cursor")


# What follows needs bytes on a socket.


def head(*lines, key=None, path=ACCOUNTS, method="POST"):
    authorization = [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *authorization, *lines, "", ""]).encode()


TYPED = "Content-Type: application/json"
BODY = account(b'"smuggled"')
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"


UPGRADE = ("Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13")


def chunked(*pieces):
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


WIRE = {
    "74 a connection and no bytes": ([], (None,)),
    "75 half a header line": ([b"POST /api/v1/accounts HTTP/1.1\r\nHo"], (408,)),
    "75 a head that never ends": ([b"POST /api/v1/accounts HTTP/1.1\r\nHost: x\r\n"], (408,)),
    "76 half a body": ([head(TYPED, LENGTH, key="KEY") + BODY[:5]], (408,)),
    "77 a dripping body": ([head(TYPED, LENGTH, key="KEY"), *(b"x" for _ in range(40))], (408,)),
    "79 a header of 70 KB": ([head("X-Long: " + "a" * 70_000, key="KEY", method="GET")], (431,)),
    "79 a header of 5 MB": ([head("X-Long: " + "a" * 5_000_000, key="KEY", method="GET")], (431, None)),
    "80 150 headers": ([head(*(f"X-{n}: a" for n in range(150)), key="KEY", method="GET")], (431,)),
    "80 20,000 headers": ([head(*(f"X-{n}: a" for n in range(20_000)), key="KEY", method="GET")], (431, None)),
    "81 a URL of 10 KB": ([head(key="KEY", path="/api/v1/" + "a" * 10_000, method="GET")], (414, 431)),
    "81 a URL of 1 MB": ([head(key="KEY", path="/" + "a" * 1_000_000, method="GET")], (414, 431, 400, None)),
    "82 a length and chunks": ([head(TYPED, LENGTH, CHUNKED, key="KEY") + chunked(BODY)], (400,)),
    "83 two lengths": ([head(TYPED, LENGTH, "Content-Length: 3", key="KEY") + BODY], (400,)),
    **{
        f"84 a length of {length}": ([head(TYPED, f"Content-Length: {length}", key="KEY") + BODY], (400,))
        for length in ("-1", "+5", "0x5", "9" * 20, "1e3", "1 2")
    },
    "85 a chunk size that is none": ([head(TYPED, CHUNKED, key="KEY") + b"zz\r\n" + BODY], (400,)),
    "85 a chunk of 1 GB announced": ([head(TYPED, CHUNKED, key="KEY") + b"40000000\r\nabc"], (408, 413)),
    "85 2 MB in chunks": ([head(TYPED, CHUNKED, key="KEY") + chunked(*[b"x" * 50_000] * 40)], (413,)),
    "86 line feeds only": ([head(TYPED, LENGTH, key="KEY").replace(b"\r\n", b"\n") + BODY], (400,)),
    "86 a space before the colon": ([head(TYPED, LENGTH, "X-Y : z", key="KEY") + BODY], (400,)),
    "86 a folded header": ([head(TYPED, LENGTH, "X-Y: z\r\n  folded", key="KEY") + BODY], (400,)),
    "87 no host": ([head(TYPED, LENGTH, key="KEY").replace(b"Host: x\r\n", b"") + BODY], (400,)),
    "87 two hosts": ([head(TYPED, LENGTH, "Host: y", key="KEY") + BODY], (400,)),
    "91 a method in small letters": ([head(key="KEY", method="get")], (400, 405)),
    "94 a key in the query": ([head(TYPED, LENGTH, path=ACCOUNTS + "?key=KEY") + BODY], (401,)),
    "95 two authorizations": ([head(TYPED, LENGTH, "Authorization: Bearer x", key="KEY") + BODY], (400, 401)),
    "95 NUL in an authorization": ([head("Authorization: Bearer a\0b", method="GET")], (400, 401)),
    "95 an authorization of 1 MB": ([head("Authorization: Bearer " + "a" * 1_000_000, method="GET")], (431, None)),
    "92 an upgrade": ([head(*UPGRADE, key="KEY", method="GET", path="/ws")], (404, 400)),
    "92 HTTP/1.0": ([head(key="KEY", method="GET", path="/api/v1/me").replace(b"HTTP/1.1", b"HTTP/1.0")], (200,)),
    "92 HTTP/9": ([head(key="KEY", method="GET").replace(b"HTTP/1.1", b"HTTP/9.9")], (400,)),
    "92 no HTTP at all": ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], (400,)),
}


@pytest.fixture
async def fine(live, make_key, workspace):
    """Whether the server still serves."""
    key = await make_key(workspace)

    async def ask():
        answer, _ = await live.send(head("Connection: close", key=key, path="/api/v1/me", method="GET"))
        return answer.startswith(b"HTTP/1.1 200 ")

    return key, ask


@pytest.mark.parametrize("name", WIRE)
async def test_hostile_bytes(name, live, fine, rows):
    pieces, wanted = WIRE[name]
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
    request = head(TYPED, LENGTH, key=key) + BODY
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
