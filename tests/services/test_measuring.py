"""What is counted of events: as they come, from what is stored, and both at once."""

import asyncio
import itertools
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select, text

from app.db import measures
from app.db.base import may_run_again
from app.domain import suppression
from app.domain.matching import digest, parse
from app.domain.memory import Memory
from app.domain.messages import RECEIVED, SENT, Envelope, EventMessage, ParentMessage, UnlinkMessage
from app.domain.models import Measure
from app.services import erasures, ingest, measuring, recounting
from app.workers import recounts
from tests.conftest import MASTER, open_workspace
from tests.services.test_convergence import LARGE, STATE, two_deliveries

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = suppression.key(MASTER)
PRO = parse({"property": "plan", "op": "is", "value": "pro"})
COUNTS = """
    select coalesce(a.external_id, o.external_id),
        m.name || case when m.filter is null then '' else ' (filter)' end, t.count
    from measure_totals t join measures m on m.id = t.measure_id
    left join accounts a on a.id = t.record_id left join organizations o on o.id = t.record_id"""


def event(name="Paid", account="acme", user="ada", at=NOW, properties=b"{}", organization=None):
    return EventMessage(at, name, account, user, properties, organization)


def envelope(*messages):
    return Envelope(messages, uuid4().hex, hash(repr(messages)) % 2**60)


@pytest.fixture
def sql(database, workspace):
    async def run(statement, **values):
        async with database.transaction(workspace) as db:
            found = await db.execute(text(statement), {"w": workspace, **values})
            return list(found) if found.returns_rows else []

    return run


@pytest.fixture
def rows(database, workspace):
    async def run(query):
        async with database.transaction(workspace) as db:
            return {tuple(row) for row in await db.execute(text(query))}

    return run


@pytest.fixture
def send(database, workspace):
    """Takes messages in, as one process does."""
    memory = Memory(KEY)

    async def run(*messages, memory=memory):
        while True:
            try:
                async with database.transaction(workspace) as db:
                    done = await ingest.record(db, workspace, [envelope(one) for one in messages], memory, now=NOW)
            except Exception as error:
                if not may_run_again(error):
                    raise
            else:
                memory.learn(workspace, done.batch)
                return done

    return run


async def recount_all(database, workspace):
    async with database.transaction(workspace) as db:
        recount_id = await measuring.start(db, workspace, is_whole=True)
    more = True
    while more:
        async with database.transaction(workspace) as db:
            more = await recounting.step(db, workspace, recount_id)


async def counted(database, workspace):
    async with database.transaction(workspace) as db:
        return {
            name: sorted((tuple(row) for row in await db.execute(text(STATE[name]))), key=repr)
            for name in ("days", "totals", "links")
        }


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(both=two_deliveries())
async def test_stored_events_are_counted_as_they_were_when_they_came(database, both):
    workspace = await open_workspace(database)
    async with database.transaction(workspace) as db:
        await measuring.ensure(db, workspace, [("Export", LARGE)])
    memory = Memory()
    for flush in both[1]:
        async with database.transaction(workspace) as db:
            recorded = await ingest.record(db, workspace, flush, memory, now=NOW)
        memory.learn(workspace, recorded.batch)
    before = await counted(database, workspace)

    await recount_all(database, workspace)
    assert await counted(database, workspace) == before

    async with database.transaction(workspace) as db:
        for table in ("measure_days", "measure_totals"):
            await db.execute(text(f"delete from {table}"))
        await db.execute(text("update memberships set last_active_on = null"))
    await recount_all(database, workspace)
    assert await counted(database, workspace) == before


async def test_a_new_measure_is_counted_while_events_keep_coming(database, workspace, send, rows, drain, monkeypatch):
    """Three processes send; meanwhile a measure is made, and stored events are counted in many small parts."""
    monkeypatch.setattr(recounting, "LOOKED_THROUGH_A_STEP", 7)
    sent = itertools.count()

    async def keep_sending():
        memory = Memory(KEY)
        for _ in range(20):
            those = []
            for n in itertools.islice(sent, 5):
                plan = b'{"plan":"pro"}' if n % 2 else b'{"plan":"free"}'
                at = NOW - timedelta(hours=7 * (n % 50))
                those.append(event(account=f"acme-{n % 3}", user=f"user-{n % 4}", at=at, properties=plan))
            await send(*those, memory=memory)

    senders = [asyncio.create_task(keep_sending()) for _ in range(3)]
    while next(sent) < 60:
        await asyncio.sleep(0.01)
    async with database.transaction(workspace) as db:
        await measuring.ensure(db, workspace, [("Paid", PRO)])
    await drain()
    await asyncio.gather(*senders)
    await drain()

    stored = await rows(
        "select a.external_id, e.properties ->> 'plan', count(*) from events e "
        "join accounts a on a.id = e.account_id group by 1, 2"
    )
    wanted = {(account, "Paid (filter)", n) for account, plan, n in stored if plan == "pro"}
    assert {row for row in await rows(COUNTS) if "filter" in row[1]} == wanted
    assert sum(n for _, name, n in await rows(COUNTS) if name == "Paid") == sum(n for *_, n in stored) == 300
    totals = await rows("select record_id, measure_id, count from measure_totals")
    assert await rows("select record_id, measure_id, sum(count) from measure_days group by 1, 2") == totals


