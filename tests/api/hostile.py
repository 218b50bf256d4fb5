"""Hostile inputs as data: each with its number in the threat model, and the same ones in every dialect they apply to.

A *case* is one request and the answers that are right for it. An *input* is something bad that is said about an account
or an event; each dialect puts it where it says such things, and answers it in its own way.
"""

import base64
import gzip
import json
from dataclasses import dataclass, field

ACCOUNTS, EVENTS, BATCH = "/api/v1/accounts", "/api/v1/events", "/api/v1/batch"
JSON = {"content-type": "application/json"}

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
    refuses: str | None = None  # the name of the answer's count that must be 1: the item was put aside

    def __str__(self):
        return f"{self.row} {self.name}"


def numbered(count):
    """An object with that many keys."""
    return json.dumps(dict.fromkeys(map(str, range(count)), 1)).encode()


def nested(depth, opening=b"[", closing=b"]"):
    return opening * depth + closing * depth


def text(value):
    return json.dumps(value).encode()


# -- What is said, and where -----------------------------------------------------------------------------------------

TRACKED = ("segment", "rudderstack")
SYNTAX, ITEM, FINE = "not JSON", "a bad item", "fine"


@dataclass(frozen=True)
class Input:
    """Something hostile in the place of an account's id, one of its traits, all its traits, or an event's time."""

    row: int
    name: str
    place: str
    said: bytes
    is_: str = ITEM
    forgiven: tuple = ()  # families of dialects that take it nevertheless

    def in_(self, dialect):
        """What it is there."""
        return FINE if dialect.name.split()[0] in self.forgiven else self.is_


def ids(row, name, said, is_=ITEM):
    return Input(row, name, "id", said, is_)


def trait(row, name, said, is_=ITEM, **more):
    return Input(row, name, "traits", b'{"t":' + said + b"}", is_, **more)


def traits(row, name, said, is_=ITEM):
    return Input(row, name, "traits", said, is_)


def time(row, said, is_=ITEM, **more):
    return Input(row, f"time {said}", "time", text(said), is_, **more)


