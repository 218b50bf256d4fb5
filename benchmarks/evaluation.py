"""What keeping fifty rules and thirty metrics of a million accounts up to date costs, by how many accounts changed.

Beside it, in the same minutes: the best SQL by hand that evaluates everything in one pass, and the same statement in
DuckDB. A tick is all of it: taking the marks, owner, access, lifecycle, figures, metrics, segments, health, indicators
with their alerts and letters, and the commit. "All" is worked out from the largest tick: slices do not know of each
other. Latency is from an acknowledged event to its alert being there to be read, with a server and a worker.

Goals: a thousand changed accounts at least 200 times cheaper than everything by hand (M8), ten thousand at most ten
times a thousand; everything by hand within twice DuckDB (M9).
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import duckdb
from sqlalchemy import event

from app.db.base import Database
from app.domain.fields import Subject
from app.domain.ids import new_id
from app.outbound.addresses import Allow
from app.outbound.http import Client
from app.services import indicators, keys, segments, workspaces
from app.services import metrics as definitions
from app.settings import Settings
from app.workers import evaluation, records
from app.workers.runtime import Runtime
from benchmarks import evaluation_seeds, support
from benchmarks.evaluation_latency import latency
from benchmarks.evaluation_rules import metrics, rules, terms

LARGE, QUICK = 1_000_000, 20_000
SEEDED = 600  # seconds a statement of the program may take
DEAREST = 14

CHANGE = f"""
with changed as (
    insert into measure_days (workspace_id, record_id, measure_id, day, user_id, count)
    select $1, bench_id({evaluation_seeds.ACCOUNT}, n), m.id, ($3::timestamptz at time zone 'utc')::date,
        '{evaluation_seeds.NOBODY}', 1
    from unnest($2::bigint[]) n join bench_measures m on m.number = n % 20
    order by 2, 3
    on conflict (workspace_id, record_id, measure_id, day, user_id) do update set count = measure_days.count + 1
    returning record_id
), seen as (
    update account_activity a set last_seen_at = $3, events = events + 1
    from changed c where a.workspace_id = $1 and a.account_id = c.record_id
)
insert into dirty_accounts (workspace_id, account_id) select $1, record_id from changed
"""


@dataclass
class Statements:
    """How long each statement took, by its beginning."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    on: bool = False

    def listen(self, engine: Any) -> None:
        """Stand beside the driver of this engine."""
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)

    def _before(self, connection: Any, *_: Any) -> None:
        connection.info["began"] = time.perf_counter()

    def _after(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if self.on:
            took = time.perf_counter() - connection.info["began"]
            self.times[" ".join(statement.split())].append(took)

    def show(self, ticks: int, seconds: float) -> None:
        """The dearest ones of so many ticks."""
        known = sum(sum(one) for one in self.times.values())
        print(f"   of {seconds / ticks * 1000:.0f} ms a tick, {known / ticks * 1000:.0f} in statements; the dearest:")
        for statement, times in sorted(self.times.items(), key=lambda item: -sum(item[1]))[:DEAREST]:
            each = sum(times) / ticks * 1000
            print(f"   {each:>9.1f} ms in {len(times) / ticks:>5.1f}   {statement[:110]}")


@dataclass
class Bench:
    """The workspace, its hands, and what was measured."""

    rt: Runtime
    driver: Any
    workspace_id: UUID
    accounts: int
    now: datetime
    random: random.Random
    statements: Statements
    measures: dict[int, int] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)

    async def tick(self) -> float:
        """Seconds until nothing is due."""
        began = time.perf_counter()
        while await evaluation.drain(self.rt, only_workspace=self.workspace_id):
            await records.drain(self.rt, only_workspace=self.workspace_id)
        await records.drain(self.rt, only_workspace=self.workspace_id)
        return time.perf_counter() - began

    async def change(self, numbers: Sequence[int]) -> None:
        """Something happens at each of these accounts, and they are marked, as ingestion does it."""
        await self.driver.execute(CHANGE, self.workspace_id, list(numbers), self.now, timeout=SEEDED)

    async def count(self, table: str) -> int:
        found = await self.driver.fetchval(
            f"select count(*) from {table} where workspace_id = $1",
            self.workspace_id,
        )
        return int(found)


