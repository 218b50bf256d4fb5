"""A columnar copy gives the answers PostgreSQL gives, from the moment they are committed; or it gives none."""

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import account_changes, erasures, evaluation, hot_facts, marks, reports
from app.db.base import raw
from app.db.places import Place
from app.db.replica import columns, engine
from app.db.replica.store import Full
from app.db.replica.values import Unanswerable
from app.domain.erasures import Subject as ErasedSubject
from app.domain.fields import CATALOGUES, READINGS, Subject, Type, find
from app.domain.filters import bind, parse
from app.domain.ids import new_id
from app.domain.reports import understand
from tests.conftest import open_workspace
from tests.db import worlds
from tests.db.populations import KEYS, NOW, draw, store
from tests.db.replicas import Kept
from tests.domain import trees

CROWD = draw(random.Random(11), 300)
ODD = 12345678901234567890  # no double
WIDE = KEYS[-1]  # the one trait that may have such values
TRAITS = [(f"traits.{key}", reading) for key in KEYS for reading in (*READINGS, Type.TRAIT)]
PLAIN = [(path, fact.type) for path, fact in CATALOGUES[Subject.ACCOUNTS].items() if columns.of(fact, fact.type)]
HOT = [*TRAITS, *PLAIN, *((f"keyRoles.{role}", Type.PERSON) for role in trees.ROLES)]
SORTABLE = [(path, None) for path, fact in CATALOGUES[Subject.ACCOUNTS].items() if fact.sortable] + [
    (f"traits.{key}", str(reading)) for key in KEYS for reading in READINGS
]


def tamed(traits):
    return {
        key: 7 if isinstance(value, int) and value == ODD and key != WIDE else value for key, value in traits.items()
    }


def ask(sort=(), where=None):
    """A report in an order, its keys as (path, reading, direction)."""
    keys = [{"field": path, "type": reading, "direction": way} for path, reading, way in sort]
    report = understand([], None, keys, Subject.ACCOUNTS)
    return report if where is None else replace(report, filter=bind(parse(where), trees.MEMBERS[0]))


def hot_columns():
    return [columns.of(find(path), reading) for path, reading in HOT]


async def heat(kept, workspace_id):
    """Every trait of the tests was asked for twice."""
    for _ in range(2):
        kept.engine.demand.miss(workspace_id, hot_columns())
        await kept.tend(workspace_id)


@pytest.fixture(scope="session")
async def kept(database):
    kept = Kept(database)
    yield kept
    kept.close()


@pytest.fixture(scope="session")
async def crowd(database, kept):
    """A workspace of awkward accounts, full of ties and gaps, and its copy with all columns."""
    workspace_id = await open_workspace(database)
    accounts = [(*one[:3], tamed(one[3]), one[4]) for one in CROWD]
    async with database.transaction(workspace_id) as db:
        await store(db, workspace_id, accounts)
    await heat(kept, workspace_id)
    return workspace_id


@pytest.fixture(scope="session")
async def populated(database, kept):
    """A small world with relations, and its copy."""
    workspace_id, world = await open_workspace(database), worlds.draw(7)
    for record in world.rows["accounts"]:
        record["traits"] = tamed(record["traits"])
    async with database.transaction(workspace_id) as db:
        await worlds.store(db, workspace_id, world)
    await heat(kept, workspace_id)
    return workspace_id


def alike(places):
    """Places as they compare: numbers by value, `7.00` and `7` are one."""
    return [(tuple(_value(key) for key in place.keys), place.id) for place in places]


def _value(text):
    try:
        return Decimal(text)
    except (ArithmeticError, TypeError):
        return text


async def both(database, kept, workspace_id, report, *, after=None, now=NOW, limit=2000):
    """The page as the copy has it (None where it has none) and as PostgreSQL has it."""
    ours = await kept.page(workspace_id, report, after=after, now=now, limit=limit)
    async with database.transaction(workspace_id) as db:
        theirs = await reports.page(db, workspace_id, report, after=after, now=now, limit=limit)
    return ours, theirs


