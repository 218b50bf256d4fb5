"""The shape of API keys."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ids import new_id
from app.domain.keys import Caller, InsufficientScope, fingerprint, hint, secret, well_formed
from app.domain.team import Permission

ENTROPY = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(
    ("scopes", "kind"),
    [(["ingest"], "ing"), (["read"], "rea"), (["admin"], "adm"), (["ingest", "read"], "key")],
)
def test_a_secret_says_what_it_is_for(scopes, kind):
    text = secret("live", scopes, bytes(range(32)))

    assert text.startswith(f"stw_live_{kind}_")
    assert len(text) == len("stw_live_ing_") + 36
    assert hint(text) == text[:17]


@given(ENTROPY)
def test_every_secret_is_well_formed(entropy):
    assert well_formed(secret("test", ["read"], entropy))


@given(ENTROPY, st.integers(13, 48), st.sampled_from(string.ascii_letters + string.digits))
def test_one_changed_character_is_noticed(entropy, place, character):
    text = secret("test", ["read"], entropy)
    changed = text[:place] + character + text[place + 1 :]

    assert well_formed(changed) == (changed == text)


def test_random_strings_are_not_secrets():
    chance = random.Random(7)
    alphabet = string.ascii_letters + string.digits

    assert not any(well_formed("stw_live_ing_" + "".join(chance.choices(alphabet, k=36))) for _ in range(20_000))


@pytest.mark.parametrize(
    "text",
    ["", "stw_", "stw_prod_ing_" + "0" * 36, "stw_live_ing_" + "0" * 35, "stw_live_ing_" + "é" * 36, " " * 49, "\0"],
)
def test_what_is_not_a_secret(text):
    assert not well_formed(text)


def test_a_trailing_newline_is_not_part_of_a_secret():
    assert not well_formed(secret("live", ["read"], bytes(32)) + "\n")


@given(ENTROPY, ENTROPY)
def test_fingerprints_tell_secrets_apart(one, other):
    first, second = secret("live", ["read"], one), secret("live", ["read"], other)

    assert (fingerprint(first) == fingerprint(second)) == (first == second)
    assert len(fingerprint(first)) == 32


@pytest.mark.parametrize(
    ("has", "needs", "may"),
    [
        ({"admin"}, Permission.VIEW_DATA, True),
        ({"admin"}, Permission.INGEST, True),
        ({"read"}, Permission.VIEW_DATA, True),
        ({"read"}, Permission.MANAGE_TEAM, False),
        ({"ingest"}, Permission.VIEW_DATA, False),
        (set(), Permission.INGEST, False),
    ],
)
def test_what_a_key_may_do(has, needs, may):
    caller = Caller(new_id(), new_id(), frozenset(has))

    if may:
        caller.require(needs)
    else:
        with pytest.raises(InsufficientScope):
            caller.require(needs)
