"""The stage for every test: a real PostgreSQL and Valkey of this process, a fresh workspace, a client with its key.

Commits are real. What keeps tests apart is what keeps customers apart: each test has a workspace of its own.
"""

import asyncio
import os
import shutil
import tempfile
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import settings as budget

from app import embedded
from app.db.base import Database
from app.domain import ids
from app.domain.ids import new_id
from app.domain.team import MemberRole
from app.main import create_app
from app.outbound.addresses import Allow
from app.outbound.http import Client
from app.services import keys, members, sessions, workspaces
from app.settings import Settings
from app.workers.pump import pump_once
from app.workers.runtime import Runtime

ROOT = Path(__file__).parents[1]
MASTER = "a master key for tests, 0123456789 abcdef"
EXAMPLES_SHARE = float(os.environ.get("EXAMPLES_SHARE", "0.25"))
FEWEST_EXAMPLES = 10
ALL_SCOPES = ("ingest", "read", "admin")


def pytest_collection_modifyitems(items):
    """Property tests say how many examples are thorough; every day a share of them is tried, each day others."""
    tests = {getattr(item.obj, "__func__", item.obj) for item in items if hasattr(item, "obj")}
    for test in tests:
        thorough = getattr(test, "_hypothesis_internal_use_settings", None)
        if thorough is not None:
            some = max(FEWEST_EXAMPLES, int(thorough.max_examples * EXAMPLES_SHARE))
            fewer = budget(thorough, max_examples=min(some, thorough.max_examples))
            test._hypothesis_internal_use_settings = fewer if EXAMPLES_SHARE < 1 else thorough


def migrate(url, revision="head"):
    """Bring a database to a revision."""
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    command.upgrade(config, revision)


@pytest.fixture(scope="session")
def folder():
    """A folder outside pytest's own, whose paths are too long for sockets."""
    path = Path(tempfile.mkdtemp(prefix="stw-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def database_url(folder):
    """A migrated database of this process."""
    with embedded.postgres(folder, fast=True) as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def redis_url(folder):
    """A Valkey of this process."""
    with embedded.valkey(folder) as url:
        yield url


@pytest.fixture(scope="session")
def settings(database_url):
    """Settings as a deployment without a bell would have them: the pump alone must suffice."""
    return Settings(
        database_url=database_url,
        secret_key=MASTER,
        bell="none",
        outbound_allow=("127.0.0.1", "localhost"),
        environment="test",
    )


@pytest.fixture(scope="session")
async def database(settings):
    """The connections of tests that look behind the API."""
    async with Database(settings.database_url, pool=8, name="steward-tests") as database:
        yield database


class Clock:
    """The present, until a test sets it."""

    def __init__(self):
        self.at = None

    def __call__(self):
        return self.at or datetime.now(UTC)


CLOCK = Clock()  # of the one application all tests share


@pytest.fixture
def clock():
    yield CLOCK
    CLOCK.at = None


@pytest.fixture
def now(clock):
    return clock()


async def open_workspace(database, *, name="Test"):
    """A workspace nobody else uses."""
    workspace_id = new_id()
    async with database.transaction(workspace_id) as db:
        await workspaces.create(db, workspace_id, slug=f"t-{workspace_id.hex}", name=name)
    return workspace_id


@pytest.fixture
async def workspace(database):
    return await open_workspace(database)


@pytest.fixture
async def other_workspace(database):
    return await open_workspace(database)


@asynccontextmanager
async def running(app):
    """httpx does not run the lifespan, so it is entered here."""
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def app(settings):
    async with running(create_app(settings, now=CLOCK)) as app:
        yield app


@pytest.fixture
async def make_key(database):
    """Makes a key: `await make_key(workspace, "read")` -> its text."""

    async def make(workspace_id, *scopes):
        async with database.transaction(workspace_id) as db:
            issued = await keys.create(
                db,
                workspace_id,
                name="test",
                scopes=scopes or ALL_SCOPES,
                environment="test",
                now=datetime.now(UTC),
            )
        return issued.text

    return make


@pytest.fixture
async def make_client(app, make_key):
    """Makes a client: `await make_client(workspace, "read")`; without scopes it has all of them."""
    clients = []

    async def make(workspace_id, *scopes):
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://steward.test",
            headers={"authorization": f"Bearer {await make_key(workspace_id, *scopes)}"},
        )
        clients.append(client)
        return client

    yield make
    await asyncio.gather(*(client.aclose() for client in clients))


@pytest.fixture
async def as_member(app, database, workspace):
    """Makes a client signed in as a new member: `await as_member("leader")`; its `member` says who that is."""
    clients = []

    async def make(role="team_member", workspace_id=workspace, email=None):
        now = datetime.now(UTC)
        lasts = sessions.Lifetime(timedelta(days=30), timedelta(days=7))
        email = email or f"{role}-{new_id().hex}@staff.test"
        async with database.transaction(workspace_id) as db:
            made = await members.add(db, workspace_id, email=email, name=role, role=MemberRole(role), now=now)
            opened = await sessions.open_for(
                db, workspace_id, made["id"], verified=None, client="tests", lasts=lasts, now=now
            )
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://steward.test",
            headers={"authorization": f"Bearer {opened.text}"},
        )
        client.member = ids.show("mem", made["id"])
        clients.append(client)
        return client

    yield make
    await asyncio.gather(*(client.aclose() for client in clients))


@pytest.fixture
async def client(make_client, workspace):
    """Speaks to the API with a key of this test's workspace that may do everything."""
    return await make_client(workspace)


@pytest.fixture
async def runtime(database, settings, clock):
    """What a worker process has."""
    async with Client(Allow.of(settings.outbound_allow)) as outbound:
        yield Runtime(database=database, outbound=outbound, settings=settings, now=clock)


@pytest.fixture
def drain(runtime, workspace):
    """Does all work that is due in this test's workspace."""

    async def run(workspace_id=workspace):
        while await pump_once(runtime, only_workspace=workspace_id):
            pass

    return run
