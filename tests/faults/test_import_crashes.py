"""A worker dies at every named point of an import, and every row is there once."""

import hashlib
import os
import subprocess
import sys

import pytest
from sqlalchemy import text

from tests.conftest import MASTER, ROOT
from tests.faults.launch import DIED

pytestmark = pytest.mark.faults

POINTS = ("import.read", "import.before_commit", "import.after_commit", "import.before_finish")
ROWS = 2_500  # three slices


def die_at(database_url, point):
    """Run a worker until it dies at the second passing of a point, or the first where there is only one."""
    times = 1 if point == "import.before_finish" else 2
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEWARD_")}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "STEWARD_DATABASE_URL": database_url,
        "STEWARD_SECRET_KEY": MASTER,
        "STEWARD_BELL": "none",
        "STEWARD_CRASH_AT": f"{point}:{times}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "work"], env=environment, timeout=60, check=False, capture_output=True
    )
    assert done.returncode == DIED, done.stderr.decode()[-3000:]


@pytest.mark.parametrize("point", POINTS)
async def test_a_death_in_an_import_loses_and_doubles_nothing(client, database, database_url, workspace, drain, point):
    lines = [f"Opened,ada-{n % 50},acme-{n % 20},2026-03-01T09:30:00Z,{n}" for n in range(ROWS)]
    data = "\n".join(["event,userId,accountId,timestamp,n", *lines]).encode()
    body = {"kind": "events", "sha256": hashlib.sha256(data).hexdigest()}
    made = (await client.post("/api/v1/imports", json=body)).json()["id"]
    await client.put(f"/api/v1/imports/{made}/parts/1", content=data)
    await client.post(f"/api/v1/imports/{made}/start")

    die_at(database_url, point)

    under_way = (await client.get(f"/api/v1/imports/{made}")).json()
    assert (under_way["state"], under_way["rowsRead"] % 1000 in {0, 500}) == ("running", True)
    async with database.transaction(workspace) as db:
        stored = await db.scalar(text("select count(*) from events"))
        assert stored == under_way["accepted"]  # what is counted is what is there, at any moment
        await db.execute(text("update jobs set lease_until = now() - interval '1 second' where state = 'leased'"))
    await drain()
    async with database.transaction(workspace) as db:  # who crashed waits a moment
        await db.execute(text("update jobs set run_at = now() where state = 'ready' and kind = 'import.run'"))
    await drain()

    done = (await client.get(f"/api/v1/imports/{made}")).json()
    assert (done["state"], done["rowsRead"], done["accepted"]) == ("done", ROWS, ROWS)
    async with database.transaction(workspace) as db:
        numbers = (await db.scalars(text("select (properties ->> 'n')::int from events"))).all()
        assert sorted(numbers) == list(range(ROWS))
        assert await db.scalar(text("select sum(events) from account_activity")) == ROWS