async def test_what_an_earlier_release_stored_is_counted_while_events_keep_coming(
    database, workspace, send, sql, rows, runtime, drain, monkeypatch
):
    monkeypatch.setattr(recounting, "EVENTS_A_STEP", 10)
    await send(event(user="ada"), event(account="globex", user=None), event(account=None, organization="group"))
    await sql("update workspaces set is_counted = false where id = :w")
    await sql(
        "insert into events (workspace_id, occurred_at, id, account_id, user_id, name) select :w, "
        "timestamptz '2026-05-01' + n * interval '5 hours', gen_random_uuid(), a.id, "
        "case when n % 2 = 0 then u.id end, 'Old' from generate_series(1, 100) n, accounts a, users u "
        "where a.workspace_id = :w and u.workspace_id = :w"
    )
    await sql(
        "insert into events (workspace_id, occurred_at, id, organization_id, name) select :w, "
        "timestamptz '2026-05-01' + n * interval '5 hours', gen_random_uuid(), o.id, 'Old' "
        "from generate_series(1, 30) n, organizations o where o.workspace_id = :w"
    )
    sent = 40

    async def keep_sending():
        memory = Memory(KEY)
        for n in range(sent):
            await send(event("Old", user=None, at=NOW - timedelta(days=n % 30)), memory=memory)

    sender = asyncio.create_task(keep_sending())
    await recounts.count_uncounted(runtime)
    await drain()
    await sender

    assert await rows(COUNTS) == {
        ("acme", "Paid", 1),
        ("globex", "Paid", 1),
        ("group", "Paid", 1),
        ("acme", "Old", 100 + sent),
        ("globex", "Old", 100),
        ("group", "Old", 30),
    }
    assert await rows("select is_counted from workspaces") == {(False,)}
    await sql("update recounts set requested_at = now() - interval '1 hour' where workspace_id = :w")
    await recounts.count_uncounted(runtime)
    await drain()
    assert len(await sql("select id from recounts where is_whole and finished_at is not null")) == 2
    assert await rows("select is_counted from workspaces") == {(True,)}
    await recounts.count_uncounted(runtime)
    assert len(await sql("select id from recounts")) == 2


async def test_a_measure_is_made_once(database, workspace, send):
    await send(event())
    async with database.transaction(workspace) as db:
        first = await measuring.ensure(db, workspace, [("Paid", None), ("Paid", PRO), ("Never", None)])
    async with database.transaction(workspace) as db:
        assert await measuring.ensure(db, workspace, [("Paid", PRO), ("Paid", None), ("Never", None)]) == first
        assert len(set(first.values())) == 3
        assert len(list(await db.execute(text("select id from recounts")))) == 1


@pytest.mark.parametrize("value", [1e17, -0.0, 7.0, 0.1, 5e-324, 123456789.125, True, "1e17"])
async def test_a_filter_is_the_same_measure_once_it_was_stored(database, workspace, value):
    """Whoever defined it keeps it as JSON, and finds its measure by what is read there."""
    wanted = parse({"property": "n", "op": "isAnyOf", "value": [value]})
    async with database.transaction(workspace) as db:
        made = await measuring.ensure(db, workspace, [("Paid", wanted)])
        (stored,) = await db.scalars(select(Measure.filter))
        assert list(await measures.find(db, workspace, [digest("Paid", stored)])) == [digest("Paid", wanted)]
        assert list(made.values()) == list((await measures.find(db, workspace, [digest("Paid", stored)])).values())


async def test_names_beyond_the_most_are_stored_and_not_counted_until_asked_for(
    database, workspace, send, rows, drain, monkeypatch
):
    monkeypatch.setattr(measures, "MOST_NAMES", 2)
    monkeypatch.setattr(measuring, "MOST_NAMES", 2)
    for name in ("A", "B", "C", "C", "A"):
        await send(event(name))
    assert {(name, n) for _, name, n in await rows(COUNTS)} == {("A", 2), ("B", 1)}
    assert len(await rows("select id from events")) == 5

    async with database.transaction(workspace) as db:
        await measuring.ensure(db, workspace, [("C", None)])
    await send(event("C"))
    await drain()
    assert {(name, n) for _, name, n in await rows(COUNTS)} == {("A", 2), ("B", 1), ("C", 3)}


