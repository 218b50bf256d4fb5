"""What ingestion costs as the tables grow: from ten thousand to ten million stored events, receipts included.

The figure is the processor time of the web process and PostgreSQL per message, which is steadier than a rate; the goal
is that it stays within 20 % of what it was at ten thousand.
"""

import asyncio
from datetime import UTC, datetime

from app.db.base import Database
from benchmarks import ingest, support

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
FILL = """
with told as (
    insert into message_receipts (workspace_id, message_hash, body_hash, received_at)
    select $1, gen_random_uuid(), n, $2 from generate_series(1, $3::int) n
)
insert into events (workspace_id, occurred_at, id, account_id, user_id, name, properties, received_at)
select $1, $2::timestamptz - random() * interval '30 days', gen_random_uuid(), gen_random_uuid(),
    gen_random_uuid(), 'Seeded', '{"pages": 7, "format": "pdf"}', $2
from generate_series(1, $3::int)
"""
SLICE = 500_000


async def fill(url: str, workspace_id: object, more: int) -> None:
    """So many more stored events, each with its receipt."""
    async with Database(url, pool=2, statement_seconds=600) as database, database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        for start in range(0, more, SLICE):
            async with driver.transaction():
                await driver.execute("select set_config('steward.workspace', $1, true)", str(workspace_id))
                await driver.execute(FILL, workspace_id, datetime.now(UTC), min(SLICE, more - start), timeout=600)
        await driver.execute("vacuum (analyze) events, message_receipts", timeout=600)
        await driver.execute("checkpoint", timeout=600)


async def measure(url: str, *, quick: bool) -> None:
    sizes, batches, rounds = (SIZES[:2], 150, 3) if quick else (SIZES, 400, 5)
    ingest.STORED = 0
    workspace_id, key = await support.workspace_and_key(url)
    await ingest.seed(url, workspace_id)
    sender, stored = ingest.Sender(11), 0
    figures: dict[str, float] = {}
    with support.served("steward", url, STEWARD_REQUESTS_PER_MINUTE="1000000") as port:
        await support.post_all(port, sender.requests(600, key), connections=ingest.CONNECTIONS)  # warm
        for size in sizes:
            await fill(url, workspace_id, size - stored)
            stored = size
            costs, rates = [], []
            for _ in range(rounds):
                requests = sender.requests(batches, key)
                before = support.children_cpu()
                done = await support.post_all(port, requests, connections=ingest.CONNECTIONS)
                assert set(done.statuses) == {202}, done.statuses
                costs.append((support.children_cpu() - before) / (batches * ingest.BATCH) * 1e6)
                rates.append(batches * ingest.BATCH / done.seconds)
            figures[f"us_at_{size}"], figures[f"per_second_at_{size}"] = support.median(costs), support.median(rates)
            print(
                f"{size:>12,} stored: {support.median(costs):>6} us a message, {support.median(rates):>9,.0f} a second"
            )
    flatness = round(figures[f"us_at_{sizes[0]}"] / figures[f"us_at_{sizes[-1]}"], 3)
    support.close("growth", figures, {"first/last": flatness}, {"first/last": 0.83})


def main() -> None:
    options = support.arguments(__doc__ or "")
    with support.stage() as url:
        asyncio.run(measure(url, quick=options.quick))


if __name__ == "__main__":
    main()
