"""The bell: quick when there is a Valkey, harmless when there is none, and nothing is lost either way."""

import asyncio
import socket
import time

import pytest
import redis.asyncio

from app.workers import bell
from app.workers.bell import Bell, NoBell, open_bell, serve


@pytest.fixture
async def ring(redis_url):
    ring = Bell(redis_url)
    yield ring
    await ring.close()


@pytest.fixture
async def valkey(redis_url):
    async with redis.asyncio.from_url(redis_url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def listen(redis_url, valkey):
    """Starts the worker's ear."""
    listening = []
    yield lambda on_wake: listening.append(asyncio.create_task(serve(redis_url, on_wake)))
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


@pytest.fixture
async def heard(listen):
    """What a worker that listens has heard."""
    heard = asyncio.Queue()
    listen(heard.put_nowait)
    return heard


async def test_a_ring_is_heard(ring, heard):
    ring.wake("deliver")
    async with asyncio.timeout(5):
        assert await heard.get() == "deliver"
    assert (ring.rung, ring.failed) == (1, 0)


async def test_many_calls_become_few_rings(ring, valkey):
    for _ in range(1000):
        ring.wake("work")
        await asyncio.sleep(0)
    await asyncio.sleep(0.3)
    assert 1 <= ring.rung < 10
    assert await ring.answers()


async def test_what_is_rung_for_nobody_does_not_pile_up(ring, valkey, monkeypatch):
    monkeypatch.setattr(bell, "SPACING_SECONDS", 0.0)
    monkeypatch.setattr(bell, "NAMES", 4)
    for _ in range(50):
        ring.wake("work")
        await asyncio.sleep(0.002)
    assert await valkey.zcard(bell.QUEUE) <= 4


async def test_a_listener_survives_a_flush(ring, heard, valkey):
    ring.wake("work")
    async with asyncio.timeout(5):
        await heard.get()
        await valkey.flushall()
        ring.wake("work")
        await heard.get()


async def test_a_listener_comes_back_after_its_connection_broke(ring, heard, valkey, monkeypatch):
    monkeypatch.setattr(bell, "FIRST_BACKOFF", 0.05)
    ring.wake("work")
    async with asyncio.timeout(10):
        await heard.get()
        for client in await valkey.client_list():
            if client["cmd"] != "client|list":
                await valkey.client_kill_filter(_id=client["id"])
        while heard.empty():
            ring.wake("work")
            await asyncio.sleep(0.05)


async def test_a_flush_between_promise_and_bell_loses_nothing(ring, valkey, pumping, chores, listen):
    """The promise is a row: without the ring the pump finds it at its next tick."""
    listen(pumping(tick_seconds=0.2).wake)
    for number in range(10):
        await chores.put(number)
        ring.wake("work")
        await valkey.flushall()
    async with asyncio.timeout(10):
        while set(await chores.states()) != {"done"}:
            await asyncio.sleep(0.02)
    assert sorted(chores.started) == list(range(10))


async def test_without_redis_ringing_is_quick_and_soon_given_up_for_a_while(monkeypatch):
    monkeypatch.setattr(bell, "SPACING_SECONDS", 0.001)
    ring = Bell("redis://127.0.0.1:1/0")
    started = time.monotonic()
    for _ in range(100):
        ring.wake("work")
        await asyncio.sleep(0.005)
    assert ring.failed == bell.FAILURES  # then the circuit is open
    assert time.monotonic() - started < 2
    assert await ring.answers() is False
    await ring.close()


async def test_a_redis_that_accepts_and_says_nothing_costs_a_fifth_of_a_second():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        ring = Bell(f"redis://127.0.0.1:{mute.getsockname()[1]}/0")
        ring.wake("work")  # returns at once
        await asyncio.sleep(bell.RING_SECONDS + 0.2)
        assert ring.failed == 1
        await ring.close()


async def test_a_deployment_without_redis_has_no_bell():
    for url, kind in (("", "arq"), ("redis://127.0.0.1/0", "none")):
        none = open_bell(url, kind)
        assert isinstance(none, NoBell)
        none.wake("work")
        assert await none.answers() is None
        await none.close()
