"""The worker as a process: it ends in good order when asked to, and killed anywhere it loses and doubles nothing."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.db.base import Database
from app.domain.deliveries import TEST
from app.domain.ids import new_id
from app.domain.letters import example
from app.domain.secrets import keyring
from app.outbound.addresses import Allow
from app.services import deliveries, webhooks
from app.services.webhooks import NewWebhook
from app.workers.pump import pump_once, sweep
from tests.conftest import migrate
from tests.receivers import Receiver

ROOT = Path(__file__).parents[2]
WORK = "from app.settings import Settings; from app.workers.main import run; run(Settings())"
CRASHED = 86


async def make_database(url, name):
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(f"create database {name}")
    await connection.close()


@pytest.fixture(scope="module")
def settings(settings):
    """A database of our own: a worker process works for everyone it finds, and may die over anything."""
    name = f"worker_{new_id().hex}"
    asyncio.run(make_database(settings.database_url, name))
    url = make_url(settings.database_url).set(database=name).render_as_string(hide_password=False)
    migrate(url)
    return settings.model_copy(update={"database_url": url})


@pytest.fixture(scope="module")
async def database(settings):
    async with Database(settings.database_url, pool=2, name="steward-tests") as database:
        yield database


@pytest.fixture
async def receiver():
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def worker(settings):
    """Starts worker processes; whatever still runs in the end is killed."""
    started = []

    async def start(crash_at=""):
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("STEWARD_")},
            "PYTHONPATH": str(ROOT),
            "STEWARD_DATABASE_URL": settings.database_url,
            "STEWARD_SECRET_KEY": settings.secret_key.get_secret_value(),
            "STEWARD_BELL": "none",
            "STEWARD_OUTBOUND_ALLOW": '["127.0.0.1"]',
            "STEWARD_CRASH_AT": crash_at,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORK, env=environment, stderr=asyncio.subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def sql(database, workspace):
    async def run(statement):
        async with database.transaction(workspace) as db:
            return await db.scalar(text(statement))

    return run


@pytest.fixture
async def letter(database, workspace, settings, receiver, now):
    """A letter that waits to be sent."""
    keys = keyring(settings.secret_key.get_secret_value())
    event_id = new_id()
    async with database.transaction(workspace) as db:
        endpoint, _ = await webhooks.create(
            db, workspace, NewWebhook(receiver.url), keys=keys, allow=Allow.of(["127.0.0.1"]), now=now
        )
        one = webhooks.deliveries.Letter(new_id(), endpoint["id"], event_id, TEST, example(TEST, event_id=event_id))
        await deliveries.post(db, workspace, [one], now=now)
    return one


async def test_a_worker_that_is_asked_to_stop_finishes_what_it_does(worker, letter, receiver, sql):
    receiver.answer(200, delay=1.0)
    process = await worker()
    await receiver.wait_for(1, within=20)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        assert await process.wait() == 0
    assert await sql("select state from deliveries") == "delivered"
    assert await sql("select state || attempt || crashes from jobs") == "done10"
    log = (await process.stderr.read()).decode()
    assert '"event": "worker stopped"' in log
    assert receiver.url not in log


@pytest.mark.parametrize(
    ("point", "sent"),
    [
        ("job.after_claim", 1),
        ("deliver.before_send", 1),
        ("deliver.after_reply", 2),
        ("deliver.before_commit", 2),
        ("deliver.after_commit", 1),
    ],
)
async def test_killed_at_any_point_a_letter_is_neither_lost_nor_changed(
    worker, letter, receiver, sql, runtime, workspace, point, sent
):
    """After the send it goes out again, with the same id and bytes; before and after that, once."""
    first = await worker(point)
    async with asyncio.timeout(20):
        assert await first.wait() == CRASHED
    await sql("update jobs set lease_until = now() - interval '1 second' where state = 'leased' returning 1")
    await sweep(runtime, only_workspace=workspace)
    await sql("update jobs set run_at = now() where state = 'ready' returning 1")
    await pump_once(runtime, only_workspace=workspace)
    assert await sql("select state from jobs") == "done"
    assert await sql("select state from deliveries") == "delivered"
    assert await sql("select count(*) from delivery_attempts") == 1
    assert len(receiver.requests) == sent
    assert {(one.headers["webhook-id"], one.body) for one in receiver.requests} == {
        (f"evt_{letter.event_id.hex}", letter.body)
    }
