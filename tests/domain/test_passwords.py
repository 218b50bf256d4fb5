"""Which passwords are refused."""

import pytest

from app.domain.passwords import LONGEST, SHORTEST, WeakPassword, check

EMAIL = "dana.reyes@example.com"


@pytest.mark.parametrize(
    "password",
    [
        "seven green umbrellas",
        "x" * 3 + "abcdefg" * 3,
        "sieben grüne Schirme",
        "七つの緑の傘を持っています",
        "dana.reyes@example.com!",
        "abcde" * (LONGEST // 5),
    ],
)
def test_what_takes_long_to_guess_will_do(password):
    check(password, email=EMAIL)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "umbrella!"[: SHORTEST - 1],
        "1234567890",
        "Password1234",
        " qwertyuiop ",
        "aaaaaaaaaaaaaaaaaaaa",
        "abababababab",
        "Dana.Reyes@Example.com",
        "dana.reyes",
        "abcde" * (LONGEST // 5) + "f",
    ],
)
def test_what_would_be_guessed_is_refused(password):
    with pytest.raises(WeakPassword):
        check(password, email=EMAIL)