async def test_a_deleted_user_is_taken_off_what_was_counted(database, workspace, send, rows, sql, drain):
    days = [NOW - timedelta(days=n) for n in range(5)]
    await send(*(event(user="ada", at=at) for at in days))
    await send(event(user="bob", at=days[2]), event(user=None, at=days[3] - timedelta(hours=1)))
    await send(event("Left", user="ada"), event(account=None, user="ada", organization="group"))
    async with database.transaction(workspace) as db:
        await erasures.start(db, workspace, "user", "ada", key=KEY, now=NOW)
    await drain()

    found = await rows(
        "select m.name, t.count, t.first_at, t.last_at from measure_totals t join measures m on m.id = t.measure_id"
    )
    assert found == {("Paid", 2, days[3] - timedelta(hours=1), days[2])}
    assert await rows("select d.count, u.external_id from measure_days d left join users u on u.id = d.user_id") == {
        (1, "bob"),
        (1, None),
    }


async def test_where_events_are_not_stored_any_more_the_day_is_what_is_left(
    database, workspace, send, rows, sql, drain
):
    await send(event(user="bob", at=NOW - timedelta(days=1)), event(user="ada"), event(user="bob", at=NOW))
    await sql("delete from events where workspace_id = :w")
    async with database.transaction(workspace) as db:
        await erasures.start(db, workspace, "user", "ada", key=KEY, now=NOW)
    await drain()
    assert await rows("select count, first_at, last_at from measure_totals") == {
        (2, NOW - timedelta(days=1), NOW.replace(hour=0))
    }


async def test_a_deletion_under_way_is_not_undone_by_counting_anew(database, workspace, send, rows, sql, drain):
    await send(event(user="ada"), event(user="bob"), event(account="globex"))
    async with database.transaction(workspace) as db:
        await erasures.start(db, workspace, "user", "ada", key=KEY, now=NOW)
        await erasures.start(db, workspace, "account", "globex", key=KEY, now=NOW)
    await recount_all(database, workspace)
    await drain()
    assert await rows(COUNTS) == {("acme", "Paid", 1)}
    assert len(await sql("select day from measure_days")) == 1


async def test_a_deleted_account_leaves_nothing(database, workspace, send, rows, drain):
    await send(event(), event(account="globex"))
    async with database.transaction(workspace) as db:
        await erasures.start(db, workspace, "account", "acme", key=KEY, now=NOW)
    await drain()
    assert await rows(COUNTS) == {("globex", "Paid", 1)}


FIGURES = """select a.external_id, f.active_users, f.active_user_share, f.last_received_at, f.last_sent_at
    from account_facts f join accounts a on a.id = f.account_id"""


async def test_users_are_active_for_thirty_days(send, rows, sql, drain, clock):
    clock.at = NOW
    await send(event(user="ada", at=NOW - timedelta(days=29)), event(user="bob", at=NOW - timedelta(days=3)))
    await send(event(RECEIVED, user="cleo", at=NOW), event(SENT, user="cleo", at=NOW - timedelta(days=40)))
    await drain()
    talked = NOW, NOW - timedelta(days=40)
    assert [(*row[:2], float(row[2]), *row[3:]) for row in await rows(FIGURES)] == [("acme", 2, 66.67, *talked)]

    ends = datetime(2026, 6, 2, tzinfo=UTC)
    assert await rows("select next_check_at from account_facts") == {(ends,)}
    clock.at = ends - timedelta(microseconds=1)
    await drain()
    assert {row[1] for row in await rows(FIGURES)} == {2}
    clock.at = ends
    await drain()
    assert {row[1] for row in await rows(FIGURES)} == {1}

    await send(UnlinkMessage(clock.at, "acme", "bob"))
    await drain()
    assert {row[1] for row in await rows(FIGURES)} == {0}


async def test_an_organization_counts_each_active_user_once(send, rows, drain, clock):
    clock.at = NOW
    parents = [ParentMessage(NOW, account, "group") for account in ("acme", "globex")]
    await send(*parents, event(user="ada"), event(account="globex", user="ada"), event(account="globex", user="bob"))
    await send(event(account=None, user="cleo", organization="group"))
    await send(event(RECEIVED, account=None, user="dora", organization="group"))
    await send(event(SENT, account="globex", user="bob", at=NOW - timedelta(days=2)))
    await drain()
    figures = "select active_users, active_user_share, last_received_at, last_sent_at from organization_facts"
    ((active, share, received, sent),) = await rows(figures)
    assert (active, float(share), received, sent) == (3, 75.0, NOW, NOW - timedelta(days=2))
    clock.at = NOW + timedelta(days=31)
    await drain()
    assert {row[0] for row in await rows(figures)} == {0}


async def test_activity_is_written_when_the_day_moves(send, rows):
    await send(event(at=NOW - timedelta(days=1)))
    for at in (NOW - timedelta(days=3), NOW, NOW, NOW - timedelta(days=2)):
        await send(event(at=at), memory=Memory(KEY))
    assert await rows("select last_active_on from memberships") == {(date(2026, 6, 1),)}
