"""Which passwords are refused: those too short to withstand guessing, and those guessed first. Nothing else matters."""

from typing import Final

from app.domain.errors import Rejected

SHORTEST: Final = 10
LONGEST: Final = 200  # characters; hashing takes as long for all of them
_DISTINCT: Final = 5  # different characters, at least: `aaaaaaaaaa` is no password
_COMMON: Final = frozenset({
    "0123456789", "0987654321", "1234567890", "12345678910", "123456789a", "1q2w3e4r5t", "1q2w3e4r5t6y",
    "1qaz2wsx3edc", "9876543210", "abcd1234567", "abcdef123456", "abcdefghij", "admin12345", "admin123456",
    "administrator", "asdfghjkl1", "asdfghjkl123", "baseball123", "changeme123", "correcthorse",
    "correcthorsebatterystaple", "football123", "iloveyou12", "iloveyou123", "letmein123", "letmein1234",
    "p@ssw0rd123", "p@ssword123", "passw0rd123", "password12", "password123", "password1234", "password12345",
    "princess123", "q1w2e3r4t5", "qwerty12345", "qwerty123456", "qwertyuiop", "qwertyuiop123", "sunshine123",
    "superman123", "trustno1trustno1", "welcome123", "welcome1234", "zaq12wsxcde",
})  # fmt: skip


class WeakPassword(Rejected):
    """This password would be guessed."""

    code = "weak_password"


def check(password: str, *, email: str) -> None:
    """`WeakPassword` for what is too short, among the first to be guessed, or the e-mail address itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise WeakPassword(f"A password has {SHORTEST} to {LONGEST} characters.")
    plain = password.lower().strip()
    local = email.lower().partition("@")[0]
    if plain in _COMMON or len(set(plain)) < _DISTINCT or plain in {email.lower(), local}:
        raise WeakPassword("This password is among the first that anybody would try. Several words make a good one.")
