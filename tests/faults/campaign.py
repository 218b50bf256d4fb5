"""One campaign: a script sent through a world under attack, and what is there afterwards against what was foretold."""

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx

from app.db.base import Database
from app.domain.ids import new_id
from app.services import keys, workspaces
from tests.faults import nemesis, script
from tests.faults.checker import Report, check
from tests.faults.nemesis import Plan
from tests.faults.oracle import foretell
from tests.faults.sender import Sender
from tests.faults.world import WORKERS, World

SEED = 20260301
MAIN = Plan(seconds=62, kills=60, flushes=10, valkey_restarts=2, postgres_crashes=2)
CONTROL = Plan(seconds=22, kills=24, flushes=4, valkey_restarts=1, postgres_crashes=1)
MANY_LETTERS = (2400, 800)  # events and accounts: what a letter's sender forgets shows only where there are letters
REST_SECONDS = 90.0
WEBHOOKS = {"all": [], "alerts": ["indicator.activated"]}
INDICATOR = {
    "name": "In use",
    "kind": "opportunity",
    "filter": {"field": "events", "op": "atLeast", "value": script.ACTIVE_FROM},
}

ELEMENTS = [
    {"name": name, "create": {"event": name, "where": {"property": "serial", "op": "isSet"}}}
    for name in ("thing 1", "thing 2", "thing 3")
]
"""What is stored is counted for each, as it has a filter."""

BUSY = """
select (select count(*) from inbox) + (select count(*) from dirty_accounts)
    + (select count(*) from jobs where state in ('ready', 'leased') and run_at < now() + interval '1 hour')
"""


@dataclass(slots=True)
class Outcome:
    """What was done to the service, and what came of it."""

    seed: int
    blows: Counter = field(default_factory=Counter)
    acknowledged: int = 0  # events
    repeated: int = 0  # messages sent again although acknowledged
    statuses: Counter = field(default_factory=Counter)
    slowest: float = 0.0  # seconds until a batch was acknowledged
    rest_seconds: float = 0.0  # from the last blow until nothing was left to do
    report: Report = field(default_factory=Report)
    sender_wrong: list = field(default_factory=list)

    @property
    def sentence(self):
        share = 100 * self.report.resent / max(self.report.letters, 1)
        return (
            f"{self.blows['kill']} kill -9, {self.blows['flush'] + self.blows['valkey']} Redis wipes, "
            f"{self.blows['postgres']} database crashes during {self.acknowledged:,} acknowledged events: "
            f"{self.report.count_lost} lost, {self.report.count_doubled} duplicated effects, "
            f"{share:.1f} % webhook re-sends with identical id"
        )


