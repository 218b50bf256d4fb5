"""Secrets at rest: they open in their own cell, with their own key, unaltered, and nowhere else."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.secrets import Place, SecretUnreadable, is_stale, keyring, mask, seal, unseal

KEYS = keyring("correct horse battery staple, thirty-two")
PLACE = Place(UUID(int=1), "webhooks", "secret", UUID(int=2))
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@given(st.text())
def test_what_is_sealed_opens_again(text):
    assert unseal(seal(text, KEYS, PLACE), KEYS, PLACE) == text


def test_nothing_of_the_secret_or_the_keys_shows():
    sealed = seal(SECRET, KEYS, PLACE)
    assert SECRET not in sealed
    assert KEYS.current.cipher.hex() not in repr(KEYS) + sealed
    assert "cipher" not in repr(KEYS) + repr(KEYS.current)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, workspace_id=UUID(int=9)),
        replace(PLACE, table="slack"),
        replace(PLACE, column="previous_secret"),
        replace(PLACE, row_id=UUID(int=9)),
        replace(PLACE, workspace_id=PLACE.row_id, row_id=PLACE.workspace_id),
    ],
)
def test_a_sealed_value_moved_to_another_cell_does_not_open(elsewhere):
    with pytest.raises(SecretUnreadable):
        unseal(seal(SECRET, KEYS, PLACE), KEYS, elsewhere)


def test_every_altered_character_is_noticed():
    sealed = seal(SECRET, KEYS, PLACE)
    for index, letter in enumerate(sealed):
        for other in {"A", "b"} - {letter}:
            with pytest.raises(SecretUnreadable):
                unseal(sealed[:index] + other + sealed[index + 1 :], KEYS, PLACE)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "s1", "s1.", f"s1.{KEYS.current.id}.", f"s1.{KEYS.current.id}.A", "plain text"]
)
def test_what_was_never_sealed_does_not_open(text):
    with pytest.raises(SecretUnreadable):
        unseal(text, KEYS, PLACE)


def test_another_master_key_does_not_open_it():
    with pytest.raises(SecretUnreadable):
        unseal(seal(SECRET, KEYS, PLACE), keyring("another master key of some length"), PLACE)


def test_rotation_opens_the_old_and_seals_with_the_new():
    old = seal(SECRET, KEYS, PLACE)
    rotated = keyring("a newer master key, also long enough", ["correct horse battery staple, thirty-two"])

    assert unseal(old, rotated, PLACE) == SECRET
    assert is_stale(old, rotated)
    new = seal(SECRET, rotated, PLACE)
    assert not is_stale(new, rotated)
    with pytest.raises(SecretUnreadable):
        unseal(new, KEYS, PLACE)


def test_nonces_differ_with_the_secret_and_with_the_place():
    sealed = [seal(text, KEYS, replace(PLACE, row_id=UUID(int=row))) for text in ("a", "b") for row in (1, 2)]
    assert len({value.split(".")[2][:16] for value in sealed}) == 4


@pytest.mark.parametrize(("secret", "shown"), [("", "****"), ("short", "****"), (SECRET, "****LaSw")])
def test_a_mask_shows_four_characters_of_a_long_secret(secret, shown):
    assert mask(secret) == shown
