"""The durable inbox beside the direct mode, in the same minutes on the same cores: acknowledging, applying, lagging.

Acknowledged: 100 messages a request over 16 connections, and one message a request over 64, with a key in each mode.
Applied: what is in the inbox, by one worker, in groups of 1,000 and of 5,000. Lag: from acknowledged to applied, while
5,000 messages a second arrive and one worker runs. The population is that of `benchmarks.ingest`.

A RudderStack gateway of 2021, which appends raw requests, took 14,700 events a second at 100 per request on two such
cores; that figure is cited, not run here.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import orjson
from sqlalchemy import text

from app.db import inbox as rows
from app.db.base import Database
from app.outbound.addresses import Allow
from app.outbound.http import Client
from app.services import keys
from app.settings import Settings
from app.workers.inbox import GROUP, Applier
from app.workers.runtime import Runtime
from benchmarks import support
from benchmarks.ingest import BATCH, CONNECTIONS, Sender, seed

SINGLES = 64  # connections
GATEWAY = 14_700  # events a second, cited
STEADY = 5_000  # messages a second
LIMIT = {"STEWARD_REQUESTS_PER_MINUTE": "100000000", "STEWARD_REQUEST_BURST": "10000000"}
WITHOUT_END = {"STEWARD_INBOX_MESSAGES": "100000000", "STEWARD_INBOX_SECONDS": "3600"}
Rates = dict[str, list[float]]


def alone(sender: Sender, count: int, key: str) -> list[bytes]:
    """Requests with one message each, of the same mixture as a batch."""
    kinds = sender.random.choices(("event", "user", "account"), (80, 15, 5), k=count)
    bodies = (orjson.dumps({"messages": [sender.item(kind)]}) for kind in kinds)
    return [support.request("/api/v1/batch", key, body) for body in bodies]


async def inbox_key(url: str, workspace_id: UUID) -> str:
    """A key in inbox mode."""
    async with Database(url, pool=2) as database, database.transaction(workspace_id) as db:
        issued = await keys.create(
            db, workspace_id, name="inbox", scopes=("ingest",), environment="live", now=datetime.now(UTC)
        )
        await keys.change(db, workspace_id, issued.key.id, {"ingest_mode": "inbox"})
    return issued.text


async def acknowledged(port: int, requests: list[bytes], *, connections: int, per_request: int) -> float:
    """Messages acknowledged a second."""
    load = await support.post_all(port, requests, connections=connections)
    assert load.statuses == {202: len(requests)}, load.statuses
    return len(requests) * per_request / load.seconds


async def pending(database: Database, workspace_id: UUID) -> rows.Depth:
    async with database.transaction(workspace_id) as db:
        return await rows.depth(db, workspace_id)


async def empty(database: Database, workspace_id: UUID) -> None:
    """Forget what waits: only the acknowledging was to be measured."""
    async with database.transaction(workspace_id) as db:
        await db.execute(text("delete from inbox"))


async def applied(rt: Runtime, workspace_id: UUID, messages: int) -> float:
    """Messages applied a second, in groups of so many, until nothing waits."""
    applier, done = Applier(rt, group=replace(GROUP, messages=messages)), 0
    began = time.perf_counter()
    while found := await applier.drain(workspace_id):
        done += found
    return done / (time.perf_counter() - began)


async def steady(port: int, database: Database, workspace_id: UUID, bodies: list[bytes]) -> tuple[list[float], float]:
    """Lags seen while bodies arrive at a steady pace, and the messages a second that really arrived."""
    lags: list[float] = []
    over = asyncio.Event()

    async def watch() -> None:
        while not over.is_set():
            lags.append((await pending(database, workspace_id)).oldest_seconds)
            await asyncio.sleep(0.05)

    async def paced() -> None:
        began, sending = time.perf_counter(), set()
        for number, body in enumerate(bodies):
            await asyncio.sleep(max(0.0, began + number * BATCH / STEADY - time.perf_counter()))
            task = asyncio.create_task(support.post_all(port, [body], connections=1))
            sending.add(task)
            task.add_done_callback(sending.discard)
        await asyncio.gather(*sending)

    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    await paced()
    rate = len(bodies) * BATCH / (time.perf_counter() - began)
    over.set()
    await watching
    return lags, rate


@contextlib.contextmanager
def working(url: str) -> Iterator[None]:
    """A worker process, as `steward work` runs it."""
    environment = {"STEWARD_DATABASE_URL": url, "STEWARD_SECRET_KEY": support.SECRET, "STEWARD_LOG_LEVEL": "warning"}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "work"],
        cwd=support.ROOT,
        env=os.environ | environment | {"STEWARD_BELL": "none"},
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@contextlib.asynccontextmanager
async def hands(url: str) -> AsyncIterator[Runtime]:
    settings = Settings(database_url=url, secret_key=support.SECRET, bell="none")
    async with (
        Database(url, pool=4, name="steward-worker", statement_seconds=60) as database,
        Client(Allow.of(())) as outbound,
    ):
        yield Runtime(database, outbound, settings, lambda: datetime.now(UTC))


async def measure(url: str, *, quick: bool) -> None:
    rounds, batches, singles, seconds = (3, 100, 1_500, 5) if quick else (5, 500, 6_000, 20)
    workspace_id, direct = await support.workspace_and_key(url)
    later = await inbox_key(url, workspace_id)
    await seed(url, workspace_id)
    sender = Sender(11)
    names = ("inbox_100", "direct_100", "inbox_1", "direct_1", "applied_1000", "applied_5000")
    rates: Rates = {name: [] for name in names}

    with support.served("steward", url, **LIMIT, **WITHOUT_END) as port:
        async with hands(url) as rt:
            for key in (direct, later):  # warm
                await acknowledged(port, sender.requests(50, key), connections=CONNECTIONS, per_request=BATCH)
            await applied(rt, workspace_id, 5_000)
            for _ in range(rounds):
                for name, key in (("direct", direct), ("inbox", later)):
                    few = sender.requests(batches, key)
                    rates[f"{name}_100"].append(
                        await acknowledged(port, few, connections=CONNECTIONS, per_request=BATCH)
                    )
                    if name == "inbox":
                        rates["applied_5000"].append(await applied(rt, workspace_id, 5_000))
                    rates[f"{name}_1"].append(
                        await acknowledged(port, alone(sender, singles, key), connections=SINGLES, per_request=1)
                    )
                await empty(rt.database, workspace_id)
                await acknowledged(port, sender.requests(batches // 2, later), connections=16, per_request=BATCH)
                rates["applied_1000"].append(await applied(rt, workspace_id, 1_000))
            with working(url):
                await asyncio.sleep(3)
                bodies = sender.requests(seconds * STEADY // BATCH, later)
                lags, arrived = await steady(port, rt.database, workspace_id, bodies)
    report(rates, lags, arrived)


def report(rates: Rates, lags: list[float], arrived: float) -> None:
    figures = {f"{name}_per_second": round(support.median(values)) for name, values in rates.items()}
    lags = sorted(lags)
    figures |= {
        "steady_per_second": round(arrived),
        "lag_p50_ms": round(lags[len(lags) // 2] * 1000),
        "lag_p99_ms": round(lags[len(lags) * 99 // 100] * 1000),
    }

    def ratio(name: str, over: str) -> float:
        return support.median([a / b for a, b in zip(rates[name], rates[over], strict=True)])

    ratios = {
        "inbox_100/gateway": round(figures["inbox_100_per_second"] / GATEWAY, 3),
        "inbox_100/direct_100": ratio("inbox_100", "direct_100"),
        "inbox_1/direct_1": ratio("inbox_1", "direct_1"),
        "applied_5000/direct_100": ratio("applied_5000", "direct_100"),
    }
    for name, values in rates.items():
        print(f"{name:>13}: {round(support.median(values)):>8,} a second   (rounds: {[round(v) for v in values]})")
    print(
        f"          lag: {figures['lag_p50_ms']} ms p50, {figures['lag_p99_ms']} ms p99 at {round(arrived):,} a second"
    )
    for name, value in ratios.items():
        print(f"{name:>24}: {value}")
    support.close("inbox", figures, ratios, {"inbox_100/gateway": 4.0, "inbox_1/direct_1": 1.5})


def main() -> None:
    options = support.arguments(__doc__ or "")
    with support.stage() as url:
        asyncio.run(measure(url, quick=options.quick))


if __name__ == "__main__":
    main()