@contextlib.contextmanager
def place():
    """A folder for worlds; not pytest's own, whose paths are too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="steward-faults-", dir="/tmp") as folder:
        yield Path(folder)


def run(folder, plan, *, seed=SEED, events=5000, accounts=500, careless=None):
    """Run a campaign. `careless` removes one defence, and then something must be lost or doubled."""
    told = script.write(seed, events=events, accounts=accounts)
    outcome = Outcome(seed)
    with World(folder, seed=seed, careless=careless) as world, _telling(world):
        stage = asyncio.run(prepare(world))
        world.start("api", *WORKERS)
        asyncio.run(stage.configure(world))
        blows = nemesis.schedule(seed, plan)
        sender = Sender(world.api, stage, told, seconds=plan.seconds)
        sender.start()
        outcome.blows = nemesis.strike(world, blows, began=time.monotonic(), going=lambda: sender.trouble is None)
        sender.finish()
        ended = time.monotonic()
        asyncio.run(rest(world))
        outcome.rest_seconds = time.monotonic() - ended
        outcome.report = asyncio.run(stage.check(world, foretell(told.messages)))
        _note(outcome, sender, told)
        if careless is None and not outcome.report.faultless:
            print(world.last_words())
    return outcome


@contextlib.contextmanager
def _telling(world):
    """When the campaign itself breaks down, show what the processes said."""
    try:
        yield
    except BaseException:
        print(world.last_words())
        raise


def _note(outcome, sender, told):
    kinds = {name: message["type"] for name, message in told.messages.items()}
    outcome.acknowledged = sum(kinds[name] == "event" for name in sender.acknowledged)
    outcome.repeated = sender.repeated
    outcome.statuses = sender.statuses
    outcome.slowest = sender.slowest
    report = outcome.report
    report.complain("messages never acknowledged", kinds.keys() - sender.acknowledged)
    report.complain("messages refused", sender.refused)
    report.complain("messages accepted twice", sender.taken_twice)
    report.complain("errors other than 503", [code for code in sender.statuses if code not in (0, 200, 202, 503)])


@dataclass(slots=True)
class Stage:
    """The workspaces of a world, their keys, and the secrets of their webhooks by path."""

    ids: list
    keys: list
    inboxes: set = field(default_factory=set)  # the numbers of the workspaces whose key is in inbox mode
    secrets: dict = field(default_factory=dict)

    async def configure(self, world):
        """What an admin does on the first day: the traits map, an indicator, elements, two webhooks."""
        async with httpx.AsyncClient(base_url=world.api, trust_env=False, timeout=60) as client:
            for number, key in enumerate(self.keys):
                client.headers["authorization"] = f"Bearer {key}"
                await _ask(client, "PUT", "/api/v1/trait-map", {"owner": "ownerId"})
                await _ask(client, "POST", "/api/v1/indicators", INDICATOR)
                for element in ELEMENTS:
                    await _ask(client, "POST", "/api/v1/elements", element)
                for name, types in WEBHOOKS.items():
                    path = f"/{number}/{name}"
                    made = await _ask(client, "POST", "/api/v1/webhooks", {"url": world.hook + path, "types": types})
                    self.secrets[path] = made["secret"]

    async def check(self, world, foretold):
        return await check(world.postgres.url, foretold, workspaces=self.ids, secrets=self.secrets, log=world.log)


async def prepare(world, *, count=2):
    """Workspaces and keys, made as `steward keys create` makes them. Every second key is in inbox mode."""
    stage = Stage([], [])
    async with Database(world.postgres.url, pool=2, name="steward-faults") as database:
        for number in range(count):
            workspace = new_id()
            async with database.transaction(workspace) as db:
                await workspaces.create(db, workspace, slug=f"faults-{number}", name=f"Faults {number}")
                issued = await keys.create(
                    db,
                    workspace,
                    name="campaign",
                    scopes=("admin",),
                    environment="live",
                    now=datetime.now(UTC),
                )
                if number % 2:
                    await keys.change(db, workspace, issued.key.id, {"ingest_mode": "inbox"})
                    stage.inboxes.add(number)
            stage.ids.append(workspace)
            stage.keys.append(issued.text)
    return stage


async def _ask(client, method, path, body):
    response = await client.request(method, path, json=body)
    assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
    return response.json()


async def rest(world, seconds=REST_SECONDS):
    """Wait until nothing is left to do, seen twice in a row."""
    deadline, calm = time.monotonic() + seconds, 0
    connection = await asyncpg.connect(world.postgres.url.replace("postgresql+asyncpg", "postgresql"))
    try:
        while calm < 2:
            left = await connection.fetchval(BUSY)
            calm = calm + 1 if left == 0 else 0
            if time.monotonic() > deadline:
                raise TimeoutError(f"{left} things are still to be done after {seconds} s")
            await asyncio.sleep(0.25)
    finally:
        await connection.close()


def quicker(plan, factor):
    """A shorter run with the same density of blows."""
    shorter = {name: max(1, round(getattr(plan, name) * factor)) for name in ("kills", "flushes")}
    return replace(plan, seconds=plan.seconds * factor, **shorter)