INPUTS = [
    ids(1, "NUL in an id", rb'"a\u0000b"'),
    trait(2, "NUL in a trait", rb'"a\u0000b"'),
    traits(3, "NUL in a trait's key", rb'{"a\u0000b":1}'),
    ids(5, "lone surrogate in an id", rb'"\ud800"', SYNTAX),
    trait(6, "lone surrogate in a trait", rb'"\ud800x"', SYNTAX),
    traits(7, "lone surrogate as key", rb'{"\udfff":1}', SYNTAX),
    ids(8, "bytes FF FE", b'"\xff\xfe"', SYNTAX),
    ids(9, "overlong UTF-8", b'"\xc0\xaf"', SYNTAX),
    ids(9, "surrogate in UTF-8", b'"\xed\xa0\x80"', SYNTAX),
    ids(13, "a decomposed letter", text("cafe\u0301"), FINE),
    trait(14, "zero-width joiner, right-to-left override", text("a\u200db\u202ec"), FINE),
    ids(15, "a thousand combining marks", text("a" + "\u0301" * 1000)),
    trait(16, "CR LF", text("subject\r\nBcc: everyone"), FINE),
    Input(17, "ANSI escape in an event's name", "name", text("\x1b[31mred"), FINE),
    trait(18, "spreadsheet formula", text("=cmd()"), FINE),
    trait(19, "script", text("<script>alert(1)</script>"), FINE),
    trait(20, "template syntax", text("{{7*7}} ${x} %(x)s %s {0}"), FINE),
    trait(21, "Slack markup", text("<!channel> <@U1>"), FINE),
    trait(22, "SQL", text("'; drop table accounts; -- \\' \\"), FINE),
    *(ids(23, f"blank id {blank!r}", text(blank)) for blank in ("", "  ", "\u00a0", "\t\n")),
    Input(23, "a blank event name", "name", text(" ")),
    ids(25, "dotless i and sharp s", text("\u0131\u00df\u1e9e"), FINE),
    ids(27, "id of 257 bytes", text("a" * 257)),
    ids(27, "id of 129 two-byte letters", text("é" * 129)),
    ids(27, "id of 256 bytes", text("a" * 256), FINE),
    ids(28, "an id that looks like a path", text("a/../b?c#d%2e"), FINE),
    trait(29, "NaN", b"NaN", SYNTAX),
    trait(30, "Infinity", b"Infinity", SYNTAX),
    trait(30, "-Infinity", b"-Infinity", SYNTAX),
    trait(33, "NaN deep in a trait", b'[{"x":NaN}]', SYNTAX),
    trait(34, "1e999", b"1e999"),
    trait(34, "-1e999 deep in a trait", b'[{"x":-1e999}]'),
    ids(35, "NaN for a text", b"NaN", SYNTAX),
    trait(36, "2^63", b"9223372036854775808"),
    trait(36, "2^63-1", b"9223372036854775807", FINE),
    trait(37, "-2^63-1", b"-9223372036854775809"),
    trait(38, "2^64", b"18446744073709551616"),
    trait(40, "4,000 digits", b"9" * 4000),
    trait(41, "5,000 digits", b"9" * 5000, SYNTAX),
    trait(43, "2^53+1", b"9007199254740993", FINE),
    trait(44, "1e-400000", b"1e-400000", FINE),
    *(ids(45, f"{said!r} for an id", said) for said in (b"true", b"5.5", b"[5]", b'{"a":1}')),
    time(49, "0001-01-01T00:00:00+14:00"),
    time(50, "9999-12-31T23:59:59-14:00"),
    time(51, "2026-03-01T09:30:00", FINE),
    *(time(52, at) for at in (1767225600, 1767225600000, 10**18)),
    *(
        time(53, at)
        for at in (
            "2026-06-30T23:59:60Z",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00+25:00",
        )
    ),
    *(time(54, at) for at in ("infinity", "now", "epoch", "today")),
    time(55, "1996-01-01T00:00:00Z"),
    time(55, "9000-01-01T00:00:00Z", forgiven=TRACKED),  # a wrong clock: it counts as now
    trait(57, "depth 40", nested(40)),
    trait(58, "depth 5,000", nested(5_000), SYNTAX),
    trait(59, "depth 100,000", nested(100_000), SYNTAX),
    trait(59, "objects 100,000 deep", nested(100_000, b'{"a":', b"}"), SYNTAX),
    traits(60, "50,000 keys", numbered(50_000)),
    trait(60, "501 keys", numbered(501)),
    traits(60, "a key of 257 bytes", text({"k" * 257: 1})),
    trait(60, "a text of 8 KiB and one", text("x" * 8193), forgiven=(*TRACKED, "analytics")),
    trait(60, "a text of 8 KiB", text("x" * 8192), FINE),
    traits(60, "more than 32 KiB", text({f"k{i}": "x" * 8000 for i in range(5)})),
    traits(61, "the same trait twice", b'{"x":1,"x":2}', SYNTAX),
    traits(61, "the same trait twice, escaped", rb'{"xi":1,"x\u0069":2}', SYNTAX),
    traits(62, "__proto__", b'{"__proto__":1,"constructor":2,"__class__":3}', FINE),
    traits(63, "keys that look alike", b'{"k":1,"K":2,"k ":3}', FINE),
    traits(64, "odd keys", b'{"":1,"a.b":2,"$x":3,"a[0]":4}', FINE),
    trait(66, "a comment", b"1/* */", SYNTAX),
    trait(66, "single quotes", b"'x'", SYNTAX),
    trait(66, "a trailing comma", b"[1,]", SYNTAX),
    trait(66, "a control character", b'"a\x01"', SYNTAX),
    traits(70, "1,000 traits", numbered(1000)),
    traits(70, "201 traits", numbered(201)),
    traits(71, "traits that are a list", b"[1]"),
    traits(71, "traits that are a text", b'"x"'),
]


