"""The JSON guard: every limit at its edge, and one step past it."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Malformed, Rejected
from app.intake import guard

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20).filter(lambda t: "\0" not in t)
)
SCALARS |= st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.text(max_size=10).filter(lambda t: "\0" not in t)
TREES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=4), max_leaves=20
)


def deep(levels, bottom=1):
    value = bottom
    for _ in range(levels):
        value = {"k": value}
    return value


@pytest.mark.parametrize(
    ("good", "bad", "code"),
    [
        (deep(16), deep(17), "too_deep"),
        (deep(16), deep(16, []), "too_deep"),
        (dict.fromkeys(map(str, range(500))), dict.fromkeys(map(str, range(501))), "limit_exceeded"),
        ({"k" * 256: 1}, {"k" * 257: 1}, "limit_exceeded"),
        ({"é" * 128: 1}, {"é" * 129: 1}, "limit_exceeded"),
        ("x" * 8192, "x" * 8193, "limit_exceeded"),
        ("€" * 2730, "€" * 2731, "limit_exceeded"),
        ([2**63 - 1, -(2**63)], [2**63], "out_of_range"),
        ([0], [-(2**63) - 1], "out_of_range"),
        (["\\u0000"], ["\0"], "nul_character"),
        ([{"\\u0000": 1}], [{"\0": 1}], "nul_character"),
        ([1e308], ["1e999"], "not_finite"),
    ],
)
def test_limits(good, bad, code):
    guard.parse(json.dumps(good).encode())
    body = json.dumps(bad).replace('"1e999"', "1e999").encode()

    with pytest.raises(Rejected) as refusal:
        guard.parse(body)
    assert refusal.value.code == code
    assert refusal.value.detail.startswith("#")


@given(TREES)
def test_what_is_clean_comes_back_as_it_is(value):
    for separators in ((",", ":"), (", ", " : ")):
        assert guard.parse(json.dumps(value, separators=separators).encode()) == value
    assert guard.fault_of(value) is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a" :1,"a":2}',
        b'{"x":"\\":","a":1,"a":2}',
        b'[{"x":{"a":1,"\\u0061":2}}]',
        b'{"a":1,"b":{"c":[{"d":1,"d":1}]}}',
    ],
)
def test_a_key_that_comes_twice_is_noticed_wherever_it_is(body):
    with pytest.raises(guard.DuplicateKey):
        guard.parse(body)


@pytest.mark.parametrize(
    "body", [b'{"a":"\\":\\" :","b":1}', b'{"a":{"a":{"a":1}}}', b'[{"a":1},{"a":2}]', b'{"a\\":":1}']
)
def test_what_only_looks_like_a_repeated_key_is_not(body):
    assert guard.parse(body) == json.loads(body)


def test_a_bad_item_of_a_batch_is_named_and_the_rest_goes_on():
    body = b'{"messages":[{"a":1},{"b":"\\u0000"},{"c":1e999},{"d":' + b"[" * 16 + b"]" * 16 + b'},5],"sentAt":"x"}'

    value, faults = guard.parse_batch(body, "messages")

    assert len(value["messages"]) == 5
    assert {index: fault.code for index, fault in faults.items()} == {
        1: "nul_character",
        2: "not_finite",
        3: "too_deep",
    }


def test_what_is_wrong_around_the_items_refuses_the_batch():
    with pytest.raises(guard.NulCharacter):
        guard.parse_batch(b'{"messages":[{"a":1}],"sentAt":"\\u0000"}', "messages")
    with pytest.raises(guard.DuplicateKey):
        guard.parse_batch(b'{"messages":[{"a":1}],"messages":[]}', "messages")
    with pytest.raises(guard.DuplicateKey):
        guard.parse_batch(b'{"messages":[{"a":1,"a":"\\u0000"}]}', "messages")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body):
    with suppress(Malformed, Rejected):
        guard.parse(body)
