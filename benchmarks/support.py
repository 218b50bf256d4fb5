"""What the programs share: servers of our own, a lean HTTP client, interleaved rounds, the closing line of JSON."""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from alembic import command
from alembic.config import Config

from app import embedded
from app.db.base import Database
from app.domain.ids import new_id
from app.services import keys, workspaces

ROOT = Path(__file__).parents[1]
SECRET = "only for benchmarks: 0123456789 abcdefghij"


def arguments(description: str) -> argparse.Namespace:
    """`--quick` takes under a minute and says less."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, under a minute")
    return parser.parse_args()


@contextlib.contextmanager
def stage() -> Iterator[str]:
    """A migrated PostgreSQL with the settings `steward start` gives it; yields its URL."""
    with tempfile.TemporaryDirectory(prefix="stw-bench-", dir="/tmp") as folder, embedded.postgres(Path(folder)) as url:
        config = Config(ROOT / "alembic.ini")
        config.attributes["url"] = url
        command.upgrade(config, "head")
        yield url


async def workspace_and_key(url: str) -> tuple[UUID, str]:
    """A fresh workspace and a key that may do everything in it."""
    workspace_id, now = new_id(), datetime.now(UTC)
    async with Database(url, pool=2) as database, database.transaction(workspace_id) as db:
        await workspaces.create(db, workspace_id, slug=f"b-{workspace_id.hex}", name="Benchmark")
        issued = await keys.create(
            db, workspace_id, name="bench", scopes=("ingest", "read", "admin"), environment="live", now=now
        )
    return workspace_id, issued.text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(app: str, url: str, **environment: str) -> Iterator[int]:
    """A child on a port of its own: `steward serve` for `app="steward"`, else uvicorn with `app`; yields the port."""
    port = free_port()
    arguments = ["--host", "127.0.0.1", "--port", str(port)]
    uvicorn = ["uvicorn", app, "--loop", "uvloop", "--http", "httptools", "--log-level", "error"]
    process = subprocess.Popen(
        [sys.executable, "-m", *(["app.cli", "serve"] if app == "steward" else uvicorn), *arguments],
        cwd=ROOT,
        env=os.environ
        | {
            "STEWARD_DATABASE_URL": url,
            "STEWARD_SECRET_KEY": SECRET,
            "STEWARD_BELL": "none",
            "STEWARD_LOG_LEVEL": "warning",
            **environment,
        },
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{app} did not start")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@dataclass
class Load:
    """What came back, and how long each request took in seconds."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)

    def quantile(self, q: float) -> float:
        return sorted(self.times)[min(len(self.times) - 1, int(q * len(self.times)))]


def request(path: str, key: str, body: bytes) -> bytes:
    """The bytes of one POST, made before the clock runs."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lowered = head.lower()
    length = int(lowered.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return int(head[9:12])


async def _connection(port: int, requests: Iterator[bytes], load: Load) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for message in requests:
        began = time.perf_counter()
        writer.write(message)
        status = await _answer(reader)
        load.times.append(time.perf_counter() - began)
        load.statuses[status] = load.statuses.get(status, 0) + 1
    writer.close()


async def post_all(port: int, requests: Sequence[bytes], *, connections: int) -> Load:
    """Send every request once, over so many connections, as fast as answers come back."""
    load, feed = Load(), iter(requests)
    began = time.perf_counter()
    await asyncio.gather(*(_connection(port, feed, load) for _ in range(connections)))
    load.seconds = time.perf_counter() - began
    return load


@contextlib.asynccontextmanager
async def timed(seconds: list[float]) -> AsyncIterator[None]:
    """Appends how long the block took."""
    began = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - began)


def children_cpu() -> float:
    """Processor seconds of every process below this one that still runs, so far: the servers' and PostgreSQL's."""
    parents, spent = {}, {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(folder.name)], spent[int(folder.name)] = int(fields[1]), int(fields[11]) + int(fields[12])

    def ours(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    ticks = sum(n for process, n in spent.items() if process != os.getpid() and ours(process))
    return ticks / os.sysconf("SC_CLK_TCK")


def median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 3)


def close(benchmark: str, figures: dict[str, Any], ratios: dict[str, float], goal: dict[str, float]) -> None:
    """The closing line: every goal names a ratio that must be at least so large."""
    met = all(ratios[name] >= least for name, least in goal.items())
    print(json.dumps({"benchmark": benchmark, "figures": figures, "ratios": ratios, "goal": goal, "met": met}))