# -- Dialects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dialect:
    """Where something is said, in which words, and what its sender is told."""

    name: str
    paths: dict  # what it is about ("account", "event") -> path
    words: dict  # what it is about -> the message, with places in angle brackets
    around: tuple = (b"", b"")
    tracking: bool = True
    refused: tuple = (400,)  # the status for a bad item
    refuses: str | None = None
    taken: tuple = (200,)
    bearer: bool = False

    def case(self, one):
        """An input said in this dialect."""
        about = "event" if one.place in {"time", "name"} else "account"
        is_ = one.in_(self)
        statuses = {SYNTAX: (400,), ITEM: self.refused, FINE: self.taken}[is_]
        return Case(
            one.row,
            f"{self.name}: {one.name}",
            {(status, None) for status in statuses},
            path=self.paths[about],
            body=self.body(about, **{one.place: one.said}),
            stores=is_ == FINE,
            refuses=self.refuses if is_ == ITEM else None,
        )

    def body(self, about="account", **said):
        """A request about an account or an event in which only `said` is not ordinary."""
        words = self.words[about]
        for place, ordinary in ORDINARY.items():
            words = words.replace(f"<{place}>".encode(), said.get(place, ordinary))
        return self.around[0] + words + self.around[1]

    def authorization(self, key):
        """How its clients show a key."""
        return f"Bearer {key}" if self.bearer else "Basic " + base64.b64encode(f"{key}:".encode()).decode()


ORDINARY = {"id": b'"a"', "traits": b"{}", "time": b'"2026-03-01T09:30:00Z"', "name": b'"E"'}
GROUP = b'{"type":"group","messageId":"m","userId":"u","groupId":<id>,"traits":<traits>}'
TRACK = b'{"type":"track","messageId":"m","userId":"u","event":<name>,"timestamp":<time>}'
TOLD_ACCOUNT = b'{"type":"account","messageId":"m","accountId":<id>,"traits":<traits>}'
TOLD_TRACK = b'{"type":"track","messageId":"m","userId":"u","event":<name>,"properties":{},"timestamp":<time>}'
BATCHED = {"account": "/v1/batch", "event": "/v1/batch"}

DIALECTS = [
    Dialect(
        "native batch",
        {"account": BATCH, "event": BATCH},
        {
            "account": TOLD_ACCOUNT,
            "event": b'{"type":"event","messageId":"m","userId":"u","event":<name>,"timestamp":<time>}',
        },
        (b'{"messages":[', b"]}"),
        tracking=False,
        refused=(202,),
        refuses="rejected",
        taken=(202,),
        bearer=True,
    ),
    Dialect(
        "native single",
        {"account": ACCOUNTS, "event": EVENTS},
        {
            "account": b'{"externalId":<id>,"traits":<traits>}',
            "event": b'{"userId":"u","event":<name>,"timestamp":<time>}',
        },
        tracking=False,
        refused=(422,),
        taken=(200, 202),
        bearer=True,
    ),
    Dialect(
        "segment batch",
        BATCHED,
        {"account": GROUP, "event": TRACK},
        (b'{"batch":[', b"]}"),
        refused=(200,),
        refuses="rejected",
    ),
    Dialect("segment single", {"account": "/v1/group", "event": "/v1/track"}, {"account": GROUP, "event": TRACK}),
    Dialect("rudderstack", {"account": "/rudderstack", "event": "/rudderstack"}, {"account": GROUP, "event": TRACK}),
    Dialect(
        "analytics batch",
        {"account": "/analytics/v1/batch", "event": "/analytics/v1/batch"},
        {"account": TOLD_ACCOUNT, "event": TOLD_TRACK},
        (b"[", b"]"),
        refused=(200,),
    ),
    Dialect(
        "analytics single",
        {"account": "/analytics/v1/account", "event": "/analytics/v1/track"},
        {"account": TOLD_ACCOUNT, "event": TOLD_TRACK},
    ),
]

BOMB = gzip.compress(b'{"batch":[{"type":"' + b"a" * 10_000_000 + b'"}]}')


def whole(row, name, body, *statuses, headers=None):
    """What is wrong with a whole request, in every dialect alike; `body` maps an ordinary body to the bad one."""
    for dialect in DIALECTS:
        made = body(dialect.body())
        yield Case(
            row,
            f"{dialect.name}: {name}",
            {(status, None) for status in statuses},
            path=dialect.paths["account"],
            body=made,
            headers={**JSON, **(headers or {})},
        )


