"""Thirty report pages at a million accounts and three million users, from the columns, beside the best SQL by hand on
jsonb with every index, beside PostgreSQL through our own statements (the columns switched off), and at ten thousand.

Goals: p99 of at most 50 ms (M6), at most a twentieth of the hand-written SQL's; deep pages cost at most twice a first
page (M7). Every page from the columns is compared with the one by hand.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from app.api.tending import Keeper
from app.db.base import Database
from app.domain.fields import Subject
from app.domain.ids import new_id, show
from app.domain.reports import Asked, Report, prepare
from app.services import reports, workspaces
from app.settings import Settings
from benchmarks import report_seeds, support
from benchmarks.report_pages import COUNTS, NOW, PAGES, Ask, count_sql, page_sql

LARGE, SMALL, QUICK = 1_000_000, 10_000, 30_000
LIMIT = 50
CHANGED = 100


@dataclass
class Case:
    """A page to be timed: the report, where it begins, the SQL, and what came out."""

    name: str
    deep: bool
    report: Report
    after: list[Any] | None
    sql: str
    count: bool = False
    times: dict[str, list[float]] = field(default_factory=dict)

    async def ours(self, db: Any, workspace_id: UUID, columns: Any) -> list[str] | int:
        if self.count:
            found = await reports.count(db, workspace_id, self.report, now=NOW, columns=columns)
            return found.number
        places, _ = await reports.places(
            db, workspace_id, self.report, after=self.after, now=NOW, limit=LIMIT, columns=columns
        )
        return [row["id"] for row in await reports.rows(db, workspace_id, self.report, places)]


@dataclass
class Bench:
    database: Database
    driver: Any
    workspace_id: UUID
    accounts: int
    keeper: Keeper
    cases: list[Case] = field(default_factory=list)

    async def ours(self, case: Case, columns: Any) -> list[str] | int:
        async with self.database.transaction(self.workspace_id) as db:
            return await case.ours(db, self.workspace_id, columns)

    async def by_hand(self, case: Case) -> list[str] | int:
        rows = await self.driver.fetch(case.sql, self.workspace_id)
        return rows[0][0] if case.count else [show("acc", row[0]) for row in rows]

    async def loaded(self) -> float:
        """Ask until the columns answer everything; how long that took."""
        began = time.monotonic()
        while True:
            answered = [await self.answers(case) for case in self.cases]
            if all(answered):
                return time.monotonic() - began
            await asyncio.sleep(0.5)

    async def answers(self, case: Case) -> bool:
        engine = self.keeper.replicas
        async with self.database.transaction(self.workspace_id) as db:
            found = await engine.page(db, self.workspace_id, case.report, after=None, now=NOW, limit=1)
        return found is not None


def understood(ask: Ask) -> Report:
    member = orjson.dumps(_ids(ask.filter))
    asked = Asked(None, orjson.loads(member), [key.json for key in ask.sort])
    return prepare(asked, Subject.ACCOUNTS, me=None, visible=None)


def _ids(source: Any) -> Any:
    """The filter with wire ids for its placeholders."""
    if isinstance(source, dict):
        return {key: _ids(value) for key, value in source.items()}
    if isinstance(source, list):
        return [_ids(one) for one in source]
    return (
        {"MEMBER_7": IDS.get("member"), "SEGMENT": IDS.get("segment")}.get(source, source)
        if isinstance(source, str)
        else source
    )


IDS: dict[str, str] = {}


async def cases(bench: Bench) -> list[Case]:
    """First pages, the same pages deep inside (at half of what there is), and counts."""
    made = []
    for ask in PAGES:
        report = understood(ask)
        made.append(Case(ask.name, False, report, None, page_sql(ask, None)))
        known = " and ".join(f"{key.sql} is not null" for key in ask.sort)
        where = f"f.workspace_id = $1 and {ask.where} and {known}"
        values = ", ".join(f"({key.sql})::text" for key in ask.sort)
        way = " desc" if ask.sort[0].descending else ""
        order = ", ".join(f"{key.sql}{' desc nulls last' if key.descending else ''}" for key in ask.sort)
        total = await bench.driver.fetchval(f"select count(*) from {_from()} where {where}", bench.workspace_id)
        row = await bench.driver.fetchrow(
            f"select {values}, f.account_id from {_from()} where {where} order by {order}, f.account_id{way} "
            f"offset {total // 2} limit 1",
            bench.workspace_id,
        )
        assert row is not None, ask.name
        *keys, id_ = row
        kinds = await bench.driver.fetchrow(
            f"select {', '.join(f'pg_typeof({key.sql})::text' for key in ask.sort)} from {_from()} limit 1"
        )
        literals = [f"'{value}'::{kind}" for value, kind in zip(keys, kinds, strict=True)]
        sql = page_sql(ask, [*literals, f"'{id_}'::uuid"])
        made.append(Case(f"{ask.name} (deep)", True, report, [NOW, *keys, id_], sql))
    return [*made, *(Case(ask.name, False, understood(ask), None, count_sql(ask), count=True) for ask in COUNTS)]


def _from() -> str:
    from benchmarks.report_pages import FROM

    return FROM


async def clock(times: dict[str, list[float]], name: str, work: Any) -> Any:
    began = time.perf_counter()
    found = await work
    times.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    return found


async def rounds(bench: Bench, number: int, *, control: int) -> None:
    """Every page from the columns, by hand and with the columns off, one after another, so many times."""
    for turn in range(number):
        random.Random(turn).shuffle(bench.cases)
        for case in bench.cases:
            ours = await clock(case.times, "columns", bench.ours(case, bench.keeper.replicas))
            if turn < control:
                theirs = await clock(case.times, "by hand", bench.by_hand(case))
                off = await clock(case.times, "columns off", bench.ours(case, None))
                same = ours == theirs if case.count else ours[: len(theirs)] == theirs
                assert same, (case.name, ours, theirs)
                assert ours == off or case.count, (case.name, ours, off)


async def while_changing(bench: Bench, turns: int) -> list[float]:
    """The pages again, each after a hundred accounts were evaluated."""
    times: list[float] = []
    for turn in range(turns):
        for case in bench.cases:
            first = random.Random(f"{turn}{case.name}").randrange(bench.accounts - CHANGED)
            await bench.driver.execute(CHANGE, bench.workspace_id, first, first + CHANGED - 1)
            began = time.perf_counter()
            await bench.ours(case, bench.keeper.replicas)
            times.append((time.perf_counter() - began) * 1000)
    return times


CHANGE = f"""
with changed as (
    update account_facts set owner_sessions = owner_sessions + 1
    where workspace_id = $1 and account_id = any(array(
        select bench_id({report_seeds.ACCOUNT}, n * 7919 % 10000) from generate_series($2::bigint, $3::bigint) n))
    returning account_id
)
insert into account_changes (workspace_id, account_id) select $1, account_id from changed
"""


def quantile(values: list[float], q: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(q * len(values)))], 2)


def gathered(bench: Bench, name: str, keep: Any = bool) -> list[float]:
    return [ms for case in bench.cases if keep(case) for ms in case.times.get(name, [])]


async def prepared(database: Database, driver: Any, keeper: Keeper, accounts: int) -> Bench:
    workspace_id = new_id()
    async with database.transaction(workspace_id) as db:
        await workspaces.create(db, workspace_id, slug=f"b-{workspace_id.hex}", name="Benchmark")
    began = time.monotonic()
    await report_seeds.seed(driver, workspace_id, accounts, NOW)
    print(f"{accounts:>10,} accounts and {accounts * 3:,} users made in {time.monotonic() - began:.0f} s")
    return Bench(database, driver, workspace_id, accounts, keeper)


async def measure(url: str, *, quick: bool) -> None:
    sizes, turns, control = ((SMALL, QUICK), 4, 2) if quick else ((SMALL, LARGE), 10, 2)
    settings = Settings(database_url=url, secret_key=support.SECRET)
    async with Database(url, pool=8, statement_seconds=60) as database, database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute("set plan_cache_mode = force_custom_plan; set statement_timeout = '600s'")
        await driver.execute(report_seeds.IDS)
        IDS["member"] = show("mem", await driver.fetchval(f"select bench_id({report_seeds.MEMBER}, 7)"))
        IDS["segment"] = show("seg", await driver.fetchval(f"select bench_id({report_seeds.MEMBER}, 2000)"))
        keeper = Keeper(database, settings)
        keeper.start()
        benches = [await prepared(database, driver, keeper, size) for size in sizes]
        began = time.monotonic()
        await report_seeds.index(driver)
        print(f"every index made in {time.monotonic() - began:.0f} s")
        figures: dict[str, float] = {}
        ratios: dict[str, float] = {}
        for bench in benches:
            bench.cases = await cases(bench)
            seconds = await bench.loaded()
            size = f"{bench.accounts // 1000}k"
            memory = keeper.replicas.copies[bench.workspace_id].store.memory() / 1e6
            print(f"{size}: columns read in {seconds:.0f} s, {memory:.0f} MB")
            figures |= {f"{size}_load_s": round(seconds, 1), f"{size}_mb": round(memory, 1)}
            await rounds(bench, turns, control=control)
            changing = await while_changing(bench, 2)
            report(bench, size, figures, ratios)
            figures |= {
                f"{size}_changing_p50": quantile(changing, 0.5),
                f"{size}_changing_p99": quantile(changing, 0.99),
            }
            p50, p99 = quantile(changing, 0.5), quantile(changing, 0.99)
            print(f"   each after {CHANGED} changed accounts: p50 {p50}, p99 {p99}")
        await keeper.close()
    size = f"{sizes[-1] // 1000}k"
    ratios["50ms/p99"] = round(50 / figures[f"{size}_columns_p99"], 2)
    ratios["hand/columns_p99"] = ratios[f"{size}_hand/columns_p99"]
    ratios["twice_first/deep"] = round(2 * figures[f"{size}_first_p50"] / figures[f"{size}_deep_p50"], 2)
    goal = {"50ms/p99": 1.0, "hand/columns_p99": 20.0, "twice_first/deep": 1.0}
    support.close("reports", figures, ratios, goal)


def report(bench: Bench, size: str, figures: dict[str, float], ratios: dict[str, float]) -> None:
    """Print what was measured at one size, and note it."""
    print(f"\n{size}, ms: {'':42} columns p50 / p99       by hand p50 / p99   columns off p50 / p99")
    for case in sorted(bench.cases, key=lambda one: one.name):
        told = "   ".join(f"{quantile(ms, 0.5):>9} /{quantile(ms, 0.99):>9}" for ms in case.times.values())
        print(f"   {case.name:58} {told}")
    for name in ("columns", "by hand", "columns off"):
        all_ = gathered(bench, name)
        key = f"{size}_{name.replace(' ', '_')}"
        figures |= {f"{key}_p50": quantile(all_, 0.5), f"{key}_p99": quantile(all_, 0.99)}
        print(f"   {name:58} p50 {quantile(all_, 0.5):>9}   p99 {quantile(all_, 0.99):>9}   max {max(all_):.0f}")
    first = gathered(bench, "columns", lambda case: not case.deep and not case.count)
    deep = gathered(bench, "columns", lambda case: case.deep)
    figures |= {f"{size}_first_p50": quantile(first, 0.5), f"{size}_deep_p50": quantile(deep, 0.5)}
    for q in ("p50", "p99"):
        ratios[f"{size}_hand/columns_{q}"] = round(figures[f"{size}_by_hand_{q}"] / figures[f"{size}_columns_{q}"], 2)
        ratios[f"{size}_off/columns_{q}"] = round(
            figures[f"{size}_columns_off_{q}"] / figures[f"{size}_columns_{q}"], 2
        )


def main() -> None:
    options = support.arguments(__doc__ or "")
    with support.stage() as url:
        asyncio.run(measure(url, quick=options.quick))


if __name__ == "__main__":
    main()
