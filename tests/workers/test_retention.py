"""What is old is forgotten: by month, by workspace, and receipts; and nothing else is."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from app.db.base import Database
from app.workers import retention
from app.workers.runtime import Runtime
from tests.conftest import migrate, open_workspace

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
async def own(database_url, settings):
    """A database of this test's own, since dropping months is for everybody; its runtime, three years from now."""
    from uuid import uuid4

    from sqlalchemy import make_url

    name = f"retention_{uuid4().hex}"
    async with Database(database_url, pool=2) as owner, owner.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.execute(text(f"create database {name}"))
        url = make_url(database_url).set(database=name).render_as_string(hide_password=False)
        await asyncio.to_thread(migrate, url)
        chosen = settings.model_copy(update={"event_retention_months": 6, "receipt_days": 30})
        async with Database(url, pool=4, statement_seconds=60) as database:
            yield Runtime(database=database, outbound=None, settings=chosen, now=lambda: NOW)
        await outside.execute(text(f"drop database {name} with (force)"))


async def happened(database, workspace, *moments):
    async with database.transaction(workspace) as db:
        for at in moments:
            await db.execute(
                text(
                    "insert into events (workspace_id, occurred_at, id, name) "
                    "values (:w, :at, gen_random_uuid(), 'Login')"
                ),
                {"w": workspace, "at": at},
            )


async def kept(database, workspace):
    async with database.transaction(workspace) as db:
        found = await db.scalars(text("select occurred_at from events order by 1"))
        return [at.date().isoformat() for at in found]


@pytest.mark.parametrize(
    ("months", "first"),
    [(0, None), (1, date(2026, 5, 1)), (5, date(2026, 1, 1)), (6, date(2025, 12, 1)), (18, date(2024, 12, 1))],
)
def test_the_first_month_that_is_kept(months, first):
    assert retention.first_kept(NOW, months) == first


async def test_old_months_are_dropped_as_a_whole(own):
    workspace = await open_workspace(own.database)
    days = [datetime(2001, 1, 1, tzinfo=UTC), datetime(2025, 11, 30, 23, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)]
    await happened(own.database, workspace, *days, NOW)

    await retention.drop_old_months(own)

    assert await kept(own.database, workspace) == ["2025-12-01", "2026-06-15"]
    async with own.database.open_transaction() as db:
        parts = await db.scalars(
            text("select inhrelid::regclass::text from pg_inherits where inhparent = 'events'::regclass")
        )
        assert min(name for name in parts if name != "events_default") == "events_2025_12"
    await happened(own.database, workspace, datetime(2025, 11, 5, tzinfo=UTC))  # late: it waits in the default one
    await retention.drop_old_months(own)
    assert await kept(own.database, workspace) == ["2025-12-01", "2026-06-15"]


async def test_a_busy_table_is_left_for_later(own, monkeypatch):
    monkeypatch.setattr(retention, "TRIES", 1)
    workspace = await open_workspace(own.database)
    await happened(own.database, workspace, datetime(2025, 8, 1, tzinfo=UTC))

    async with own.database.transaction(workspace) as reader:
        await reader.execute(text("select count(*) from events"))
        await retention.drop_old_months(own)
        assert await reader.scalar(text("select count(*) from events")) == 1
    await retention.drop_old_months(own)

    assert await kept(own.database, workspace) == []


async def test_a_workspace_keeps_its_events_for_as_long_as_it_says(
    runtime, client, workspace, database, clock, monkeypatch
):
    monkeypatch.setattr(retention, "EVENTS_AT_ONCE", 2)
    other = await open_workspace(database)
    moments = [NOW - timedelta(days=n) for n in (400, 200, 100, 91, 89, 1)]
    for one in (workspace, other):
        await happened(database, one, *moments)
    answer = await client.patch("/api/v1/workspace", json={"eventRetentionDays": 90})
    assert answer.json()["eventRetentionDays"] == 90
    clock.at = NOW

    await retention.delete_old_events(runtime)

    assert len(await kept(database, workspace)) == 2
    assert len(await kept(database, other)) == 6
    clock.at = NOW + timedelta(days=3)
    await retention.delete_old_events(runtime)
    assert len(await kept(database, workspace)) == 1
    clock.at = None
    unlimited = await client.patch("/api/v1/workspace", json={"eventRetentionDays": None})
    assert unlimited.json()["eventRetentionDays"] is None
    assert (await client.patch("/api/v1/workspace", json={"eventRetentionDays": 0})).status_code == 422


async def test_receipts_are_forgotten_when_they_are_too_old(own):
    workspaces = [await open_workspace(own.database) for _ in range(2)]
    for one in workspaces:
        async with own.database.transaction(one) as db:
            await db.execute(
                text(
                    "insert into message_receipts (workspace_id, message_hash, body_hash, received_at) "
                    "select :w, gen_random_uuid(), 1, cast(:now as timestamptz) - n * interval '1 day' "
                    "from generate_series(1, 60) n"
                ),
                {"w": one, "now": NOW + timedelta(minutes=1)},
            )

    done = [await retention.sweep_receipts(own, minute=minute, minutes=10) for minute in range(10)]

    assert sum(done) == 60
    for one in workspaces:
        async with own.database.transaction(one) as db:
            assert await db.scalar(text("select count(*) from message_receipts")) == 30


async def test_the_history_of_traits_is_thinned_part_by_part_and_goes_where_none_is_kept(own, settings):
    workspace = await open_workspace(own.database)
    async with own.database.transaction(workspace) as db:
        await db.execute(
            text(
                "insert into trait_history (workspace_id, record_id, stamp, received_at, subject, source, patch) "
                "select :w, md5((n % 7)::text)::uuid, n::numeric * 4294967296000000, cast(:at as timestamptz), "
                """'users', 'data', '{"plan": "pro"}' from generate_series(1, 700) n"""
            ),
            {"w": workspace, "at": NOW - timedelta(days=2)},
        )

    async def left():
        async with own.database.transaction(workspace) as db:
            return await db.scalar(text("select count(*) from trait_history"))

    long = replace(own, settings=own.settings.model_copy(update={"trait_history_days": 36_500}))
    thinned = sum([await retention.sweep_trait_history(long, minute=n, minutes=3) for n in range(3)])
    ends = await left()
    none = replace(own, settings=own.settings.model_copy(update={"trait_history_days": 0}))
    await retention.thin_trait_history(none)
    for n in range(3):
        await retention.sweep_trait_history(none, minute=n, minutes=3)

    assert (thinned, ends) == (700 - 14, 14)
    assert await left() == 0
