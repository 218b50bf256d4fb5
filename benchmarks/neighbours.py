"""What a quiet workspace feels of a noisy one: its p99 alone, and beside a flood (goal: at most 1.5 times).

    python benchmarks/neighbours.py --quick

The quiet one posts fifty batches a second, on time whatever the answers take. Beside it, in a process of its own, there
is one of two floods. *Bodies*: 300 connections bring most of a megabyte and never end it, and begin again when refused;
the goal is about this one (reliability R6). Together they are more than a process holds: without a limit of their own
they take the room of others. *Posts*: twelve connections post batches as fast as answers come, far over their rate; on
one machine that also takes processor time from everybody, refused or not, so its figure is only shown.

Calm and flood take turns, so that a slower minute of the machine falls on both. The same is then done on a server whose
limits are out of reach: without them the floods must be felt, as slow answers or as refusals, or the comparison shows
nothing. The flood steps back for the others (nice), since in truth it would be another machine. The last line is one
JSON object.
"""

import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.db.base import Database
from app.services import keys
from benchmarks import support

GOAL = 1.5
EVERY = 0.02  # seconds between the quiet one's batches
MESSAGES = {"quiet": 10, "noisy": 100}
DRIPPING = 300
HELD = 950_000  # bytes of each body that never ends: of all together more than a process takes
POSTING = 12
RATE = 60  # requests a minute of the noisy one, where limits are on
ENDLESS = "1000000"
REFUSED = 30.0  # seconds: the quiet one being refused is worse than any wait
UNLIMITED = {"STEWARD_BODIES_PER_WORKSPACE": ENDLESS, "STEWARD_BODY_BYTES_PER_WORKSPACE": "10000000000"}


def batch(sender: str, number: int) -> bytes:
    """Events of as many users as there are messages, none of them seen before."""
    messages = [
        {
            "type": "event",
            "messageId": f"{sender}-{number}-{index}",
            "userId": f"u-{index}",
            "accountId": f"a-{index % 20}",
            "event": "Report Exported",
        }
        for index in range(MESSAGES[sender])
    ]
    return json.dumps({"messages": messages}).encode()


async def quiet(port: int, key: str, seconds: float, first: int) -> list[float]:
    """Post on time; how long each answer took, in seconds."""
    times: list[float] = []
    began = time.perf_counter()
    async with asyncio.TaskGroup() as posts:
        for number in range(int(seconds / EVERY)):
            await asyncio.sleep(max(0.0, began + number * EVERY - time.perf_counter()))
            posts.create_task(
                _timed(port, support.request("/api/v1/batch", key, batch("quiet", first + number)), times)
            )
    return times


async def _timed(port: int, message: bytes, times: list[float]) -> None:
    load = await support.post_all(port, [message], connections=1)
    times.extend(load.times if load.statuses == {202: 1} else [REFUSED])


async def drip(port: int, key: str) -> None:
    """Bring most of a body slowly, never end it, and begin again when refused."""
    head = (
        f"POST /api/v1/batch HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
        "content-type: application/json\r\ncontent-length: 1000000\r\n\r\n"
    )
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode())
            for _ in range(HELD // 10_000):
                writer.write(b" " * 10_000)
                await asyncio.sleep(0.02)
            while not writer.is_closing():
                writer.write(b" ")
                await asyncio.sleep(0.5)
        await asyncio.sleep(2.0)


async def hammer(port: int, key: str, number: int) -> None:
    """Post batch after batch, on a new connection when the old one is closed."""
    template = batch("noisy", -1)  # made once: what the flood costs its sender should not be felt by the others
    rounds = itertools.count(number, POSTING)
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            bodies = (template.replace(b"noisy--1-", f"noisy-{time.time_ns()}-{round_}-".encode()) for round_ in rounds)
            await support.post_all(
                port, (support.request("/api/v1/batch", key, body) for body in bodies), connections=1
            )


def noise(port: int, key: str, flood: str) -> None:
    """A flood until killed."""

    os.nice(10)

    async def all_of_it() -> None:
        if flood == "bodies":
            await asyncio.gather(*(drip(port, key) for _ in range(DRIPPING)))
        await asyncio.gather(*(hammer(port, key, number) for number in range(POSTING)))

    uvloop.run(all_of_it())


@contextlib.contextmanager
def beside(port: int, key: str, flood: str) -> Iterator[None]:
    """With the noisy one at work."""
    process = multiprocessing.get_context("spawn").Process(target=noise, args=(port, key, flood), daemon=True)
    process.start()
    try:
        time.sleep(3.0)  # past its burst
        yield
    finally:
        process.kill()
        process.join()


def p99(times: list[float]) -> float:
    return sorted(times)[int(0.99 * len(times))] * 1000


async def compare(url: str, flood: str, *, rounds: int, seconds: float, limited: bool) -> dict[str, float]:
    """The quiet one's p99 in ms, alone and beside the flood, and their ratio."""
    (_, calm), (loud_workspace, loud) = await support.workspace_and_key(url), await support.workspace_and_key(url)
    rate = RATE if limited else 100_000_000
    await limit(url, loud_workspace, rate)
    alone, together = [], []
    with support.served("steward", url, **({} if limited else UNLIMITED)) as port:
        await quiet(port, calm, 2.0, 10**6)
        for number in range(rounds):
            alone.append(p99(await quiet(port, calm, seconds, number * 10**4)))
            with beside(port, loud, flood):
                together.append(p99(await quiet(port, calm, seconds, number * 10**4 + 5000)))
            await asyncio.sleep(3.0)  # refused clients may finish their sentence
    ratio = support.median([b / a for a, b in zip(alone, together, strict=True)])
    return {"alone_ms": support.median(alone), "beside_ms": support.median(together), "ratio": ratio}


async def limit(url: str, workspace_id, per_minute: int) -> None:
    """Give every key of a workspace this rate."""
    async with Database(url, pool=2) as database, database.transaction(workspace_id) as db:
        for key in await keys.newest_first(db, workspace_id, before=None, limit=10):
            await keys.change(db, workspace_id, key.id, {"requests_per_minute": per_minute})


def main() -> None:
    options = support.arguments(__doc__ or "")
    rounds, seconds = (2, 3.0) if options.quick else (5, 6.0)
    found = {}
    with support.stage() as url:
        for flood in ("bodies", "posts"):
            for limited in (True, False):
                name = f"{flood}_{'limited' if limited else 'unlimited'}"
                felt = uvloop.run(compare(url, flood, rounds=rounds, seconds=seconds, limited=limited))
                found[name] = felt
                print(f"{name:>17}: p99 {felt['alone_ms']} ms alone, {felt['beside_ms']} beside; {felt['ratio']} times")
    felt, free = found["bodies_limited"]["ratio"], found["bodies_unlimited"]["ratio"]
    ratios = {
        "goal/felt": round(GOAL / felt, 3),
        "without/with": round(free / felt, 3),
        "posts_without/with": round(found["posts_unlimited"]["ratio"] / found["posts_limited"]["ratio"], 3),
    }
    support.close("neighbours", found | {"goal_at_most": GOAL}, ratios, {"goal/felt": 1.0, "without/with": 1.5})


if __name__ == "__main__":
    main()
