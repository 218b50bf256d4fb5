"""How fast ingestion is, beside four things run in the same minutes on the same cores.

(a) COPY of as many rows straight into the same event table, four connections, 100 rows a transaction;
(b) the same COPY into both tables an event is stored in here: the event table and, in one transaction with it, the
    table of receipts that makes repeating harmless (elsewhere that is a unique index of the event table);
(c) the same HTTP server reading and judging the same bodies and storing nothing;
(d) the same endpoint written plainly with the ORM.

Everything is on: key check, limits, tenancy, row security, deduplication, traits, links, sessions, owner claims, dirty
marks. Three loads: batches of 100 messages (80 events, 15 users, 5 accounts) over 16 connections; batches of 100
events; one event per request over 64 connections. 15,000 active users of 300,000, 100,000 accounts, a million stored
events.
"""

import asyncio
import itertools
import random
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import orjson

from app.db.base import ROLE, Database, raw
from app.domain.ids import new_id
from benchmarks import support

BATCH = 100
CONNECTIONS = 16
COPIERS = 4
ACCOUNTS, USERS, ACTIVE = 100_000, 300_000, 15_000
STORED = 1_000_000  # events in the table before the clock runs
NAMES = ["Report Exported", "Logged In", "Invite Sent", "Dashboard Viewed", "Invoice Paid"]
SINGLES = 64  # connections that send one event per request
RECEIPTS = ["workspace_id", "message_hash", "body_hash", "received_at"]
COLUMNS = ["workspace_id", "occurred_at", "id", "account_id", "user_id", "name", "properties", "received_at"]