@pytest.mark.parametrize("way", ["asc", "desc"])
@pytest.mark.parametrize(("path", "reading"), SORTABLE, ids=str)
async def test_every_sort_gives_the_same_pages_and_either_engine_goes_on_from_the_other(
    database, kept, crowd, path, reading, way
):
    report = ask([(path, reading, way)])
    ours, theirs = await both(database, kept, crowd, report)
    fact = find(path)
    unfit = (path, reading) == (f"traits.{WIDE}", "number")
    if unfit or columns.of(fact, Type(reading or fact.type)) is None:
        assert ours is None
        return
    assert alike(ours) == alike(theirs)

    after = ours[150]
    for since in (after, theirs[150]):
        ours, theirs = await both(database, kept, crowd, report, after=since, limit=50)
        assert alike(ours) == alike(theirs)


FILTERS = trees.understood(Subject.ACCOUNTS)
ORDERS = st.lists(
    st.tuples(st.sampled_from(SORTABLE), st.sampled_from(["asc", "desc"])), max_size=3, unique_by=lambda key: key[0][0]
).map(lambda keys: [(*path, way) for path, way in keys])
answered = []


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(where=FILTERS, sort=ORDERS, now=st.sampled_from(trees.NOWS), limit=st.sampled_from([1, 7, 50]))
async def test_the_engines_agree_on_any_filter_order_and_page(database, kept, populated, where, sort, now, limit):
    report = ask(sort, where)
    after = None
    for _ in range(3):
        ours, theirs = await both(database, kept, populated, report, after=after, now=now, limit=limit)
        answered.append(ours is not None)
        if ours is None:
            return
        assert alike(ours) == alike(theirs)
        if not ours:
            break
        after = random.Random(len(ours)).choice([ours, theirs])[-1]
    async with database.transaction(populated) as db:
        assert await kept.count(populated, report, now=now) == await reports.count(db, populated, report, now=now)


def test_most_random_reports_were_answered_from_the_copy():
    """Runs after the test above; conditions on related records and organizations are PostgreSQL's."""
    assert not answered or sum(answered) > len(answered) / 5


NAMED = ask([("name", None, "asc")])
PRO = ask((), {"field": "traits.plan", "op": "is", "value": "pro"})


async def make(db, workspace_id, name, **traits):
    """An account as ingestion and evaluation leave it; its id."""
    id_ = new_id()
    connection = await raw(db)
    await connection.execute(
        "insert into accounts (workspace_id, id, external_id, traits) values ($1, $2, $3, $4)",
        workspace_id,
        id_,
        f"ext {id_.hex}",
        orjson.dumps({"name": name, **traits}).decode(),
    )
    await connection.execute("insert into account_facts (workspace_id, account_id) values ($1, $2)", workspace_id, id_)
    return id_


async def evaluated(db, workspace_id, *accounts):
    await evaluation.note(db, workspace_id, accounts, {}, now=NOW)


async def rename(db, workspace_id, id_, name):
    connection = await raw(db)
    await connection.execute(
        "update accounts set traits = jsonb_set(traits, '{name}', to_jsonb($3::text)) "
        "where workspace_id = $1 and id = $2",
        workspace_id,
        id_,
        name,
    )


@pytest.fixture
async def acme(database, workspace):
    """One account, and a copy of it."""
    async with database.transaction(workspace) as db:
        return await make(db, workspace, "Acme")


@pytest.fixture
async def copy(database, workspace, acme):
    kept = Kept(database)
    await kept.tend(workspace)
    yield kept
    kept.close()


async def names(kept, workspace_id, report=NAMED):
    found = await kept.page(workspace_id, report, now=NOW)
    return None if found is None else [place.keys[0] for place in found]


