"""Judging: one statement for all indicators, one alert per pair whoever judges, and nothing lost on the way."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from app.db import verdicts
from app.db.base import raw
from app.domain.fields import Subject
from app.domain.filters import parse
from app.domain.ids import new_id
from app.services import indicators
from app.services.indicators import Definition

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
RICH = {"field": "mrr", "op": "greaterThan", "value": 100}
QUIET = {"field": "owner.lastSeenAt", "op": "moreThanDaysAgo", "value": 7}


async def add_accounts(db, workspace_id, mrrs, seen=None):
    ids = [new_id() for _ in mrrs]
    connection = await raw(db)
    await connection.executemany(
        "insert into accounts (workspace_id, id, external_id) values ($1, $2, $3)",
        [(workspace_id, id_, id_.hex) for id_ in ids],
    )
    await connection.executemany(
        "insert into account_facts (workspace_id, account_id, mrr, owner_last_seen_at) values ($1, $2, $3, $4)",
        [(workspace_id, id_, mrr, seen) for id_, mrr in zip(ids, mrrs, strict=True)],
    )
    return ids


@pytest.fixture
def act(database, workspace):
    """Runs one piece of work in a transaction of its own."""

    async def run(work, *args, **more):
        async with database.transaction(workspace) as db:
            return await work(db, workspace, *args, **more)

    return run


async def define(act, *filters, name="x"):
    return [(await act(indicators.create, Definition(name, "risk", one), now=NOW))["id"] for one in filters]


async def test_two_evaluators_open_one_alert(act, database, workspace):
    """Without the callers' lock on the facts: the unique index alone decides."""
    await define(act, RICH)
    accounts = await act(add_accounts, [500] * 50)

    found = await asyncio.gather(*(act(indicators.judge, order, now=NOW) for order in (accounts, accounts[::-1])))

    assert sum(one.fired for one in found) == 50
    async with database.transaction(workspace) as db:
        assert (await db.execute(text("select count(*) from alerts"))).scalar_one() == 50


async def test_judging_again_changes_nothing(act):
    await define(act, RICH, QUIET)
    accounts = await act(add_accounts, [500, 5], seen=NOW - timedelta(days=3))
    first = await act(indicators.judge, accounts, now=NOW)

    again = await act(indicators.judge, accounts, now=NOW + timedelta(days=1))

    assert (first.fired, first.resolved) == (1, 0)
    assert (again.fired, again.resolved) == (0, 0)
    assert first.next_check_at == again.next_check_at == dict.fromkeys(accounts, NOW + timedelta(days=4))


async def test_all_indicators_are_asked_in_one_statement(act, database):
    await define(act, *[RICH, QUIET] * 20)
    accounts = await act(add_accounts, [5] * 20)
    statements = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        await act(indicators.judge, accounts, now=NOW)
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)

    assert len([one for one in statements if "account_facts" in one]) == 1
    assert len(statements) == 4, "entering, the indicators, the verdicts, the open alerts"


async def test_very_long_indicators_are_asked_in_portions(act, monkeypatch):
    monkeypatch.setattr(verdicts, "MOST_LEAVES", 2)
    trees = [RICH, {"all": [RICH, QUIET, RICH]}, QUIET, {"not": RICH}, {"all": []}]
    accounts = await act(add_accounts, [500, 5], seen=NOW - timedelta(days=8))

    found = await act(verdicts.ask, Subject.ACCOUNTS, accounts, [parse(tree) for tree in trees], NOW)

    assert {one.record_id: one.holding for one in found} == {accounts[0]: (0, 1, 2, 4), accounts[1]: (2, 3, 4)}


async def test_a_filter_of_another_release_is_left_alone(act, database, workspace):
    """A newer release may know more words: this one neither judges its indicators nor closes their alerts."""
    (indicator_id,) = await define(act, RICH)
    accounts = await act(add_accounts, [500])
    await act(indicators.judge, accounts, now=NOW)
    async with database.transaction(workspace) as db:
        await db.execute(
            text('update indicators set filter = \'{"field": "mrr", "op": "ofTomorrow"}\' where id = :id'),
            {"id": indicator_id},
        )

    judged = await act(indicators.judge, accounts, now=NOW)

    assert (judged.fired, judged.resolved) == (0, 0)


async def test_no_accounts_no_work(act):
    assert (await act(indicators.judge, [], now=NOW)).next_check_at == {}


async def test_a_filter_may_hold_a_number_of_any_size(act):
    """jsonb writes a large double out in digits, and what comes back is more than 64 bits."""
    await define(act, {"field": "mrr", "op": "lessThan", "value": 1e25})
    accounts = await act(add_accounts, [500])

    judged = await act(indicators.judge, accounts, now=NOW)

    assert judged.fired == 1
