"""When to try again: schedules of patience, and what a receiver's own wishes may change about them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Final

SPREAD: Final = 0.2
"""A wait is stretched or shortened by at most this share, so that a backlog does not return in step."""

LONGEST_WISH: Final = timedelta(hours=1)
"""A receiver may ask for more patience than the schedule has, up to this."""

_DIGITS: Final = re.compile(r"[0-9]{1,20}\Z")
_EPOCH_FROM: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """The waits before each attempt, in seconds; the first belongs to the first attempt."""

    waits: tuple[float, ...]

    @property
    def attempts(self) -> int:
        """How many attempts there are in all."""
        return len(self.waits)


_MINUTE, _HOUR = 60.0, 3600.0

WEBHOOKS: Final = Schedule(
    (0, 5, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR)
)
"""Ten attempts over a little more than three days (the example schedule of Standard Webhooks 1.0)."""


def wait(
    schedule: Schedule,
    made: int,
    *,
    jitter: float = 0.5,
    wish: float | None = None,
    longest_wish: timedelta = LONGEST_WISH,
) -> timedelta | None:
    """How long to wait once `made` attempts have failed; None: the schedule is used up, give up.

    `jitter` in [0, 1) places the wait within `SPREAD` of the scheduled one (0.5: exactly there; see `spread`).
    `wish` is what the receiver asked for, in seconds: we never come back sooner than that (up to `longest_wish`),
    and never sooner than the schedule says either, so that `Retry-After: 1` cannot spend three days' attempts at once.
    """
    if made >= schedule.attempts:
        return None
    scheduled = schedule.waits[made] * (1 + SPREAD * (2 * jitter - 1))
    wished = min(max(wish or 0.0, 0.0), longest_wish.total_seconds()) * (1 + SPREAD * jitter)
    return timedelta(seconds=max(scheduled, wished if wish else 0.0))


def spread(seed: str, made: int) -> float:
    """A jitter in [0, 1) for `wait`: the same for the same seed and attempt, unrelated between seeds."""
    digest = blake2b(f"{seed}|{made}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def wished(
    retry_after: Sequence[str],
    rate_limit_reset: Sequence[str] = (),
    *,
    now: datetime,
    longest: timedelta = LONGEST_WISH,
) -> float | None:
    """The seconds a receiver asks us to wait, from its header values; None when it asks for nothing intelligible.

    `Retry-After` (whole seconds or an HTTP date) goes first, then `X-RateLimit-Reset` (an epoch second or whole
    seconds). A header given more than once, a negative number, `9e99` and other garbage count as absent; what is
    intelligible but beyond `longest` is `longest`.
    """
    for values, read in ((retry_after, _retry_after), (rate_limit_reset, _reset)):
        seconds = read(values[0].strip(), now) if len(values) == 1 else None
        if seconds is not None:
            return min(max(seconds, 0.0), longest.total_seconds())
    return None


def _retry_after(text: str, now: datetime) -> float | None:
    if _DIGITS.match(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    try:
        return (aware - now).total_seconds()
    except OverflowError:
        return None


def _reset(text: str, now: datetime) -> float | None:
    if not _DIGITS.match(text):
        return None
    number = float(text)
    return number - now.timestamp() if number >= _EPOCH_FROM else number
