"""How long an acknowledged event takes to become the alert it causes, while a thousand events a second arrive."""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from app import embedded
from app.db.base import Database
from app.domain.indicators import NOBODY
from app.services import indicators
from benchmarks import support
from benchmarks.evaluation_rules import NAMES

RATE, BATCH = 1_000, 20  # events a second, in requests of so many
ACCOUNTS = 4  # which a request is about, beside the one that is watched: what a sender holds back is about few
BEACON = "Beacon"
LOOK = 0.005
LIMIT = {"STEWARD_REQUESTS_PER_MINUTE": "100000000", "STEWARD_REQUEST_BURST": "10000000"}
FOUND = "select a.external_id from alerts x join accounts a on a.workspace_id = $1 and a.id = x.account_id \
where x.workspace_id = $1 and x.indicator_id = $2 and x.fired_at > $3"


@contextmanager
def working(url: str, bell: dict[str, str]) -> Iterator[None]:
    """A worker process, as `steward work` runs it."""
    environment = {"STEWARD_DATABASE_URL": url, "STEWARD_SECRET_KEY": support.SECRET, "STEWARD_LOG_LEVEL": "warning"}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "work"], cwd=support.ROOT, env=os.environ | environment | bell
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def body(numbers: list[int], probe: int) -> bytes:
    """Events at these accounts, and the one that has a consequence at another."""
    events = [
        {"type": "event", "event": NAMES[number % len(NAMES)], "accountId": f"acct-{number}", "properties": {}}
        for number in numbers
    ]
    events.append({"type": "event", "event": BEACON, "accountId": f"acct-{probe}", "properties": {}})
    return orjson.dumps({"messages": events})


async def _rule(url: str, workspace_id: UUID) -> UUID:
    condition = {"event": BEACON, "op": "atLeast", "count": 1, "inLastDays": 7}
    async with Database(url, pool=2) as database, database.transaction(workspace_id) as db:
        new = indicators.Definition("Beacon", "risk", condition, NOBODY)
        made = await indicators.create(db, workspace_id, new, now=datetime.now(UTC))
    async with Database(url, pool=2) as database, database.transaction(workspace_id) as db:
        await db.execute(text("delete from jobs"))  # there is no such event yet: nobody is to be looked at
        await db.execute(text("delete from reprocessings"))
    return UUID(bytes=made["id"].bytes)


async def latency(
    url: str, workspace_id: UUID, key: str, driver: Any, accounts: int, *, seconds: int
) -> dict[str, float]:
    """Milliseconds from the answer to the alert, and how many events arrived a second."""
    rule, chosen = await _rule(url, workspace_id), random.Random(7)
    since = datetime.now(UTC)
    probes = chosen.sample(range(1, accounts + 1), seconds * RATE // BATCH)
    acknowledged: dict[str, float] = {}
    seen: dict[str, float] = {}

    with tempfile.TemporaryDirectory(prefix="stw-", dir="/tmp") as folder, embedded.valkey(Path(folder)) as redis:
        bell = {"STEWARD_REDIS_URL": redis, "STEWARD_BELL": "arq"}
        with support.served("steward", url, **LIMIT, **bell) as port, working(url, bell):
            await asyncio.sleep(3)

            async def send(probe: int) -> None:
                few = [chosen.randint(1, accounts) for _ in range(ACCOUNTS)]
                others = [few[n % ACCOUNTS] for n in range(BATCH - 1)]
                load = await support.post_all(
                    port, [support.request("/api/v1/batch", key, body(others, probe))], connections=1
                )
                assert load.statuses == {202: 1}, load.statuses
                acknowledged[f"acct-{probe}"] = time.perf_counter()

            async def look() -> None:
                deadline = time.perf_counter() + seconds + 60
                while len(seen) < len(probes) and time.perf_counter() < deadline:
                    rows = await driver.fetch(FOUND, workspace_id, rule, since)
                    now = time.perf_counter()
                    for row in rows:
                        seen.setdefault(row[0], now)
                    await asyncio.sleep(LOOK)

            looking = asyncio.create_task(look())
            began, sending = time.perf_counter(), []
            for number, probe in enumerate(probes):
                await asyncio.sleep(max(0.0, began + number * BATCH / RATE - time.perf_counter()))
                sending.append(asyncio.create_task(send(probe)))
            await asyncio.gather(*sending)
            rate = len(probes) * BATCH / (time.perf_counter() - began)
            await looking
    waits = sorted((seen[name] - at) * 1000 for name, at in acknowledged.items() if name in seen)
    missing = len(probes) - len(waits)
    figures = {
        "events_per_second": round(rate),
        "latency_p50_ms": round(waits[len(waits) // 2], 1),
        "latency_p99_ms": round(waits[min(len(waits) - 1, len(waits) * 99 // 100)], 1),
        "without_alert": missing,
    }
    print(f"from an acknowledged event to its alert: {figures}")
    return figures
