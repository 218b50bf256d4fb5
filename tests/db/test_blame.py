"""Who is to blame when the database does not do as it is asked: itself, what was asked, or somebody else."""

import asyncio

import pytest
from sqlalchemy import text

from app.db.base import DatabaseUnavailable, is_away, is_held, raw
from app.workers import schedule


@pytest.mark.parametrize("through", ["driver", "mapping"])
async def test_a_statement_that_takes_too_long_is_not_an_outage(database, workspace, through):
    async def sleep():
        async with database.transaction(workspace) as db:
            await db.execute(text("set local statement_timeout = '20ms'"))
            if through == "driver":
                await (await raw(db)).execute("select pg_sleep(1)")
            await db.execute(text("select pg_sleep(1)"))

    with pytest.raises(DatabaseUnavailable) as caught:
        await sleep()

    assert not is_away(caught.value)
    assert not is_held(caught.value)


async def test_a_lock_that_somebody_keeps_is_not_an_outage(database, workspace):
    locked, done = asyncio.Event(), asyncio.Event()

    async def wait():
        async with database.transaction(workspace) as db:
            await db.execute(text("set local lock_timeout = '20ms'"))
            await (await raw(db)).execute("select pg_advisory_xact_lock(7, 7)")

    async def keep():
        async with database.transaction(workspace) as db:
            await db.execute(text("select pg_advisory_xact_lock(7, 7)"))
            locked.set()
            await done.wait()

    keeper = asyncio.create_task(keep())
    await locked.wait()
    with pytest.raises(DatabaseUnavailable) as caught:
        await wait()
    done.set()
    await keeper

    assert is_held(caught.value)
    assert not is_away(caught.value)


async def test_tables_with_their_first_rows_get_statistics(database, workspace, client, runtime):
    await client.post("/api/v1/accounts", json={"externalId": "acme"})
    await schedule.analyse_young_tables(runtime)

    async with database.transaction(workspace) as db:
        young = await db.scalars(
            text(
                "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace "
                "and reltuples < 0 and relname in ('workspaces', 'accounts', 'account_facts')"
            )
        )
        assert list(young) == []