class Sender:
    """Endless batches of messages nobody has sent before; with `parts`, about one part of the accounts alone."""

    def __init__(self, seed: int, *, part: int = 0, parts: int = 1) -> None:
        self.random = random.Random(seed)
        self.counter = itertools.count()
        self.part, self.parts = part, parts

    def user(self) -> int:
        """One of the active users; users 100,000 apart share an account."""
        stride = USERS // ACTIVE
        busy = ACCOUNTS // stride
        within = self.random.randrange(busy // self.parts) * self.parts + self.part
        return self.random.randrange(ACTIVE // busy) * ACCOUNTS + within * stride

    def item(self, kind: str) -> dict[str, object]:
        user = self.user()
        account, at = user % ACCOUNTS, datetime.now(UTC) - timedelta(seconds=self.random.randrange(3600))
        base = {
            "type": kind,
            "messageId": f"{self.random.getrandbits(120):030x}-{next(self.counter)}",
            "timestamp": at.isoformat(),
        }
        if kind == "account":
            traits = {"name": f"Account {account}", "mrr": self.random.randrange(2000), "plan": "pro", "seats": 25}
            return base | {"accountId": f"account-{account}", "traits": traits | {"ownerId": f"user-{user}"}}
        if kind == "user":
            traits = {"email": f"user{user}@example.test", "name": f"User {user}", "role": "editor"}
            return base | {"userId": f"user-{user}", "accountId": f"account-{account}", "traits": traits}
        properties = {
            "path": "/reports/42",
            "format": "pdf",
            "pages": self.random.randrange(50),
            "ms": 12.5,
            "ok": True,
        }
        return base | {
            "userId": f"user-{user}",
            "accountId": f"account-{account}",
            "event": self.random.choice(NAMES),
            "properties": properties,
        }

    def body(self, size: int = BATCH, *, mixed: bool = True) -> bytes:
        kinds = ["user"] * (size * 15 // 100) + ["account"] * (size * 5 // 100) if mixed else []
        kinds += ["event"] * (size - len(kinds))
        self.random.shuffle(kinds)
        return orjson.dumps({"messages": [self.item(kind) for kind in kinds]})

    def requests(self, count: int, key: str, *, mixed: bool = True) -> list[bytes]:
        return [support.request("/api/v1/batch", key, self.body(mixed=mixed)) for _ in range(count)]

    def singles(self, count: int, key: str) -> list[bytes]:
        return [support.request("/api/v1/batch", key, self.body(1, mixed=False)) for _ in range(count)]


def rows(workspace_id: UUID, sender: Sender) -> list[tuple[object, ...]]:
    """One transaction's worth of rows for COPY."""
    made, now = [], datetime.now(UTC)
    for _ in range(BATCH):
        item = sender.item("event")
        made.append(
            (
                workspace_id,
                datetime.fromisoformat(str(item["timestamp"])),
                new_id(),
                uuid4(),
                uuid4(),
                item["event"],
                orjson.dumps(item["properties"]).decode(),
                now,
            )
        )
    return made


async def copy(database: Database, batches: list[list[tuple[object, ...]]], *, receipts: bool = False) -> float:
    """Seconds to COPY the batches over four connections, each batch its own transaction, as the tables' owner."""
    kept = [[(row[0], uuid4(), n, row[7]) for n, row in enumerate(batch)] if receipts else [] for batch in batches]
    feed = iter(list(zip(batches, kept, strict=True)))

    async def one() -> None:
        async with database.engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            for batch, taken in feed:
                if not taken:
                    await driver.copy_records_to_table("events", records=batch, columns=COLUMNS)
                    continue
                async with driver.transaction():
                    await driver.copy_records_to_table("events", records=batch, columns=COLUMNS)
                    await driver.copy_records_to_table("message_receipts", records=taken, columns=RECEIPTS)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(COPIERS)))
    return time.perf_counter() - began


async def orm(port: int, senders: list[Sender], batches: int, key: str) -> float:
    """Messages a second of the plain endpoint; each connection keeps to its own accounts, as it deadlocks otherwise."""
    loads = [support.post_all(port, sender.requests(batches // len(senders), key), connections=1) for sender in senders]
    began = time.perf_counter()
    done = await asyncio.gather(*loads)
    seconds = time.perf_counter() - began
    sent = sum(sum(load.statuses.values()) for load in done)
    assert {status for load in done for status in load.statuses} == {200}
    return sent * BATCH / seconds


async def seed(url: str, workspace_id: UUID) -> None:
    """Accounts and users that are known before the clock runs, and the owner trait mapped."""
    now = datetime.now(UTC)
    async with Database(url, pool=2, statement_seconds=300) as database, database.transaction(workspace_id) as db:
        driver = await raw(db)
        await driver.execute(f"set local role {ROLE}")
        await driver.execute(
            "insert into trait_mappings (workspace_id, field, trait_keys) values ($1, 'owner', '{ownerId}')",
            workspace_id,
        )
        for table, count, prefix in (("accounts", ACCOUNTS, "account"), ("users", USERS, "user")):
            await driver.execute(
                f"insert into {table} (workspace_id, id, external_id, created_at, updated_at) "
                f"select $1, gen_random_uuid(), '{prefix}-' || n, $2, $2 from generate_series(0, $3::int - 1) n",
                workspace_id,
                now,
                count,
            )
        await driver.execute(
            "insert into account_facts (workspace_id, account_id) select workspace_id, id from accounts"
        )
        await driver.execute(
            "insert into events (workspace_id, occurred_at, id, account_id, user_id, name, properties, received_at) "
            "select $1, $2::timestamptz - random() * interval '30 days', gen_random_uuid(), gen_random_uuid(), "
            "gen_random_uuid(), 'Seeded', '{\"pages\": 7}', $2 from generate_series(1, $3::int)",
            workspace_id,
            now,
            STORED,
        )
    async with Database(url, pool=2, statement_seconds=300) as database, database.engine.connect() as connection:
        plain = (await connection.get_raw_connection()).driver_connection
        assert plain is not None
        await plain.execute("vacuum (analyze)")
        await plain.execute("checkpoint")


async def measure(url: str, *, quick: bool) -> None:
    rounds, batches, plain_batches = (3, 200, 12) if quick else (5, 500, 40)
    workspace_id, key = await support.workspace_and_key(url)
    await seed(url, workspace_id)
    sender = Sender(7)
    apart = [Sender(part, part=part, parts=COPIERS) for part in range(COPIERS)]
    rates: dict[str, list[float]] = defaultdict(list)
    p99: dict[str, list[float]] = defaultdict(list)
    with (
        support.served("steward", url, STEWARD_REQUESTS_PER_MINUTE="1000000") as real,
        support.served("benchmarks.rivals:nothing", url) as nothing,
        support.served("benchmarks.rivals:plainly", url) as plain,
    ):

        async def load(name: str, port: int, requests: list[bytes], messages: int, connections: int) -> None:
            done = await support.post_all(port, requests, connections=connections)
            assert set(done.statuses) <= {200, 202}, done.statuses
            rates[name].append(len(requests) * messages / done.seconds)
            p99[name].append(done.quantile(0.99) * 1000)

        async with Database(url, pool=COPIERS) as database:
            await support.post_all(real, sender.requests(300, key), connections=CONNECTIONS)  # warm
            for _ in range(rounds):
                await load("mixed", real, sender.requests(batches, key), BATCH, CONNECTIONS)
                await load("events", real, sender.requests(batches, key, mixed=False), BATCH, CONNECTIONS)
                await load("singles", real, sender.singles(batches * 10, key), 1, SINGLES)
                for name, receipts in (("copy", False), ("copy_both", True)):
                    copies = [rows(workspace_id, sender) for _ in range(batches)]
                    rates[name].append(batches * BATCH / await copy(database, copies, receipts=receipts))
                await load("nothing", nothing, sender.requests(batches, key), BATCH, CONNECTIONS)
                rates["orm"].append(await orm(plain, apart, plain_batches, str(workspace_id)))
    report(rates, p99)


GOALS = {"mixed/copy": 0.50, "mixed/orm": 8.0}


def report(rates: dict[str, list[float]], p99: dict[str, list[float]]) -> None:
    figures = {f"{name}_per_second": round(support.median(values)) for name, values in rates.items()}
    figures |= {f"{name}_p99_ms": support.median(p99[name]) for name in ("mixed", "events", "singles")}

    def ratio(of: str, over: str) -> float:
        return support.median([a / b for a, b in zip(rates[of], rates[over], strict=True)])

    pairs = [(of, over) for of in ("mixed", "events", "singles") for over in ("copy", "copy_both")]
    pairs += [("mixed", "nothing"), ("mixed", "orm")]
    ratios = {f"{of}/{over}": ratio(of, over) for of, over in pairs}
    for name, values in rates.items():
        print(f"{name:>10}: {round(support.median(values)):>8,} a second   (rounds: {[round(v) for v in values]})")
    for name, value in ratios.items():
        print(f"{name:>18}: {value}")
    support.close("ingest", figures, ratios, GOALS)


def main() -> None:
    options = support.arguments(__doc__ or "")
    with support.stage() as url:
        asyncio.run(measure(url, quick=options.quick))


if __name__ == "__main__":
    main()