async def define(bench: Bench) -> None:
    """The rules and the metrics, through the services; that they are new is not what is measured."""
    await bench.driver.execute("create table bench_rules (number int, id uuid, is_segment bool)")
    found = await bench.driver.fetch("select number, id from bench_measures")
    bench.measures = {row["number"]: row["id"] for row in found}
    for number, rule in enumerate(rules()):
        async with bench.rt.transaction(bench.workspace_id) as db:
            if rule.segment:
                new = segments.Definition(Subject.ACCOUNTS, rule.name, filter=rule.filter)
                made = await segments.create(db, bench.workspace_id, new, now=bench.now)
            else:
                made = await indicators.create(
                    db, bench.workspace_id, indicators.Definition(rule.name, "risk", rule.filter), now=bench.now
                )
        await bench.driver.execute("insert into bench_rules values ($1, $2, $3)", number, made["id"], rule.segment)
    for metric in metrics():
        equation = {"numerator": metric.top.written, "denominator": metric.bottom.written if metric.bottom else None}
        kept = {name: value for name, value in equation.items() if value is not None} | {"percent": False}
        asked = definitions.Definition(metric.slug, [Subject.ACCOUNTS], kept, slug=metric.slug, history_days=0)
        async with bench.rt.transaction(bench.workspace_id) as db:
            await definitions.create(db, bench.workspace_id, asked, now=bench.now)
    told = "update metrics set told_version = version where workspace_id = $1"  # as the jobs would find, that go now
    await bench.driver.execute(told, bench.workspace_id)
    for table in ("jobs", "reprocessings", "dirty_accounts"):
        await bench.driver.execute(f"delete from {table} where workspace_id = $1", bench.workspace_id)


async def by_hand(bench: Bench, rounds: int) -> None:
    """Everything in one statement, with its answers stored."""
    query = evaluation_seeds.everything(rules(), metrics(), terms(), bench.measures)
    times: list[float] = []
    for _ in range(rounds):
        await bench.driver.execute("drop table if exists bench_state")
        async with support.timed(times):
            statement = query.replace("$1", f"'{bench.workspace_id}'::uuid").replace("$2", f"'{bench.now.isoformat()}'")
            await bench.driver.execute(evaluation_seeds.scratch(statement), timeout=SEEDED)
    bench.figures["sql_s"] = support.median(times)
    print(f"everything by hand, one statement, answers stored: {times} s")


async def in_duckdb(bench: Bench, rounds: int, folder: Path) -> None:
    """The same in DuckDB, over the same rows as columns; loading them is not counted."""
    traits = ", ".join(f"(a.traits ->> '{name}')::{kind} as t_{name}" for name, kind in evaluation_seeds.TRAITS.items())
    known = f"""select a.id, {traits}, f.last_seen_at at time zone 'utc' as last_seen_at
        from accounts a join account_facts f on f.account_id = a.id where a.workspace_id = '{bench.workspace_id}'"""
    days = f"""select d.record_id, m.number as measure, d.day, d.user_id, d.count
        from measure_days d join bench_measures m on m.id = d.measure_id
        where d.workspace_id = '{bench.workspace_id}'"""
    duck = duckdb.connect()
    duck.execute("set threads = 2")
    for name, query in (("known_accounts", known), ("days", days)):
        path = folder / f"{name}.csv"
        await bench.driver.copy_from_query(query, output=path, format="csv", header=True, timeout=SEEDED)
        duck.execute(f"create table {name} as select * from read_csv('{path}')")
    query = evaluation_seeds.duck(rules(), metrics(), terms())
    times: list[float] = []
    for _ in range(rounds):
        duck.execute("drop table if exists state")
        async with support.timed(times):
            duck.execute(f"create table state as {query}", {"moment": bench.now.replace(tzinfo=None)})
    ours = await bench.driver.fetchrow("select sum(bit_count(bits::bit(64))), count(*) from bench_state")
    found = duck.execute("select sum(bit_count(bits)), count(*) from state").fetchone()
    assert found is not None
    assert tuple(map(int, found)) == tuple(map(int, ours)), (found, ours)
    duck.close()
    bench.figures["duckdb_s"] = support.median(times)
    print(f"the same in DuckDB, two threads: {times} s; {ours[0]} answers are yes, in both")


async def settle(bench: Bench) -> None:
    """What rules say of everybody is there, as the statement by hand says it."""
    for statement in evaluation_seeds.FILL:
        arguments = (bench.workspace_id, bench.now)[: 1 + ("$2" in statement)]
        await bench.driver.execute(statement, *arguments, timeout=SEEDED)
    await bench.driver.execute(f"vacuum (analyze) {evaluation_seeds.TABLES}", timeout=SEEDED)
    await bench.driver.execute("checkpoint", timeout=SEEDED)


async def warm(bench: Bench, numbers: Sequence[int]) -> None:
    """Evaluate those that are to change later once, and see that our answers are those of the statement by hand."""
    before = [await bench.count(table) for table in ("segment_links", "segment_changes", "alerts")]
    await bench.driver.execute(
        f"insert into dirty_accounts (workspace_id, account_id) select $1, bench_id({evaluation_seeds.ACCOUNT}, n) "
        "from unnest($2::bigint[]) n",
        bench.workspace_id,
        list(numbers),
    )
    seconds = await bench.tick()
    after = [await bench.count(table) for table in ("segment_links", "segment_changes", "alerts")]
    moved = await bench.driver.fetchval("select count(*) from alerts where resolved_at is not null")
    assert (before, moved) == (after, 0), ("the engine and the statement by hand differ", before, after, moved)
    print(f"{len(numbers):,} accounts evaluated once in {seconds:.0f} s: every answer is as the statement says")