class TestItIsAlwaysFresh:
    async def test_an_account_made_and_evaluated_is_in_the_next_report(self, database, workspace, copy):
        async with database.transaction(workspace) as db:
            await evaluated(db, workspace, await make(db, workspace, "Borealis"))
        assert await names(copy, workspace) == ["acme", "borealis"]
        assert await copy.count(workspace, NAMED, now=NOW) == 2

    async def test_a_trait_is_seen_before_its_account_is_evaluated(self, database, workspace, copy, acme):
        async with database.transaction(workspace) as db:
            await rename(db, workspace, acme, "Zenith")
            await marks.mark(db, workspace, [acme])
        assert await names(copy, workspace) == ["zenith"]

    async def test_a_deleted_account_is_gone(self, database, workspace, copy, acme):
        async with database.transaction(workspace) as db:
            await erasures.delete_subject(db, workspace, ErasedSubject("account", acme, "ext"))
        assert await names(copy, workspace) == []

    async def test_a_transaction_that_commits_late_is_not_missed(self, database, workspace, copy, acme):
        """It began before others that were seen already: what counts is when it became visible, not its number."""
        async with database.transaction(workspace) as slow:
            await rename(slow, workspace, acme, "Late")
            await evaluated(slow, workspace, acme)
            async with database.transaction(workspace) as db:
                await evaluated(db, workspace, await make(db, workspace, "Early"))
            assert await names(copy, workspace) == ["acme", "early"]
        assert await names(copy, workspace) == ["early", "late"]

    async def test_a_mark_that_commits_late_is_not_missed(self, database, workspace, copy, acme):
        async with database.transaction(workspace) as slow:
            await rename(slow, workspace, acme, "Late")
            await marks.mark(slow, workspace, [acme])
            async with database.transaction(workspace) as db:
                await evaluated(db, workspace, await make(db, workspace, "Early"))
            assert await names(copy, workspace) == ["acme", "early"]
        assert await names(copy, workspace) == ["early", "late"]

    async def test_what_changed_while_it_was_read_is_in_it(self, database, workspace, acme):
        kept = Kept(database)
        async with database.transaction(workspace) as db:
            assert await kept.tending.begin(db, workspace)
        async with database.transaction(workspace) as db:
            await rename(db, workspace, acme, "Zenith")
            await evaluated(db, workspace, acme)
        await kept.tend(workspace)
        assert await names(kept, workspace) == ["zenith"]
        kept.close()

    async def test_many_changes_are_read_in_the_background(self, database, workspace, copy, monkeypatch):
        monkeypatch.setattr(engine, "AT_ONCE", 1)
        async with database.transaction(workspace) as db:
            await evaluated(db, workspace, *[await make(db, workspace, name) for name in ("One", "Two")])
        assert await names(copy, workspace) is None
        assert copy.asked[-1] == workspace
        await copy.tend(workspace)
        assert await names(copy, workspace) == ["acme", "one", "two"]

    async def test_a_copy_the_log_no_longer_reaches_is_read_anew(self, database, workspace, copy):
        copy.engine.copies[workspace].at -= timedelta(minutes=31)
        assert await names(copy, workspace) is None
        await copy.tend(workspace)
        assert workspace not in copy.engine.copies
        await copy.tend(workspace)
        assert await names(copy, workspace) == ["acme"]


class TestColumnsComeToExist:
    async def test_a_trait_asked_for_twice_gets_a_column(self, database, workspace, copy):
        async with database.transaction(workspace) as db:
            pro = await make(db, workspace, "Pro", plan="Pro")
            await evaluated(db, workspace, pro)
        assert await copy.page(workspace, PRO, now=NOW) is None
        await copy.tend(workspace)
        assert await copy.page(workspace, PRO, now=NOW) is None, "once may be chance"
        await copy.tend(workspace)
        assert await copy.page(workspace, PRO, now=NOW) == [Place((), pro)]

    async def test_a_trait_a_segment_names_has_one_from_the_start(self, database, workspace, acme):
        async with database.transaction(workspace) as db:
            await db.execute(
                text(
                    "insert into segments (workspace_id, id, subject, name, filter) "
                    """values (:w, :id, 'accounts', 'Pro', '{"field": "traits.plan", "op": "is", "value": "pro"}')"""
                ),
                {"w": workspace, "id": new_id()},
            )
        kept = Kept(database)
        await kept.tend(workspace)
        assert await kept.page(workspace, PRO, now=NOW) == []
        kept.close()

    async def test_what_changes_while_a_column_is_added_is_in_it(self, database, workspace, copy, acme):
        for _ in range(2):
            assert await copy.page(workspace, PRO, now=NOW) is None
            async with database.transaction(workspace) as db:
                reading = await copy.tending.begin(db, workspace)
        assert reading
        async with database.transaction(workspace) as db:
            assert not await copy.tending.read_on(db, workspace)
        async with database.transaction(workspace) as db:
            await db.execute(text('update accounts set traits = traits || \'{"plan": "pro"}\''))
            await evaluated(db, workspace, acme)
        assert await copy.page(workspace, PRO, now=NOW) == [Place((), acme)]

    async def test_one_nobody_asks_for_any_more_goes(self, database, workspace, copy):
        for _ in range(2):
            await copy.page(workspace, PRO, now=NOW)
            await copy.tend(workspace)
        async with database.transaction(workspace) as db:
            await db.execute(text("update hot_facts set last_asked_at = last_asked_at - interval '31 days'"))
        async with database.pump_transaction() as db:
            await hot_facts.forget(db)
        await copy.tend(workspace)
        assert await copy.page(workspace, PRO, now=NOW) is None


