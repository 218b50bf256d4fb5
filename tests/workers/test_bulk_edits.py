"""Bulk edits go on where they were: after a killed worker, beside a second one, past a record that cannot be stored."""

import asyncio
import os
import subprocess
import sys
from unittest.mock import Mock

import pytest
from sqlalchemy import text

from app.domain import ids
from app.domain.jobs import ForgetBulkEdit, Lease, RunBulkEdit
from app.services.bulk_actions import AssignKeyRole
from app.workers import bulk_edits
from tests.conftest import MASTER, ROOT

ACCOUNTS = 1_200
PEOPLE = ("dana", "eli", "fay")


def _id(edit):
    return ids.read("bed", edit)


@pytest.fixture
def sql(database, workspace):
    async def run(statement, **values):
        async with database.transaction(workspace) as db:
            found = await db.execute(text(statement), {"w": workspace, **values})
            return found.all() if found.returns_rows else []

    return run


@pytest.fixture
async def office(client, sql):
    """Many accounts and three people."""
    for name in PEOPLE:
        await client.post("/api/v1/members", json={"email": f"{name}@example.com", "name": name})
    await sql(
        "insert into accounts (workspace_id, id, external_id)"
        " select :w, gen_random_uuid(), 'a' || n from generate_series(1, :n) n",
        n=ACCOUNTS,
    )
    await sql("insert into account_facts (workspace_id, account_id) select workspace_id, id from accounts")
    await sql("analyze accounts")


@pytest.fixture
def begin(client):
    async def run(**action):
        default = {"candidates": [f"{name}@example.com" for name in PEOPLE], "algorithm": "roundRobin"}
        body = {
            "subject": "accounts",
            "filter": {"all": []},
            "action": {"type": "assignKeyRole", "role": "csm", **(action or default)},
        }
        answer = await client.post("/api/v1/bulk-edits", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    return run


@pytest.fixture
def state(client):
    async def show(edit):
        return (await client.get(f"/api/v1/bulk-edits/{edit}")).json()

    return show


async def hasten(sql):
    """What a dead worker held is free at once, and who crashed waits no longer."""
    await sql("update jobs set lease_until = now() - interval '1 second' where state = 'leased'")
    await sql("update jobs set run_at = now() where state = 'ready' and kind = 'bulk_edit.run'")


async def check_all_done_once(state, sql, edit):
    found = await state(edit)
    assert {name: found[name] for name in ("state", "done", "changed", "failed")} == {
        "state": "done",
        "done": ACCOUNTS,
        "changed": ACCOUNTS,
        "failed": 0,
    }
    assert (await sql("select count(*), count(distinct account_id) from key_role_changes"))[0] == (ACCOUNTS, ACCOUNTS)
    shares = await sql("select count(*) from key_roles group by member_id")
    assert [share for (share,) in shares] == [ACCOUNTS // len(PEOPLE)] * len(PEOPLE)
    assert (await sql("select count(*) from bulk_edit_rows where outcome = 'changed'"))[0][0] == ACCOUNTS


@pytest.mark.usefixtures("office")
async def test_a_killed_worker_loses_and_doubles_nothing(database, database_url, workspace, begin, state, sql, drain):
    edit = await begin()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEWARD_")}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "STEWARD_DATABASE_URL": database_url,
        "STEWARD_SECRET_KEY": MASTER,
        "STEWARD_BELL": "none",
    }
    query = "select record_id from bulk_edit_rows where bulk_edit_id = :edit and position = 600"
    held = (await sql(query, edit=_id(edit)))[0][0]
    async with database.transaction(workspace) as db:  # the third slice waits for this account
        await db.execute(text("select from account_facts where account_id = :id for update"), {"id": held})
        with subprocess.Popen(
            [sys.executable, "-m", "app.cli", "work"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as worker:
            async with asyncio.timeout(90):
                while (await state(edit))["done"] < 500:
                    await db.execute(text("select 1"))  # the server ends transactions in which nothing happens
                    await asyncio.sleep(0.05)
            worker.kill()
    under_way = await state(edit)
    counted = (await sql("select count(*) from key_role_changes"))[0][0]

    assert under_way["state"] == "running"
    assert under_way["done"] == 500
    assert counted == under_way["changed"] == under_way["done"]  # at any moment, what is counted is what is there
    for _ in range(3):
        await hasten(sql)
        await drain()
    await check_all_done_once(state, sql, edit)


@pytest.mark.usefixtures("office")
async def test_two_workers_on_one_edit_do_each_record_once(runtime, workspace, begin, state, sql):
    edit = await begin()
    stretches = [bulk_edits._Stretch(runtime, workspace, _id(edit)) for _ in range(3)]

    await asyncio.gather(*(stretch.go() for stretch in stretches))

    await check_all_done_once(state, sql, edit)


@pytest.mark.usefixtures("office")
async def test_a_record_that_cannot_be_stored_is_left_out_alone(begin, state, sql, drain, monkeypatch, client):
    poison = (await sql("select id from accounts order by id offset 700 limit 1"))[0][0]
    apply = AssignKeyRole.apply

    async def explode(self, db, workspace_id, edit, records, editor):
        if poison in records:
            raise ValueError("poison")
        return await apply(self, db, workspace_id, edit, records, editor)

    monkeypatch.setattr(AssignKeyRole, "apply", explode)
    edit = await begin(member="dana@example.com")
    await drain()

    found = await state(edit)
    assert (found["state"], found["changed"], found["failed"]) == ("done", ACCOUNTS - 1, 1)
    (row,) = (await client.get(f"/api/v1/bulk-edits/{edit}/rows?outcome=failed")).json()["data"]
    assert (row["id"], row["code"]) == (f"acc_{poison.hex}", "not_stored")


@pytest.mark.usefixtures("office")
async def test_a_cancelled_edit_stops_where_it_is(begin, state, runtime, workspace, client, monkeypatch):
    monkeypatch.setattr(bulk_edits, "STRETCH_SECONDS", 0.01)  # a single slice
    edit = await begin()
    await bulk_edits._Stretch(runtime, workspace, _id(edit)).go()
    await client.post(f"/api/v1/bulk-edits/{edit}/cancel")

    over = await bulk_edits._Stretch(runtime, workspace, _id(edit)).go()

    found = await state(edit)
    assert (over, found["state"]) == (True, "cancelled")
    assert 0 < found["done"] < ACCOUNTS


async def test_an_edit_is_forgotten_after_a_month(begin, client, drain, runtime, workspace, sql):
    edit = await begin(member=None)
    await drain()
    promised = await sql("select payload from jobs where kind = 'bulk_edit.forget' and run_at > now() + '29 days'")
    lease = Mock(spec=Lease, workspace_id=workspace)

    await bulk_edits.forget_bulk_edit(ForgetBulkEdit(_id(edit)), runtime, lease)

    assert len(promised) == 1
    assert (await client.get(f"/api/v1/bulk-edits/{edit}")).status_code == 404
    await bulk_edits.run_bulk_edit(RunBulkEdit(_id(edit)), runtime, lease)  # harmless
