"""Tracking events as libraries shape them: what each says, when it happened, and what becomes of the odd ones."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.messages import AccountMessage, EventMessage, UnlinkMessage, UserMessage
from app.intake import segment
from app.intake.dialects import read_again
from app.intake.reading import BadBatch, BadMessage

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT = "2026-06-01T11:00:00.000Z"
WHEN = datetime(2026, 6, 1, 11, tzinfo=UTC)
EVENT_BYTES = 32 * 1024
USER = {"userId": "u", "timestamp": AT}


def taken(*events, now=NOW, **envelope):
    body = json.dumps({"batch": list(events), **envelope}).encode()
    return segment.read_batch(body, now=now, event_bytes=EVENT_BYTES, most=5000)


def said(event, **envelope):
    """The messages of one event; none when it is ignored; the code when it is refused."""
    found = taken(event, **envelope)
    if found.refused:
        return found.refused[0].error.code
    return [message for envelope in found.envelopes for message in envelope.messages]


def when(event, **envelope):
    (message, *_) = said(event, **envelope)
    return message.at


def user(accounts=(), /, **traits):
    return UserMessage(WHEN, "u", tuple(accounts), traits)


def event(what, account=None, who="u", /, **properties):
    written = json.dumps(properties, separators=(",", ":")).encode()
    return EventMessage(WHEN, what, account, who, written, usual_account=account is None)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"type": "identify", "traits": {"a": 1}}, [user(a=1)]),
        ({"type": "identify", "traits": None, "context": {"traits": {"a": 1}}}, [user(a=1)]),
        ({"type": "identify", "traits": {"a": 1}, "context": {"traits": {"a": 2, "b": 3}}}, [user(a=1, b=3)]),
        ({"type": "identify", "traits": []}, [user()]),
        ({"type": "identify", "context": {"groupId": "acme"}}, [user(["acme"])]),
        (
            {"type": "identify", "traits": {"company": {"id": 7, "name": "Acme"}, "a": 1}},
            [user(["7"], a=1), AccountMessage(WHEN, "7", {"name": "Acme"})],
        ),
        ({"type": "identify", "traits": {"company": {"id": "acme"}}}, [user(["acme"])]),
        (
            {"type": "identify", "traits": {"company": {"id": "acme", "remove": True, "name": "Acme"}}},
            [user(), UnlinkMessage(WHEN, "acme", "u")],
        ),
        ({"type": "identify", "traits": {"company": "Acme"}}, [user(company="Acme")]),
        ({"type": "identify", "traits": {"company": {"name": "Acme"}}}, [user(company={"name": "Acme"})]),
        (
            {"type": "group", "groupId": "acme", "traits": {"name": "Acme"}},
            [AccountMessage(WHEN, "acme", {"name": "Acme"}), user(["acme"])],
        ),
        ({"type": "group", "groupId": "acme", "userId": None}, [AccountMessage(WHEN, "acme", {})]),
        (
            {"type": "group", "groupId": "acme", "context": {"traits": {"a": 1}}},
            [AccountMessage(WHEN, "acme", {}), user(["acme"], a=1)],
        ),
        ({"type": "track", "event": "Login"}, [event("Login")]),
        ({"type": "track", "event": "Login", "context": {"groupId": "acme"}}, [event("Login", "acme")]),
        ({"type": "track", "event": "Login", "properties": {"a": 1}}, [event("Login", a=1)]),
        ({"type": "track", "event": "Login", "context": {"traits": {"a": 1}}}, [event("Login"), user(a=1)]),
        (
            {"type": "track", "event": "Login", "context": {"traits": {"company": {"id": "acme"}}}},
            [event("Login"), user()],
        ),
        (
            {"type": "track", "event": "Login", "userId": None, "anonymousId": "x", "context": {"groupId": "acme"}},
            [event("Login", "acme", None)],
        ),
        ({"type": "page"}, [event("Loaded a Page")]),
        ({"type": "page", "name": "Home"}, [event("Viewed Home Page", name="Home")]),
        (
            {"type": "page", "category": "Docs", "name": "Home", "properties": {"path": "/", "name": "Start"}},
            [event("Viewed Docs Home Page", category="Docs", name="Start", path="/")],
        ),
        ({"type": "screen"}, [event("Loaded a Screen")]),
        ({"type": "screen", "name": "Home"}, [event("Viewed Home Screen", name="Home")]),
        ({"type": "alias", "previousId": "x"}, []),
        ({"type": "track", "event": "Login", "userId": None, "anonymousId": "x"}, []),
        ({"type": "page", "userId": None, "anonymousId": "x"}, []),
        ({"type": "identify", "userId": None, "anonymousId": "x", "traits": {"a": 1}}, []),
        (
            {
                "type": "identify",
                "userId": None,
                "anonymousId": "x",
                "traits": {"company": {"id": "acme", "name": "Acme"}},
            },
            [AccountMessage(WHEN, "acme", {"name": "Acme"})],
        ),
    ],
)
def test_what_an_event_says(sent, expected):
    assert said({**USER, **sent}) == expected


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({}, "unknown_type"),
        ({"type": "delete"}, "unknown_type"),
        ({"type": ["track"]}, "unknown_type"),
        ({"type": "track"}, "blank_name"),
        ({"type": "track", "event": " "}, "blank_name"),
        ({"type": "track", "event": 5}, "blank_name"),
        ({"type": "track", "event": "é" * 257}, "name_too_long"),
        ({"type": "page", "name": "x" * 510}, "name_too_long"),
        ({"type": "page", "name": 404}, "blank_name"),
        ({"type": "track", "event": "Login", "userId": None}, "missing_subject"),
        ({"type": "identify", "userId": None}, "missing_subject"),
        ({"type": "identify", "userId": ""}, "blank_id"),
        ({"type": "identify", "userId": 1.5}, "invalid_id"),
        ({"type": "identify", "userId": "x" * 257}, "id_too_long"),
        ({"type": "identify", "messageId": "x" * 257}, "id_too_long"),
        ({"type": "identify", "context": {"groupId": {}}}, "invalid_id"),
        ({"type": "identify", "traits": {"company": {"id": " "}}}, "blank_id"),
        ({"type": "identify", "traits": "none"}, "invalid_message"),
        ({"type": "identify", "context": 1}, "invalid_message"),
        ({"type": "identify", "context": {"traits": [1]}}, "invalid_message"),
        ({"type": "identify", "traits": {f"t{n}": n for n in range(201)}}, "too_many_traits"),
        ({"type": "group"}, "missing_field"),
        ({"type": "group", "groupId": "acme", "traits": {f"t{n}": n for n in range(201)}}, "too_many_traits"),
        ({"type": "alias"}, "missing_field"),
        ({"type": "track", "event": "Login", "properties": {"a": "b\0"}}, "nul_character"),
        ({"type": "track", "event": "Login", "properties": {"a": 2**63}}, "out_of_range"),
        ({"type": "track", "event": "Login", "timestamp": "soon"}, "invalid_timestamp"),
        ({"type": "track", "event": "Login", "timestamp": 1767225600}, "invalid_timestamp"),
        ({"type": "track", "event": "Login", "originalTimestamp": 1}, "invalid_timestamp"),
        ({"type": "track", "event": "Login", "timestamp": "1999-12-31T23:59:59Z"}, "timestamp_out_of_range"),
    ],
)
def test_what_is_refused(sent, code):
    assert said({**USER, **sent}) == code


@pytest.mark.parametrize("item", [None, "text", 5, []])
def test_an_item_that_is_no_object_is_refused_by_itself(item):
    found = taken(item, {"type": "identify", **USER})

    assert [found.refused[0].error.code, len(found.envelopes), found.positions] == ["invalid_message", 1, [1]]


@pytest.mark.parametrize("body", [b"[]", b"{}", b"5", b'{"batch": {}}', b'{"batch": [], "context": 1}'])
def test_what_is_no_batch_is_refused_whole(body):
    with pytest.raises((BadBatch, BadMessage)):
        segment.read_batch(body, now=NOW, event_bytes=EVENT_BYTES, most=5)


def test_a_batch_has_a_most():
    body = json.dumps({"batch": [{"type": "identify", **USER}] * 6}).encode()
    with pytest.raises(BadBatch):
        segment.read_batch(body, now=NOW, event_bytes=EVENT_BYTES, most=5)


def test_an_empty_batch_is_none_the_worse():
    assert taken().size == 0


def test_what_the_guard_finds_concerns_one_event():
    """A NUL, which looks odd in the bytes, is told from a text about one; a long text makes nobody else suspicious."""
    texts = ["\\u0000", "a\0", "x" * 9000, "plain"]
    found = taken(*({**TRACK, "properties": {"text": text}} for text in texts))

    assert {index: refused.error.code for index, refused in found.refused.items()} == {1: "nul_character"}


def test_one_event_may_have_as_many_bytes_as_the_setting_says():
    def sized(size):
        empty = {**USER, "type": "track", "event": "Login", "properties": {"text": ""}}
        bare = len(json.dumps(empty, separators=(",", ":")))
        return {**empty, "properties": {"text": "x" * (size - bare)}}

    assert said(sized(EVENT_BYTES)) != "limit_exceeded"
    assert said(sized(EVENT_BYTES + 1)) == "limit_exceeded"


def ago(**spans):
    return (NOW - timedelta(**spans)).isoformat()


TRACK = {"type": "track", "event": "Login", "userId": "u"}
STALE = {"library": {"name": "analytics-node", "version": "6.2.0"}}


@pytest.mark.parametrize(
    ("sent", "envelope", "expected"),
    [
        ({}, {}, timedelta(0)),
        ({"timestamp": ago(minutes=5)}, {}, timedelta(minutes=5)),
        ({"timestamp": ago(minutes=5), "originalTimestamp": ago(minutes=7)}, {}, timedelta(minutes=7)),
        ({"timestamp": "2026-06-01T11:59:00.123456+00:00"}, {}, timedelta(seconds=59, microseconds=876544)),
        ({"timestamp": "2026-06-01T13:59:00+02:00"}, {}, timedelta(minutes=1)),
        ({"timestamp": "2026-06-01T11:59:00"}, {}, timedelta(minutes=1)),
        # no time of its own: the envelope's
        ({}, {"timestamp": ago(minutes=3)}, timedelta(minutes=3)),
        ({}, {"timestamp": "soon"}, timedelta(0)),
        # a clock an hour behind, or a year ahead
        ({"timestamp": ago(minutes=65)}, {"sentAt": ago(minutes=60)}, timedelta(minutes=5)),
        ({"timestamp": ago(days=-365)}, {"sentAt": ago(days=-365, seconds=-9)}, timedelta(seconds=9)),
        ({"timestamp": "1970-01-01T00:00:00Z"}, {"sentAt": "1970-01-01T00:01:00Z"}, timedelta(minutes=1)),
        # the event's own sentAt wins over the envelope's
        (
            {"timestamp": ago(minutes=65), "sentAt": ago(minutes=60)},
            {"sentAt": ago(days=9)},
            timedelta(minutes=5),
        ),
        ({"timestamp": ago(minutes=65), "sentAt": None}, {"sentAt": ago(minutes=60)}, timedelta(minutes=5)),
        ({"timestamp": ago(minutes=5)}, {"sentAt": "soon"}, timedelta(minutes=5)),
        # a few seconds are a journey
        ({"timestamp": ago(seconds=9)}, {"sentAt": ago(seconds=5)}, timedelta(seconds=9)),
        ({"timestamp": ago(seconds=9)}, {"sentAt": ago(seconds=6)}, timedelta(seconds=3)),
        ({"timestamp": ago(seconds=1)}, {"sentAt": ago(seconds=-5)}, timedelta(seconds=1)),
        # never after it was received
        ({"timestamp": ago(days=-1)}, {}, timedelta(0)),
        ({"timestamp": ago(minutes=1)}, {"sentAt": ago(minutes=9)}, timedelta(0)),
        ({"timestamp": "9999-12-31T00:00:00Z"}, {"sentAt": "2000-01-01T00:00:00Z"}, timedelta(0)),
        # two libraries repeat an old sentAt when they try again
        ({"timestamp": ago(minutes=65), "context": STALE}, {"sentAt": ago(minutes=60)}, timedelta(minutes=65)),
        (
            {"originalTimestamp": ago(minutes=65), "sentAt": ago(minutes=60), "context": STALE},
            {},
            timedelta(minutes=65),
        ),
        ({"timestamp": ago(days=-1), "context": STALE}, {"sentAt": ago(days=-1, seconds=-9)}, timedelta(seconds=9)),
        (
            {"timestamp": ago(minutes=65), "context": {"library": {"name": "@segment/analytics-node"}}},
            {"sentAt": ago(minutes=60)},
            timedelta(minutes=5),
        ),
        # history
        ({"timestamp": "2000-01-01T00:00:00Z"}, {}, NOW - datetime(2000, 1, 1, tzinfo=UTC)),
    ],
)
def test_when_an_event_happened(sent, envelope, expected):
    assert NOW - when({**TRACK, **sent}, **envelope) == expected


spans = st.timedeltas(timedelta(0), timedelta(days=30))


@given(wrong=st.timedeltas(timedelta(days=-9000), timedelta(days=9000)), age=spans, journey=st.integers(0, 900))
def test_a_wrong_clock_moves_no_event_by_more_than_a_few_seconds(wrong, age, journey):
    clock = NOW - timedelta(milliseconds=journey) + wrong
    sent = {"timestamp": (NOW - age + wrong).isoformat()}
    at = when({**TRACK, **sent}, sentAt=clock.isoformat())

    assert at <= NOW
    assert abs(NOW - age - at) < timedelta(seconds=6)


def test_times_beyond_the_calendar_are_refused():
    year_one = {"timestamp": "0001-01-01T00:00:00Z", "sentAt": "9999-12-31T00:00:00Z"}
    assert said({**TRACK, **year_one}) == "timestamp_out_of_range"


def test_the_context_of_the_envelope_lies_under_that_of_each_event():
    context = {"groupId": "acme", "traits": {"a": 1}}
    assert said({**TRACK, "timestamp": AT}, context=context) == [event("Login", "acme"), user(a=1)]
    assert said({**TRACK, "timestamp": AT, "context": {"groupId": "b"}}, context={"groupId": "acme"}) == [
        event("Login", "b")
    ]


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"sentAt": ago(hours=1)}, True),
        ({"_metadata": {"retryCount": 2}}, True),
        ({"writeKey": "stw"}, True),
        ({"integrations": {"All": False}}, True),
        ({"context": {"library": {"name": "x"}, "ip": "::1"}}, True),
        ({"receivedAt": AT}, True),
        ({"event": "Logout"}, False),
        ({"properties": {"a": 1}}, False),
        ({"timestamp": ago(hours=2)}, False),
        ({"userId": "v"}, False),
        ({"context": {"groupId": "acme"}}, False),
    ],
)
def test_a_retry_is_the_same_event(changed, same):
    base = {**TRACK, "timestamp": AT, "messageId": "m-1"}
    first, second = taken(base, {**base, **changed}).envelopes

    assert (first.body_hash == second.body_hash) is same


def test_a_message_id_is_kept_and_may_be_missing():
    found = taken({**TRACK, "messageId": "m-1"}, TRACK, {**TRACK, "messageId": None})
    assert [envelope.message_id for envelope in found.envelopes] == ["m-1", None, None]


def test_verdicts_stand_where_the_events_stood():
    found = taken({"type": "alias", "previousId": "x"}, TRACK, {"type": "nothing"}, TRACK)
    recorded = [f"verdict {position}" for position in found.positions]

    assert [getattr(verdict, "status", verdict) for verdict in found.verdicts(recorded)] == [
        "ignored",
        "verdict 1",
        "rejected",
        "verdict 3",
    ]


def test_a_refused_event_can_be_read_again_alone():
    """Mended, it says what it would have said in its batch: the envelope's context, clock and time come with it."""
    envelope = {"sentAt": ago(minutes=60), "context": {"groupId": "acme"}, "writeKey": "stw_secret"}
    bad = {**TRACK, "event": "", "timestamp": ago(minutes=65), "writeKey": "stw_secret"}
    found = taken(bad, **envelope)
    (kept,) = [refused.item for refused in found.refused.values()]

    assert "stw_secret" not in str(kept)
    with pytest.raises(BadMessage) as refusal:
        read_again("segment", kept, NOW, EVENT_BYTES)
    assert refusal.value.code == "blank_name"
    again = read_again("segment", {**kept, "event": "Login"}, NOW, EVENT_BYTES)
    (straight,) = taken({**bad, "event": "Login"}, **envelope).envelopes
    assert again == straight


