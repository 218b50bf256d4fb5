"""How many webhooks a second one process sends: plain httpx against our guarded client (goal M11, the client's part).

    python benchmarks/outbound.py --quick

A sink on loopback, in a process of its own, answers every POST at once. Each client keeps 50 calls in flight. The
clients take turns, so that a slower minute of the machine falls on all of them; the median turn counts. The last line
is one JSON object.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import httpx
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.outbound.addresses import Allow
from app.outbound.http import Client

BODY = json.dumps({"type": "account.owner_changed", "data": {"name": "x" * 900}}).encode()
HEADERS = {"content-type": "application/json", "webhook-id": "msg_1", "webhook-signature": "v1," + "A" * 44}
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
GOAL = 5.0

Post = Callable[[], Awaitable[object]]


class Sink(asyncio.Protocol):
    """Answers once per request: all are the same length, so counting bytes is enough after the first head."""

    def connection_made(self, transport):
        self.transport = transport
        self.waiting = b""

    def data_received(self, data):
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + len(BODY)
            if len(self.waiting) < whole:
                return
            self.waiting = self.waiting[whole:]
            self.transport.write(REPLY)


def sink(pipe: Connection) -> None:
    """Serve until the other process is done."""

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        server.close()

    uvloop.run(serve())


async def rate(post: Post, seconds: float, concurrency: int) -> float:
    """Calls a second with `concurrency` in flight."""
    done, until = 0, time.perf_counter() + seconds

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await post()
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return done / (time.perf_counter() - started)


async def compare(url: str, turns: int, seconds: float, concurrency: int) -> dict[str, float]:
    """The median rate of each client, in calls a second."""
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with (
        httpx.AsyncClient(limits=limits, timeout=20) as plain,
        aiohttp.ClientSession() as bare,
        Client(Allow.of(["127.0.0.1"])) as guarded,
    ):

        async def by_bare() -> None:
            async with bare.post(url, data=BODY, headers=HEADERS) as response:
                await response.read()

        async def by_guarded() -> None:
            outcome = await guarded.post(url, BODY, HEADERS)
            if not outcome.ok:
                raise RuntimeError(outcome.reason)

        clients: dict[str, Post] = {
            "plain_httpx": lambda: plain.post(url, content=BODY, headers=HEADERS),
            "guarded": by_guarded,
            "bare_aiohttp": by_bare,
        }
        rates: dict[str, list[float]] = {name: [] for name in clients}
        for turn in range(turns + 1):
            for name, post in clients.items():
                found = await rate(post, seconds if turn else 0.3, concurrency)
                if turn:  # the first turn only warms up
                    rates[name].append(found)
    return {name: round(statistics.median(found), 1) for name, found in rates.items()}


def main() -> None:
    """Measure, say it, and end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about ten seconds instead of a minute")
    parser.add_argument("--concurrency", type=int, default=50)
    options = parser.parse_args()
    turns, seconds = (3, 1.0) if options.quick else (7, 3.0)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=sink, args=(theirs,), daemon=True)
    process.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}/hook"
        figures = uvloop.run(compare(url, turns, seconds, options.concurrency))
    finally:
        ours.send(None)
        process.join(5)
    for name, found in figures.items():
        print(f"{name:>14}: {found:9.1f} calls/s at {options.concurrency} in flight")
    ratio = round(figures["guarded"] / figures["plain_httpx"], 2)
    print(
        json.dumps(
            {
                "benchmark": "outbound",
                "figures": figures | {"concurrency": options.concurrency},
                "ratios": {
                    "guarded_to_plain_httpx": ratio,
                    "guarded_to_bare_aiohttp": round(figures["guarded"] / figures["bare_aiohttp"], 2),
                },
                "goal": {"guarded_to_plain_httpx": GOAL},
                "met": ratio >= GOAL,
            }
        )
    )


if __name__ == "__main__":
    main()
