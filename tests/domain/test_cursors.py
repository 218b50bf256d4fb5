"""Cursors: they bring back what was sealed, and nothing else opens."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cursors import InvalidCursor, key, seal, unseal

KEY = key("a master key")
VALUES = st.lists(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=50)
    | st.uuids()
    | st.datetimes(timezones=st.just(UTC)),
    max_size=5,
)


@given(VALUES, st.text(max_size=20))
def test_what_was_sealed_comes_back(values, scope):
    assert unseal(seal(values, key=KEY, scope=scope), key=KEY, scope=scope) == values


def test_offsets_and_ids_survive():
    values = [datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), UUID(int=7), None]

    assert unseal(seal(values, key=KEY, scope="s"), key=KEY, scope="s") == values


@pytest.mark.parametrize(("other_key", "scope"), [(KEY, "another list"), (key("another master key"), "accounts")])
def test_a_cursor_opens_only_where_it_was_given_out(other_key, scope):
    cursor = seal([1], key=KEY, scope="accounts")

    with pytest.raises(InvalidCursor):
        unseal(cursor, key=other_key, scope=scope)


def test_every_truncation_and_every_changed_character_is_refused():
    cursor = seal([1, "a"], key=KEY, scope="accounts")
    changed = [cursor[:end] for end in range(len(cursor))]
    changed += [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(len(cursor) - 1)]

    for text in changed:
        with pytest.raises(InvalidCursor):
            unseal(text, key=KEY, scope="accounts")


@given(st.text(max_size=100))
def test_any_text_is_refused_calmly(text):
    with pytest.raises(InvalidCursor):
        unseal(text, key=KEY, scope="accounts")