@pytest.mark.parametrize(
    ("source", "item", "code"),
    [
        ("segment", {**TRACK, "properties": {"a": 2**63}}, "out_of_range"),
        ("segment", {"type": "alias", "previousId": "x"}, "nothing_to_record"),
        ("rudderstack", "text", "invalid_message"),
        ("api", {"type": "event", "event": "Login", "userId": "u", "color": 1}, "unknown_field"),
        ("api", {"type": "event", "event": "Login", "userId": "u", "properties": {"a": "x" * 8193}}, "limit_exceeded"),
    ],
)
def test_what_is_bad_stays_bad(source, item, code):
    with pytest.raises(BadMessage) as refusal:
        read_again(source, item, NOW, EVENT_BYTES)
    assert refusal.value.code == code


def test_a_message_of_our_own_is_read_again_with_its_batch_clock():
    item = {"type": "event", "event": "Login", "userId": "u", "timestamp": ago(minutes=65), "sentAt": ago(minutes=60)}
    (message,) = read_again("api", item, NOW, EVENT_BYTES).messages
    assert message.at == NOW - timedelta(minutes=5)


def test_rudderstack_has_corrected_the_time_itself():
    item = {**TRACK, "originalTimestamp": ago(hours=5), "sentAt": ago(hours=4), "timestamp": ago(hours=2)}
    (message,) = read_again("rudderstack", item, NOW, EVENT_BYTES).messages
    assert message.at == NOW - timedelta(hours=2)


def test_a_refused_event_is_the_same_when_it_is_sent_again_a_little_later():
    bad = {**TRACK, "event": "", "timestamp": AT}
    first = taken(bad, sentAt=ago(seconds=0))
    again = taken(bad, sentAt=ago(seconds=-60), now=NOW + timedelta(seconds=61))

    assert first.refused[0].item == again.refused[0].item == bad
