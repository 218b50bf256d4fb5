"""How many rows of a file a second one worker takes in, against the same rows sent as batches by one good client.

    python benchmarks/imports.py --quick

One PostgreSQL, one API process; the worker is this process. The two take turns, each in a workspace of its own, and
evaluation does not run. The last line is one JSON object.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.domain.imports import PART_BYTES
from app.services import imports
from app.services.imports import Wanted
from app.settings import Settings
from app.workers.imports import _Stretch
from app.workers.main import opened
from benchmarks.support import SECRET, arguments, close, median, post_all, request, served, stage, workspace_and_key

BATCH = 500
GOAL = 0.5
COLUMNS = ("event", "userId", "accountId", "timestamp", "messageId", "properties.format", "properties.pages")


def rows(count: int) -> list[tuple[str, ...]]:
    """Events of a thousand users at a hundred accounts."""
    return [
        (
            "Exported",
            f"user-{n % 1000}",
            f"acme-{n % 100}",
            f"2026-10-{n % 28 + 1:02d}T10:00:00Z",
            f"m-{n}",
            "pdf",
            str(n),
        )
        for n in range(count)
    ]


async def by_file(rt, url: str, told: list[tuple[str, ...]]) -> float:
    """Rows a second, from the start of the import to its end."""
    workspace_id, _ = await workspace_and_key(url)
    data = "\n".join(",".join(line) for line in [COLUMNS, *told]).encode()
    now = datetime.now(UTC)
    async with rt.transaction(workspace_id) as db:
        row = await imports.create(db, workspace_id, Wanted("events", "csv", sha256=sha256(data).hexdigest()), now=now)
        for number, begin in enumerate(range(0, len(data), PART_BYTES), 1):
            part = data[begin : begin + PART_BYTES]
            await imports.put_part(db, workspace_id, row["id"], number, part, most_bytes=len(data))
        await imports.start(db, workspace_id, row["id"], now=now)
    began = time.perf_counter()
    while not await _Stretch(rt, workspace_id, row["id"]).go():
        pass
    seconds = time.perf_counter() - began
    async with rt.transaction(workspace_id) as db:
        assert (await imports.show(db, workspace_id, row["id"]))["accepted"] == len(told)
    return len(told) / seconds


async def by_batches(url: str, port: int, told: list[tuple[str, ...]]) -> float:
    """Rows a second over one connection."""
    _, key = await workspace_and_key(url)
    items = [
        {
            "type": "event",
            **dict(zip(COLUMNS[:5], line, strict=False)),
            "properties": {"format": line[5], "pages": int(line[6])},
        }
        for line in told
    ]
    bodies = [orjson.dumps({"messages": items[n : n + BATCH]}) for n in range(0, len(items), BATCH)]
    load = await post_all(port, [request("/api/v1/batch", key, body) for body in bodies], connections=1)
    assert set(load.statuses) == {202}, load.statuses
    return len(told) / load.seconds


async def measure(url: str, port: int, *, count: int, rounds: int) -> dict[str, float]:
    settings = Settings(database_url=url, secret_key=SECRET, bell="none")
    found: dict[str, list[float]] = {"file": [], "batches": []}
    async with opened(settings) as rt:
        for _ in range(rounds):
            found["file"].append(await by_file(rt, url, rows(count)))
            found["batches"].append(await by_batches(url, port, rows(count)))
            print(*(f"{name} {figures[-1]:,.0f}/s" for name, figures in found.items()), sep="   ", flush=True)
    return {name: median(figures) for name, figures in found.items()}


def main() -> None:
    quick = arguments(__doc__.partition("\n")[0]).quick
    with stage() as url, served("steward", url, STEWARD_REQUESTS_PER_MINUTE="10000000") as port:
        figures = asyncio.run(measure(url, port, count=10_000 if quick else 50_000, rounds=3 if quick else 5))
    close("imports", figures, {"file": round(figures["file"] / figures["batches"], 2)}, {"file": GOAL})


if __name__ == "__main__":
    main()
