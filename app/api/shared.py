"""The buckets all processes draw from, in Redis: one script, one round trip. Beside the bell, only this file knows it.

Redis may forget a bucket or be gone: then each process fills its own part, and nobody is refused for it.
"""

import os
from typing import Any, Final
from uuid import UUID

from redis.asyncio import ConnectionPool, Redis

from app.api.buckets import Rate

DRAW_SECONDS: Final = 0.2  # the longest anybody waits for it

# The time is Redis' own, so that processes need not agree on it. Who drew lately is remembered, to be counted.
_DRAW: Final = """
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = (tonumber(kept[1]) or burst) + math.max(0, now - (tonumber(kept[2]) or now)) * rate
tokens = math.min(burst, tokens)
local given = math.min(wanted, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens - given), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 60)
redis.call('ZADD', KEYS[2], now, ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 60)
redis.call('EXPIRE', KEYS[2], 120)
return {given, string.format('%.6f', tokens - given), redis.call('ZCARD', KEYS[2])}
"""


class SharedBuckets:
    """Draws tokens for the keys of this process."""

    def __init__(self, url: str) -> None:
        pool = ConnectionPool.from_url(url, socket_connect_timeout=DRAW_SECONDS, socket_timeout=DRAW_SECONDS)
        self._redis: Any = Redis(connection_pool=pool)
        self._script = self._redis.register_script(_DRAW)
        self._me = os.urandom(8).hex()

    async def draw(self, key_id: UUID, rate: Rate, wanted: int) -> tuple[int, float, int]:
        """Up to `wanted` tokens: (given, left, processes that draw). Raises what Redis raises."""
        name = f"steward:rate:{{{key_id.hex}}}"
        arguments: list[float | str] = [rate.per_second, rate.burst, wanted, self._me]
        given, left, sharers = await self._script(keys=[name, f"{name}:by"], args=arguments)
        return int(given), float(left), int(sharers)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose(close_connection_pool=True)


def open_shared(url: str) -> SharedBuckets | None:
    """The shared buckets of this deployment; None where there is no Redis."""
    return SharedBuckets(url) if url else None