class TestPostgreSQLAnswersWhere:
    async def test_a_workspace_is_small(self, database, workspace, acme):
        kept = Kept(database, accounts=2)
        await kept.tend(workspace)
        assert await names(kept, workspace) is None

    @pytest.mark.parametrize(
        "report",
        [
            ask((), {"related": "users", "op": "none"}),
            ask((), {"field": "organization.mrr", "op": "isSet"}),
            replace(NAMED, as_of=NOW),
            understand([], None, [], Subject.USERS),
        ],
    )
    async def test_there_is_no_column_for_it(self, workspace, copy, report):
        assert await copy.page(workspace, report, now=NOW) is None
        assert await copy.count(workspace, report, now=NOW) is None

    async def test_a_number_is_too_long_to_be_compared_as_a_double(self, database, workspace, copy):
        report = ask((), {"field": "mrr", "op": "atLeast", "value": 1})
        assert await copy.count(workspace, report, now=NOW) == 0
        assert (
            await copy.count(workspace, ask((), {"field": "mrr", "op": "is", "value": 1.2345678901234567}), now=NOW)
            is None
        )
        async with database.transaction(workspace) as db:
            await db.execute(text("update account_facts set mrr = 1234567890.1234567"))
            await evaluated(db, workspace, *(await db.scalars(text("select account_id from account_facts"))))
        assert await copy.count(workspace, report, now=NOW) is None

    async def test_a_text_is_too_long_to_be_copied(self, database, workspace, copy):
        async with database.transaction(workspace) as db:
            await evaluated(db, workspace, await make(db, workspace, "x" * 2001))
        assert await names(copy, workspace) is None

    async def test_the_memory_is_used_up(self, database, workspace, acme):
        kept = Kept(database, memory=2**20)
        with pytest.raises(Full):
            await kept.tend(workspace)
        assert kept.engine.copies == {}

    async def test_others_were_asked_later(self, database, workspace, copy, acme):
        other = await open_workspace(database)
        async with database.transaction(other) as db:
            await make(db, other, "Other")
        taken = copy.engine.copies[workspace].store.memory()
        async with database.transaction(other) as db:
            assert await copy.tending.begin(db, other)
            copy.tending._bounds = replace(copy.tending._bounds, memory=taken)
            await copy.tending.read_on(db, other)
        assert list(copy.engine.copies) == [other]


@pytest.mark.parametrize("name", ["a\x1eb", "a\x1bb", "\x1b]\x1e\x1b[", "=", "!", " ", "'; drop table accounts; --"])
async def test_every_text_arrives_as_it_is(database, workspace, copy, name):
    async with database.transaction(workspace) as db:
        id_ = await make(db, workspace, name)
        await evaluated(db, workspace, id_)
    report = ask((), {"field": "name", "op": "is", "value": name})
    assert await copy.page(workspace, report, now=NOW) == [Place((), id_)]


async def test_texts_are_sorted_by_their_beginning(database, workspace, copy):
    long = "a" * 150
    async with database.transaction(workspace) as db:
        await evaluated(db, workspace, *[await make(db, workspace, name) for name in (long + "b", long + "a")])
    ours, theirs = await both(database, copy, workspace, NAMED)
    assert ours == theirs
    assert ours[0].keys == ("a" * 100,)


async def test_a_copy_reaches_neither_files_nor_this_process(workspace, copy):
    store_ = copy.engine.copies[workspace].store
    for statement in ("select * from read_text('/etc/hostname')", "select * from workspace", "install httpfs"):
        with pytest.raises(Unanswerable):
            store_.ask(statement, ())


async def test_the_log_is_kept_for_an_hour(database, workspace, acme):
    async with database.transaction(workspace) as db:
        for age in ("59 minutes", "61 minutes"):
            await db.execute(
                text(
                    "insert into account_changes (workspace_id, account_id, changed_at) "
                    f"values (:w, :a, clock_timestamp() - interval '{age}')"
                ),
                {"w": workspace, "a": acme},
            )
    async with database.pump_transaction() as db:
        await account_changes.trim(db)
    async with database.transaction(workspace) as db:
        assert await db.scalar(text("select count(*) from account_changes")) == 1