def coded(row, name, body, encoding, *statuses):
    return whole(row, name, body, *statuses, headers={"content-encoding": encoding})


WHOLE = [
    *whole(10, "UTF-16", lambda body: body.decode().encode("utf-16"), 400),
    *whole(10, "UTF-16 without a mark", lambda body: body.decode().encode("utf-16-le"), 400),
    *whole(11, "byte order mark", lambda body: b"\xef\xbb\xbf" + body, 400),
    *whole(26, "10 MB", lambda body: body + b" " * 10_000_000, 413),
    *(whole_case for blank in (b"", b" \n") for whole_case in whole(65, repr(blank), lambda _, b=blank: b, 400, 422)),
    *(
        whole_case
        for value in (b"null", b'"x"', b"1", b"true", b"[[]", b"{}")
        for whole_case in whole(65, repr(value), lambda _, v=value: v, 400, 422)
    ),
    *whole(66, "trailing garbage", lambda body: body + b"x", 400),
    *whole(66, "two values", lambda body: body + body, 400),
    *whole(67, "cut in the middle", lambda body: body[: len(body) // 2], 400),
    *coded(88, "gzip header on a plain body", lambda body: body, "gzip", 400),
    *coded(89, "a gzip bomb", lambda _: BOMB, "gzip", 413),
    *coded(89, "gzip in gzip, said so", lambda body: gzip.compress(gzip.compress(body)), "gzip, gzip", 415),
    *coded(89, "gzip in gzip, not said", lambda body: gzip.compress(gzip.compress(body)), "gzip", 400),
    *coded(89, "gzip cut short", lambda body: gzip.compress(body)[:-5], "gzip", 400),
    *coded(89, "something after gzip", lambda body: gzip.compress(body) + b"x", "gzip", 400),
    *(whole_case for name in ("br", "zstd", "deflate") for whole_case in coded(89, name, lambda body: body, name, 415)),
]

KINDS = ("", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-7", "text/html")


def typed():
    """Content types: strict where people write clients, lenient where libraries were written long ago."""
    for dialect in DIALECTS:
        for kind in KINDS:
            yield Case(
                12 if "utf-7" in kind else 90,
                f"{dialect.name}: content type {kind!r}",
                {(200, None)} if dialect.tracking else {MEDIA},
                path=dialect.paths["account"],
                body=dialect.body(),
                headers={"content-type": kind} if kind else {},
                stores=dialect.tracking,
            )


def mismethoded():
    for dialect in DIALECTS:
        for method in ("GET", "PUT", "PATCH", "DELETE", "TRACE", "BREW"):
            path = dialect.paths["account"]
            if (method, path) != ("GET", ACCOUNTS):
                yield Case(91, f"{dialect.name}: {method}", {(405, None)}, method, path, headers={})


STRANGE_KEYS = (b"", b"Bearer", b"Bearer \xe9\xff", b"Basic !!", b"Basic OjpqOg==", b"Digest x", b"stw_live_ing_x")


def unkeyed():
    for dialect in DIALECTS:
        for value in (
            b"",
            b"Bearer",
            b"Bearer \xe9\xff",
            b"Basic !!",
            b"Basic OjpqOg==",
            b"Digest x",
            b"stw_live_ing_x",
        ):
            yield Case(
                95,
                f"{dialect.name}: authorization {value!r}",
                {(401, None)},
                path=dialect.paths["account"],
                body=dialect.body(),
                headers={**JSON, "authorization": value},
            )
        yield Case(
            94,
            f"{dialect.name}: a key in the query",
            {(401, None)},
            path=dialect.paths["account"] + "?api_key=KEY&writeKey=KEY",
            body=dialect.body(),
            headers={**JSON, "authorization": b""},
        )


SPOKEN = [
    *(dialect.case(one) for dialect in DIALECTS for one in INPUTS),
    *WHOLE,
    *typed(),
    *mismethoded(),
    *unkeyed(),
]
