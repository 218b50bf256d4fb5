"""What is hostile to our own API alone, with the exact codes its clients are promised."""

import gzip
import json

from tests.api.hostile import (
    ACCOUNTS,
    BATCH,
    BATCHLESS,
    CODING,
    CURSOR,
    DEEP,
    DUPLICATE,
    ENCODING,
    EVENTS,
    FINITE,
    INVALID,
    JSON,
    KEY,
    LARGE,
    LIMIT,
    MALFORMED,
    MEDIA,
    MISSING,
    NOT_FOUND,
    NUL,
    RANGE,
    TIME,
    ZIP,
    Case,
    nested,
    numbered,
)


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
    # Deeper than any parser need follow, it is not even JSON.
    refused(58, "depth 5,000", trait(nested(5_000)), MALFORMED),
    refused(59, "depth 100,000", trait(nested(100_000)), MALFORMED),
    refused(59, "objects 100,000 deep", trait(nested(100_000, b'{"a":', b"}")), MALFORMED),
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

NATIVE = [*TEXT, *NUMBERS, *STRUCTURE, *CODED]