async def ticks(bench: Bench, numbers: list[int], sizes: Sequence[int], rounds: int) -> None:
    """Ticks of each size, in turn."""
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            part = bench.random.sample(numbers, size)
            if part:
                await bench.change(part)
            bench.statements.on = size == 1000
            times[size].append(await bench.tick())
            bench.statements.on = False
    for size, seconds in times.items():
        each = f", {support.median(seconds) / size * 1e6:.0f} µs an account" if size else ""
        print(f"   {size:>6,} changed: {support.median(seconds) * 1000:>9.1f} ms{each}   ({seconds})")
        bench.figures[f"tick_{size}_ms"] = round(support.median(seconds) * 1000, 1)
    if 1000 in times:
        bench.statements.show(rounds, sum(times[1000]))
    largest = max(sizes)
    bench.figures["all_s"] = round(support.median(times[largest]) / largest * bench.accounts, 1)
    print(f"   all, worked out from {largest:,}: {bench.figures['all_s']} s")


@asynccontextmanager
async def opened(url: str, moment: Callable[[], datetime]) -> AsyncIterator[Runtime]:
    settings = Settings(database_url=url, secret_key=support.SECRET, bell="none")
    async with (
        Database(url, pool=4, name="steward-worker", statement_seconds=60) as database,
        Client(Allow.of(())) as outbound,
    ):
        yield Runtime(database, outbound, settings, moment)


async def measure(url: str, *, quick: bool) -> None:
    accounts, rounds, sizes = (QUICK, 3, (0, 100, 1000)) if quick else (LARGE, 5, (0, 100, 1000, 10_000))
    now = datetime.now(UTC)
    async with opened(url, lambda: now) as rt, rt.database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(
            "set statement_timeout = 0; set max_parallel_workers_per_gather = 2; set work_mem = '256MB'"
        )
        await driver.execute(evaluation_seeds.IDS)
        statements = Statements()
        statements.listen(rt.database.engine.sync_engine)
        bench = Bench(rt, driver, new_id(), accounts, now, random.Random(5), statements)
        async with rt.transaction(bench.workspace_id) as db:
            await workspaces.create(db, bench.workspace_id, slug=f"b-{bench.workspace_id.hex}", name="Benchmark")
            issued = await keys.create(
                db, bench.workspace_id, name="bench", scopes=("ingest", "read", "admin"), environment="live", now=now
            )
        began = time.monotonic()
        await evaluation_seeds.seed(driver, bench.workspace_id, accounts, now)
        made = f"{accounts:,} accounts, {accounts * 3:,} users, {accounts * 12:,} daily counts"
        print(f"{made}: {time.monotonic() - began:.0f} s")
        await define(bench)
        await by_hand(bench, rounds)
        with TemporaryDirectory(prefix="stw-duck-") as folder:
            await in_duckdb(bench, rounds, Path(folder))
        await settle(bench)
        numbers = bench.random.sample(range(1, accounts + 1), min(accounts // 2, max(sizes) * 2))
        await warm(bench, numbers)
        await ticks(bench, numbers, sizes, rounds)
        bench.figures |= await latency(
            url, bench.workspace_id, issued.text, driver, accounts, seconds=8 if quick else 40
        )
    close(bench, sizes)


def close(bench: Bench, sizes: Sequence[int]) -> None:
    """The ratios the goals are about."""
    figures = bench.figures
    thousand = figures["tick_1000_ms"] / 1000
    bench.ratios["everything/1000"] = round(figures["sql_s"] / thousand, 2)
    bench.ratios["2_duckdb/everything"] = round(2 * figures["duckdb_s"] / figures["sql_s"], 3)
    bench.ratios["2_duckdb/all"] = round(2 * figures["duckdb_s"] / figures["all_s"], 4)
    goal = {"everything/1000": 200.0, "2_duckdb/everything": 1.0}
    if 10_000 in sizes:
        bench.ratios["10_times_1000/10000"] = round(10 * figures["tick_1000_ms"] / figures["tick_10000_ms"], 2)
        goal["10_times_1000/10000"] = 1.0
    support.close("evaluation", figures, bench.ratios, goal)


def main() -> None:
    options = support.arguments(__doc__ or "")
    with support.stage() as url:
        asyncio.run(measure(url, quick=options.quick))


if __name__ == "__main__":
    main()
