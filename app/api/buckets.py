"""Token buckets: a request is a token, a key's bucket fills at its rate. Plain arithmetic; the time is told."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Final

Headers = list[tuple[bytes, bytes]]

SMALLEST_BURST: Final = 60  # requests; a key with a smaller rate may send its whole minute at once
CHUNKS: Final = 20  # a burst is fetched from the shared bucket in so many pieces


@dataclass(frozen=True, slots=True)
class Rate:
    """What a key may send, and what its answers say about it."""

    per_minute: int
    burst: int
    per_second: float
    chunk: int
    low: int  # with fewer at hand, more are fetched
    reset: int
    fixed: tuple[tuple[bytes, bytes], ...]


@lru_cache(maxsize=1024)
def rate(per_minute: int, burst: int = 0) -> Rate:
    """A rate; without a burst of its own, a sixth of a minute's worth may be sent at once."""
    burst = burst or max(per_minute // 6, min(per_minute, SMALLEST_BURST))
    chunk = max(1, burst // CHUNKS)
    fixed = (
        (b"ratelimit-policy", b'"default";q=%d;w=60' % per_minute),
        (b"ratelimit-limit", b"%d, %d;window=60" % (per_minute, per_minute)),
        (b"x-ratelimit-limit", b"%d" % per_minute),
    )
    return Rate(per_minute, burst, per_minute / 60, chunk, max(1, chunk // 2), max(1, ceil(60 / per_minute)), fixed)


class Bucket:
    """One key's tokens in this process, and what is known of those it shares with other processes."""

    __slots__ = ("dry_until", "elsewhere", "held", "rate", "seen", "sharers", "waiting")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.held = 0.0  # tokens at hand
        self.elsewhere: float = rate.burst  # tokens in the shared bucket when it was last seen
        self.seen = now
        self.dry_until = 0.0  # nothing can be had before
        self.sharers = 1
        self.waiting = 0

    def take(self) -> bool:
        """One token, if there is one at hand."""
        if self.held < 1.0:
            return False
        self.held -= 1.0
        return True

    def fill(self, now: float) -> None:
        """Let time fill the bucket, where no shared one does: this process's part of what all may send."""
        speed = self.rate.per_second / self.sharers
        most = max(1.0, self.rate.burst / self.sharers)
        self.held = min(most, self.held + self.elsewhere / self.sharers + (now - self.seen) * speed)
        self.elsewhere, self.seen = 0.0, now
        if self.held < 1.0:
            self.dry_until = now + (1.0 - self.held) / speed

    def receive(self, given: int, left: float, sharers: int, now: float) -> None:
        """The shared bucket gave so many and has so many left; an empty one is not asked again before it has more."""
        self.held += given
        self.elsewhere, self.seen, self.sharers = left, now, max(1, sharers)
        if left < 1.0:
            self.dry_until = now + max((1.0 - left) / self.rate.per_second, 0.05)

    def change(self, rate: Rate) -> None:
        """The key has another rate from now on."""
        self.rate = rate
        self.held, self.elsewhere = min(self.held, rate.burst), min(self.elsewhere, rate.burst)
        self.dry_until = 0.0

    def wait(self, now: float) -> int:
        """Whole seconds until another token can be had, at least one."""
        return max(1, ceil(self.dry_until - now))

    def headers(self, now: float, unix: float) -> Headers:
        """What an answer says: the policy, what is left of it, and when there will be more."""
        known = self.held + self.elsewhere + (now - self.seen) * self.rate.per_second
        left = int(min(known, self.rate.burst))
        reset = self.rate.reset if left else self.wait(now)
        r, t = b"%d" % left, b"%d" % reset
        return [
            *self.rate.fixed,
            (b"ratelimit", b'"default";r=%b;t=%b' % (r, t)),
            (b"ratelimit-remaining", r),
            (b"ratelimit-reset", t),
            (b"x-ratelimit-remaining", r),
            (b"x-ratelimit-reset", b"%d" % (unix + reset)),
        ]
