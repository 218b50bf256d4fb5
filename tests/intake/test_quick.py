"""The quick look reads what it reads exactly as the careful one does, and leaves the rest to it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from app.intake import quick
from app.intake.items import ITEM

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

ids = st.one_of(
    st.sampled_from(["acme", " ", "", "é" * 64, "é" * 65, "a" * 256, "a" * 257, "\u00a0", None, True, 7, 7.5]),
    st.text(max_size=4),
)
traits = st.one_of(
    st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=3)), max_size=3),
    st.sampled_from([None, [], "x", {str(n): n for n in range(201)}]),
)
times = st.sampled_from(
    [
        "2026-06-01T10:00:00Z",
        "2026-06-01T10:00:00",
        "2026-06-01 10:00:00+02:00",
        "2026-06-02T11:59:00Z",
        "2026-06-03T00:00:00Z",
        "2026-06-01",
        "20260601T100000",
        "1999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "2026-02-30T00:00:00Z",
        "",
        None,
        5,
    ]
)
kinds = st.sampled_from(["event", "user", "account", "unlink", "other", None, 1])
fields = {
    "userId": ids,
    "accountId": ids,
    "messageId": ids,
    "event": ids,
    "timestamp": times,
    "traits": traits,
    "properties": traits,
    "accountIds": st.just(["acme"]),
    "unheard": st.none(),
}


def carefully(item, skew):
    """What the careful look makes of an item: its only message and its id, or None."""
    try:
        parsed = ITEM.validate_python(item)
        messages = parsed.to_domain(NOW, skew)
    except (ValidationError, PydanticCustomError):
        return None
    return (messages[0], parsed.message_id)


@given(
    item=st.fixed_dictionaries({"type": kinds}, optional=fields),
    skew=st.sampled_from([timedelta(0), timedelta(hours=3), timedelta(days=-400)]),
)
def test_what_is_read_quickly_is_read_the_same_carefully(item, skew):
    found = quick.read(item, NOW, skew)

    assert found is None or found == carefully(item, skew)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "event", "event": "Login", "userId": "user-1", "properties": {"a": 1}, "messageId": "m-1"},
        {"type": "event", "event": "Login", "accountId": "acme", "timestamp": "2026-06-01T10:00:00+02:00"},
        {"type": "user", "userId": "user-1", "accountId": "acme", "traits": {"email": "ada@acme.test"}},
        {"type": "account", "accountId": "acme", "traits": {"mrr": None}, "timestamp": "2026-06-01T10:00:00.123456Z"},
    ],
)
def test_the_plain_ones_are_read_quickly(item):
    assert quick.read(item, NOW, timedelta(0)) == carefully(item, timedelta(0))


@pytest.mark.parametrize("item", [None, [], "x", {}, {"type": ["event"]}, {"type": "unlink"}])
def test_what_is_no_plain_item_is_left_alone(item):
    assert quick.read(item, NOW, timedelta(0)) is None
