"""Vitally's analytics dialect says the same things as our own, and tells repeats by id or by content."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.messages import EventMessage
from app.intake import analytics, reading
from app.intake.dialects import read_again
from app.intake.reading import BadMessage

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
BYTES = 32 * 1024

ids = st.one_of(st.sampled_from(["acme", "a/b", "ünï"]), st.integers(0, 99))
some = st.one_of(st.none(), ids)
bags = st.dictionaries(
    st.sampled_from(["name", "email", "createdAt", "mrr"]), st.one_of(st.none(), st.integers(-9, 9), st.text())
)
times = st.datetimes(datetime(2026, 1, 1), datetime(2026, 5, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001
said = {"timestamp": times}


def taken(kind, renamed=(), **fields):
    """Pairs of one fact in Vitally's dialect and in ours."""
    names = dict(renamed)
    return st.fixed_dictionaries({**fields, **said}).map(
        lambda facts: (
            {"type": kind, **facts},
            {"type": names.get("type", kind), **{names.get(name, name): value for name, value in facts.items()}},
        )
    )


pairs = st.one_of(
    taken("organization", organizationId=ids, traits=bags),
    taken("account", accountId=ids, traits=bags),
    taken("account", accountId=ids, organizationId=some, traits=bags),
    taken("user", userId=ids, accountId=ids, organizationId=some, traits=bags),
    taken("track", [("type", "event")], event=st.just("Login"), userId=some, accountId=ids, properties=bags),
    taken("track", [("type", "event")], event=st.just("Login"), userId=some, organizationId=ids, properties=bags),
    taken("unlink", userId=ids, accountId=ids),
    taken(
        "customobjectinstance",
        [("type", "customObjectInstance"), ("customObjectId", "customObject"), ("externalId", "instanceId")],
        customObjectId=ids,
        externalId=ids,
        name=st.sampled_from([None, "Printer"]),
        accountId=ids,
        organizationId=some,
        traits=bags,
    ),
)


def read(item):
    return analytics.read(item, received_at=NOW, event_bytes=BYTES)


@given(pairs)
def test_the_same_facts_are_the_same_messages_in_both_dialects(pair):
    theirs, ours = pair

    assert read(theirs).messages == reading.read_item(ours, now=NOW).messages


def test_an_event_of_a_user_alone_counts_where_the_user_was_linked_last():
    base = {"type": "track", "event": "Login", "userId": "u", "messageId": "m"}

    asks = [read({**base, **more}).messages[0].usual_account for more in ({}, {"accountId": 1}, {"organizationId": 1})]

    assert asks == [True, False, False]


def test_a_message_id_is_the_id_and_otherwise_the_content_is():
    base = {"type": "account", "accountId": 1, "timestamp": "2026-05-01T00:00:00Z"}

    assert read({**base, "messageId": 17}).message_id == "17"
    same = {"timestamp": "2026-05-01T00:00:00Z", "accountId": 1, "type": "account"}
    assert read(base).message_id == read(same).message_id != read({**base, "accountId": 2}).message_id


def test_a_message_alone_is_the_same_as_in_a_batch():
    item = {"userId": "u", "accountId": "a", "traits": {}, "timestamp": "2026-05-01T00:00:00Z"}

    alone = analytics.read_single("user", orjson.dumps(item), now=NOW, event_bytes=BYTES)
    batch = analytics.read_batch(orjson.dumps([{"type": "user", **item}]), now=NOW, event_bytes=BYTES)

    assert alone.envelopes == batch.envelopes


@pytest.mark.parametrize(
    "item",
    [
        {"type": "user", "userId": 1, "accountId": 2, "messageId": "m"},
        {"type": "user", "userId": 1, "accountId": 2, "traits": None, "messageId": "m", "color": "red"},
        {"type": "track", "event": "E", "userId": 1, "properties": [], "messageId": "m"},
        {"type": "customobjectinstance", "customObjectId": 1, "externalId": 2, "customerId": 3, "messageId": "m"},
        {"type": "account", "accountId": 1, "timestamp": (NOW + timedelta(hours=3)).isoformat()},
        {"type": "account", "accountId": 1, "traits": {"note": "x" * 20_000}, "messageId": "m"},
    ],
)
def test_what_clients_really_send_is_taken(item):
    assert read(item).messages


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"type": "user", "userId": 1, "messageId": "m"}, "missing_subject"),
        ({"type": "track", "event": "E", "messageId": "m"}, "missing_subject"),
        ({"type": "customobjectinstance", "customObjectId": 1, "externalId": 2, "messageId": "m"}, "missing_subject"),
        ({"type": "account", "accountId": 1}, "missing_field"),
        ({"type": "account", "messageId": "m"}, "missing_field"),
        ({"type": "account", "accountId": True, "messageId": "m"}, "invalid_id"),
        ({"type": "account", "accountId": "", "messageId": "m"}, "blank_id"),
        ({"type": "track", "event": " ", "userId": 1, "messageId": "m"}, "blank_name"),
        ({"type": "unlink", "userId": 1, "messageId": "m"}, "missing_field"),
        ({"type": "account", "accountId": 1, "timestamp": 1767225600}, "invalid_timestamp"),
        ({"type": "account", "accountId": 1, "timestamp": "1999-01-01T00:00:00Z"}, "timestamp_out_of_range"),
        ({"type": "account", "accountId": 1, "traits": [1], "messageId": "m"}, "invalid_message"),
        ({"type": "account", "accountId": 1, "traits": {"a": "x" * BYTES}, "messageId": "m"}, "limit_exceeded"),
        ({"type": "event", "messageId": "m"}, "unknown_type"),
        ({"messageId": "m"}, "unknown_type"),
    ],
)
def test_a_bad_message_is_refused_and_stays_refused_when_read_again(item, code):
    (refused,) = analytics.read_batch(orjson.dumps([item]), now=NOW, event_bytes=BYTES).refused.values()

    assert refused.error.code == code
    with pytest.raises(BadMessage) as again:
        read_again("analytics", refused.item, NOW, BYTES)
    assert again.value.code == code


def test_a_mended_message_is_taken_when_it_is_read_again():
    (refused,) = analytics.read_single(
        "track", b'{"event": "E", "messageId": "m"}', now=NOW, event_bytes=BYTES
    ).refused.values()

    envelope = read_again("analytics", {**refused.item, "userId": "u"}, NOW, BYTES)

    assert envelope.messages == (EventMessage(NOW, "E", None, "u", b"{}", usual_account=True),)


def test_what_the_guard_finds_in_one_item_spoils_no_other():
    good = {"type": "account", "accountId": 1, "messageId": "m"}
    body = orjson.dumps([good, {**good, "traits": {"a": "b\x00"}}, {**good, "traits": {"big": 1}}, 5])
    body = body.replace(b'"big":1', b'"big":' + b"9" * 30)

    found = analytics.read_batch(body, now=NOW, event_bytes=BYTES)

    assert found.positions == [0]
    codes = {index: refused.error.code for index, refused in found.refused.items()}
    assert codes == {1: "nul_character", 2: "out_of_range", 3: "invalid_message"}
