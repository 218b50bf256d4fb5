"""Segments on a real database: links, removals by hand and rules agree with the pure rule, whoever comes when."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from app.db import segment_links, segment_reads
from app.db import segments as stored
from app.db.base import raw
from app.db.segment_reads import Asked
from app.domain.fields import Subject
from app.domain.ids import new_id
from app.domain.segments import (
    MOST_SEGMENTS,
    SegmentArchived,
    SegmentExists,
    State,
    TooManySegments,
    UnknownSegment,
    held_back,
    is_member,
)
from app.services import segmenting, segments
from app.services.segments import Definition
from tests.conftest import open_workspace

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
RICH = {"field": "mrr", "op": "greaterThan", "value": 100}
QUIET = {"field": "owner.lastSeenAt", "op": "moreThanDaysAgo", "value": 7}
ONE, TWO = "playbook:" + "1" * 32, "playbook:" + "2" * 32
ACCOUNTS, USERS, ORGANIZATIONS = Subject
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


async def add_accounts(db, workspace_id, mrrs, seen=None):
    ids = sorted(new_id() for _ in mrrs)
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


async def add_records(db, workspace_id, table, names):
    ids = sorted(new_id() for _ in names)
    await (await raw(db)).executemany(
        f'insert into {table} (workspace_id, id, external_id, traits) values ($1, $2, $3, \'{{"plan": "pro"}}\')',
        [(workspace_id, id_, name) for id_, name in zip(ids, names, strict=True)],
    )
    return ids


@pytest.fixture
def act(database, workspace):
    """Runs one piece of work in a transaction of its own."""

    async def run(work, *args, **more):
        async with database.transaction(workspace) as db:
            return await work(db, workspace, *args, **more)

    return run


@pytest.fixture
def look(act):
    """What the rules say of accounts now, as an evaluator would ask."""

    async def run(records, *, now=NOW, subject=ACCOUNTS):
        async def judge(db, workspace_id):
            held = await segmenting.lock(db, workspace_id, subject, records)
            return await segments.judge(db, workspace_id, subject, held, now)

        return await act(judge)

    return run


@pytest.fixture
def define(act):
    async def make(*filters, subject=ACCOUNTS):
        made = [
            await act(segments.create, Definition(subject, f"Segment {new_id().hex}", filter=one), now=NOW)
            for one in filters
        ]
        return [one["id"] for one in made]

    return make


@pytest.fixture
def choose(act):
    async def run(segment_id, states, *, now=NOW):
        return await act(segments.set_members, segment_id, states, source="manual", by="mem_1", now=now)

    return run


@pytest.fixture
def link(act):
    async def run(segment_id, records, source=ONE, *, linked=True, now=NOW):
        return await act(segments.set_links, segment_id, records, linked=linked, source=source, now=now)

    return run


async def segments_of(db, workspace_id, subject=ACCOUNTS):
    facts, key = segment_links.FACTS[subject]
    found = await db.execute(text(f"select {key}, segments from {facts} where workspace_id = :w"), {"w": workspace_id})
    return {row[0]: list(row[1]) for row in found}


async def changes(db, workspace_id, segment_id=None):
    found = await db.execute(
        text(
            "select record_id, segment_id, change, at, source, reason, changed_by from segment_changes "
            "where workspace_id = :w order by at, id"
        ),
        {"w": workspace_id},
    )
    return [tuple(row) for row in found if segment_id in (None, row[1])]


async def test_a_rule_lets_in_and_out_and_says_when_to_look_again(act, look, define):
    rich, quiet = await define(RICH, QUIET)
    big, small = await act(add_accounts, [500, 5], seen=NOW - timedelta(days=3))

    assert await look([big, small]) == dict.fromkeys([big, small], NOW + timedelta(days=4))
    assert await act(segments_of) == {big: [rich], small: []}

    later = NOW + timedelta(days=4)
    assert await look([big, small], now=later) == {}
    assert await act(segments_of) == {big: sorted([rich, quiet]), small: [quiet]}

    await act(set_mrr, big, 1)
    await look([big, small], now=later)
    assert await act(segments_of) == {big: [quiet], small: [quiet]}
    assert await act(changes, rich) == [
        (big, rich, "entered", NOW, "rule", "filter_holds", None),
        (big, rich, "left", later, "rule", "filter_no_longer_holds", None),
    ]


async def set_mrr(db, workspace_id, account_id, mrr):
    await db.execute(
        text("update account_facts set mrr = :mrr where workspace_id = :w and account_id = :id"),
        {"w": workspace_id, "id": account_id, "mrr": mrr},
    )


async def test_looking_again_writes_nothing(act, look, define):
    await define(RICH)
    accounts = await act(add_accounts, [500, 5])
    await look(accounts)
    before = await act(row_versions)

    await look(accounts, now=NOW + timedelta(days=1))

    assert await act(row_versions) == before


async def row_versions(db, workspace_id):
    """Where rows are: writing one puts its new version elsewhere."""
    tables = ("account_facts", "segment_links", "segment_changes")
    query = " union all ".join(f"select ctid::text from {table} where workspace_id = :w" for table in tables)
    return sorted(await db.scalars(text(query), {"w": workspace_id}))


async def test_a_removal_by_hand_holds_until_it_is_handed_back(act, look, define, choose):
    (rich,) = await define(RICH)
    (account,) = await act(add_accounts, [500])
    await look([account])

    out = await choose(rich, {account: State.EXCLUDED}, now=NOW + timedelta(1))
    await look([account], now=NOW + timedelta(2))
    await act(set_mrr, account, 1)
    await look([account])
    await act(set_mrr, account, 500)
    await look([account])
    still_out = await act(segments_of)
    back = await choose(rich, {account: State.AUTOMATIC}, now=NOW + timedelta(3))

    assert (out[account].member, out[account].change) == (False, "left")
    assert still_out == {account: []}
    assert (back[account].member, back[account].change) == (True, "entered")
    assert [one[2:] for one in await act(changes)] == [
        ("entered", NOW, "rule", "filter_holds", None),
        ("left", NOW + timedelta(1), "manual", "excluded", "mem_1"),
        ("entered", NOW + timedelta(3), "manual", "handed_back", "mem_1"),
    ]


async def test_who_was_added_by_hand_stays_whatever_the_rule_says(act, look, define, choose):
    (rich,) = await define(RICH)
    (account,) = await act(add_accounts, [5])

    put = await choose(rich, {account: State.INCLUDED})
    await act(set_mrr, account, 500)
    await look([account])
    await act(set_mrr, account, 5)
    await look([account])
    kept = await act(segments_of)
    again = await choose(rich, {account: State.INCLUDED})
    freed = await choose(rich, {account: State.AUTOMATIC})

    assert (put[account].change, again[account].change, freed[account].change) == ("entered", None, "left")
    assert kept == {account: [rich]}


async def test_an_automation_adds_and_removes_only_its_own_link(act, look, define, choose, link):
    (rich,) = await define(RICH)
    (account,) = await act(add_accounts, [500])
    await look([account])

    assert await link(rich, [account], ONE) == []
    assert await link(rich, [account], TWO) == []
    await act(set_mrr, account, 1)
    await look([account])
    assert await link(rich, [account], ONE, linked=False) == []
    assert await link(rich, [account], TWO, linked=False) == [account]
    assert await act(segments_of) == {account: []}


async def test_only_a_new_automation_brings_back_who_was_removed_by_hand(act, define, choose, link):
    (tier,) = await define(None)
    (account,) = await act(add_accounts, [500])
    await link(tier, [account], ONE)
    await choose(tier, {account: State.EXCLUDED})

    await link(tier, [account], ONE, linked=False)
    assert await link(tier, [account], ONE) == []
    assert await link(tier, [account], TWO) == [account]
    assert (await choose(tier, {account: State.EXCLUDED}))[account].change == "left"
    assert await link(tier, [account], TWO) == []


async def test_unknown_records_are_left_out(act, define, choose):
    (tier,) = await define(None)
    (account,) = await act(add_accounts, [500])

    found = await choose(tier, {account: State.INCLUDED, new_id(): State.INCLUDED})

    assert list(found) == [account]
    assert await choose(tier, {new_id(): State.EXCLUDED}) == {}
    assert await choose(tier, {}) == {}


@pytest.mark.parametrize("subject", [USERS, ORGANIZATIONS])
async def test_users_and_organizations_have_segments_too(subject, act, look, define, choose):
    pro = {"field": "traits.plan", "op": "is", "value": "pro"}
    by_rule, by_hand = await define(pro, None, subject=subject)
    one, two = await act(add_records, subject.value, ["one", "two"])

    await look([one], subject=subject)
    await choose(by_hand, {two: State.INCLUDED})

    assert await act(segments_of, subject) == {one: [by_rule], two: [by_hand]}


async def test_a_users_rule_makes_ingestion_watch_users(act, define):
    async def watches(db, workspace_id):
        return await db.scalar(text("select watches_users from workspaces where id = :w"), {"w": workspace_id})

    await define(None, subject=USERS)
    before = await act(watches)
    await define({"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 7}, subject=USERS)

    assert (before, await act(watches)) == (False, True)


async def test_an_accounts_rule_about_users_does_so_too(act, define):
    await define({"related": "users", "op": "atLeast", "count": 3, "where": {"field": "email", "op": "isSet"}})

    async def watches(db, workspace_id):
        return await db.scalar(text("select watches_users from workspaces where id = :w"), {"w": workspace_id})

    assert await act(watches) is True


async def test_archiving_ends_every_membership(act, look, define, choose):
    rich, other = await define(RICH, None)
    accounts = await act(add_accounts, [500, 5])
    await look(accounts)
    await choose(rich, {accounts[1]: State.INCLUDED})
    await choose(other, {accounts[1]: State.INCLUDED})

    await act(segments.archive, rich, now=NOW)
    await look(accounts, now=NOW + timedelta(1))

    assert await act(segments_of) == {accounts[0]: [], accounts[1]: [other]}
    assert [one[2:] for one in await act(changes, rich)][-2:] == [
        ("left", NOW + timedelta(1), "archive", "segment_archived", None)
    ] * 2
    with pytest.raises(SegmentArchived):
        await choose(rich, {accounts[0]: State.INCLUDED})
    with pytest.raises(SegmentArchived):
        await act(segments.change, rich, {"name": "x"}, now=NOW)
    assert await act(stored.to_judge, ACCOUNTS) == [{"id": other, "filter": None, "archived": False}]


async def test_a_rule_taken_away_leaves_who_was_added_by_hand(act, look, define, choose):
    (rich,) = await define(RICH)
    one, two = await act(add_accounts, [500, 500])
    await look([one, two])
    await choose(rich, {two: State.INCLUDED})

    changed = await act(segments.change, rich, {"filter": None}, now=NOW)
    await look([one, two])

    assert (changed["filter"], changed["version"], changed["reprocessing"] is not None) == (None, 2, True)
    assert await act(segments_of) == {one: [], two: [rich]}


async def test_a_filter_of_another_release_is_left_alone(act, look, define):
    rich, _ = await define(RICH, QUIET)
    (account,) = await act(add_accounts, [500], seen=NOW - timedelta(days=8))
    await look([account])

    async def age(db, _workspace_id):
        statement = """update segments set filter = '{"field": "mrr", "op": "ofTomorrow"}' where id = :id"""
        await db.execute(text(statement), {"id": rich})
        await db.execute(text("update account_facts set owner_last_seen_at = null, mrr = 1"))

    await act(age)
    await look([account])

    assert await act(segments_of) == {account: [rich]}


async def test_names_are_unique_whatever_their_case(act, define):
    await act(segments.create, Definition(ACCOUNTS, "Größe"), now=NOW)
    other = await act(segments.create, Definition(ACCOUNTS, "Other"), now=NOW)
    await act(segments.create, Definition(USERS, "Größe"), now=NOW)

    with pytest.raises(SegmentExists):
        await act(segments.create, Definition(ACCOUNTS, "GRÖSSE".replace("SS", "ß")), now=NOW)
    with pytest.raises(SegmentExists):
        await act(segments.change, other["id"], {"name": "GRÖßE"}, now=NOW)
    await act(segments.change, other["id"], {"name": "OTHER"}, now=NOW)
    await act(segments.archive, other["id"], now=NOW)
    await act(segments.create, Definition(ACCOUNTS, "other"), now=NOW)


async def test_there_is_a_most(act, define):
    async def fill(db, workspace_id):
        await db.execute(
            text(
                "insert into segments (workspace_id, id, subject, name) "
                "select :w, gen_random_uuid(), 'accounts', 'n' || n from generate_series(1, :most) n"
            ),
            {"w": workspace_id, "most": MOST_SEGMENTS},
        )

    await act(fill)

    with pytest.raises(TooManySegments):
        await define(RICH)
    await define(None, subject=USERS)


async def test_there_is_no_such_segment(act, choose):
    for unknown in (None, new_id()):
        with pytest.raises(UnknownSegment):
            await choose(unknown, {})
        with pytest.raises(UnknownSegment):
            await act(segments.show, unknown)


async def test_rules_and_hands_at_once_leave_what_either_order_would(act, look, define, choose):
    """Committed transactions that wait for each other: nobody deadlocks, and copies agree with links."""
    segment_ids = await define(RICH, None, RICH)
    accounts = await act(add_accounts, [500] * 30)
    states = [State.INCLUDED, State.EXCLUDED, State.AUTOMATIC]

    work = []
    for turn in range(8):
        work.append(look(accounts if turn % 2 else accounts[::-1]))
        chosen = {account: states[(ix + turn) % 3] for ix, account in enumerate(accounts)}
        work.append(choose(segment_ids[turn % 3], dict(reversed(chosen.items()))))
    await asyncio.gather(*work)
    await look(accounts)

    assert await act(drift) == []


async def drift(db, workspace_id):
    """Records whose copy or whose history says otherwise than their links."""
    found = await segments_of(db, workspace_id)
    known = await segment_reads.memberships(db, workspace_id, segments=None, records=found)
    wanted = {record: sorted(s for (s, r), one in known.items() if r == record and one.member) for record in found}
    told = {record: set() for record in found}
    for record, segment, change, *_ in await changes(db, workspace_id):
        (told[record].add if change == "entered" else told[record].remove)(segment)
    return [r for r in found if not found[r] == wanted[r] == sorted(told[r])]


async def test_ten_thousand_enter_at_once_in_a_few_statements(act, look, define, database):
    rich, *_ = await define(RICH, *[{"not": RICH}] * 4)
    accounts = await act(add_many, 10_000)

    async def analyse():  # as the schedule does with young tables
        async with database.engine.connect() as connection:
            await connection.execute(text("analyze accounts, account_facts, segments, segment_links"))
            await connection.commit()

    await analyse()
    statements = []

    async def judge(db, workspace_id):
        await db.execute(text("set local statement_timeout = '60s'"))  # a busy machine is no failure
        statements.clear()
        await segments.judge(db, workspace_id, ACCOUNTS, accounts, NOW)

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        await act(judge)
        entering = len(statements)
        await analyse()
        await act(judge)
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)

    assert entering == 5, "the segments, the verdicts, the links, two for the copies"
    assert len(statements) == 3, "nothing moved: no copies"
    assert len(await act(changes)) == len(accounts)
    assert set(map(tuple, (await act(segments_of)).values())) == {(rich,)}


async def add_many(db, workspace_id, count):
    await db.execute(
        text(
            """
            with made as (
                insert into accounts (workspace_id, id, external_id)
                select :w, gen_random_uuid(), n::text from generate_series(1, :count) n returning id
            )
            insert into account_facts (workspace_id, account_id, mrr) select :w, id, 500 from made
            """
        ),
        {"w": workspace_id, "count": count},
    )
    return sorted(await db.scalars(text("select id from accounts where workspace_id = :w"), {"w": workspace_id}))


records, which, sources = st.integers(0, 2), st.integers(0, 1), st.sampled_from([ONE, TWO])
moves = st.one_of(
    st.tuples(st.just("mrr"), records, st.sampled_from([1, 150, 500])),
    st.tuples(st.just("look"), st.sets(records, min_size=1), st.none()),
    st.tuples(st.just("choose"), which, st.dictionaries(records, st.sampled_from(State), min_size=1)),
    st.tuples(st.just("link"), which, st.tuples(st.sets(records, min_size=1), sources, st.booleans())),
    st.tuples(
        st.just("filter"), which, st.sampled_from([None, RICH, {"field": "mrr", "op": "lessThan", "value": 200}])
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(drawn=st.lists(moves, max_size=14))
async def test_whatever_happens_it_is_what_the_pure_rule_says_and_what_a_fresh_look_finds(database, drawn):
    """A model of links in sets, judged by `is_member`, against the database; then everything judged from scratch."""
    workspace_id = await open_workspace(database)
    links, out = set(), {}
    async with database.transaction(workspace_id) as db:
        ids = await add_accounts(db, workspace_id, [1, 150, 500])
        defined = [
            (await segments.create(db, workspace_id, Definition(ACCOUNTS, name, filter=RICH), now=NOW))["id"]
            for name in "ab"
        ]
        for number, (kind, target, what) in enumerate([*drawn, ("look", {0, 1, 2}, None)]):
            await _move(db, workspace_id, kind, target, what, ids, defined, NOW + timedelta(number))
            if kind == "choose":
                _choose(links, out, target, what)
            if kind == "link":
                touched, source, linked = what
                (links.update if linked else links.difference_update)({(target, one, source) for one in touched})
        by_rule = await db.execute(
            text("select segment_id, record_id from segment_links where workspace_id = :w and source = 'rule'"),
            {"w": workspace_id},
        )
        links |= {(defined.index(segment), ids.index(record), "rule") for segment, record in by_rule}
        expected = {
            ids[record]: [
                id_
                for ix, id_ in enumerate(defined)
                if is_member([s for seg, rec, s in links if (seg, rec) == (ix, record)], out.get((ix, record), ()))
            ]
            for record in range(3)
        }
        found = await segments_of(db, workspace_id)
        assert {record: sorted(of) for record, of in expected.items()} == found
        assert await drift(db, workspace_id) == []

        await db.execute(
            text("delete from segment_links where workspace_id = :w and source = 'rule'"), {"w": workspace_id}
        )
        await db.execute(text("update account_facts set segments = '{}' where workspace_id = :w"), {"w": workspace_id})
        await segments.judge(db, workspace_id, ACCOUNTS, ids, NOW)
        cause = segment_links.Cause("rule", "x", "x", NOW)
        await segment_links.settle(db, workspace_id, ACCOUNTS, ids, cause)
        assert await segments_of(db, workspace_id) == found


async def _move(db, workspace_id, kind, target, what, ids, defined, now):
    match kind:
        case "mrr":
            await set_mrr(db, workspace_id, ids[target], what)
        case "look":
            await segments.judge(db, workspace_id, ACCOUNTS, sorted(ids[one] for one in target), now)
        case "choose":
            states = {ids[one]: state for one, state in what.items()}
            await segments.set_members(db, workspace_id, defined[target], states, source="api", by="key_1", now=now)
        case "link":
            touched, source, linked = what
            touched = [ids[one] for one in touched]
            await segments.set_links(db, workspace_id, defined[target], touched, linked=linked, source=source, now=now)
        case "filter":
            await segments.change(db, workspace_id, defined[target], {"filter": what}, now=now)


def _choose(links, out, segment, states):
    for record, state in states.items():
        if state is not State.INCLUDED:
            links.discard((segment, record, "api"))
        else:
            links.add((segment, record, "api"))
        if state is State.EXCLUDED:
            of = [source for seg, rec, source in links if (seg, rec) == (segment, record)]
            out[segment, record] = held_back(of, out.get((segment, record), ()))
        else:
            out.pop((segment, record), None)


async def test_key_figures_come_from_one_statement(act, look, define, database):
    (rich,) = await define(RICH)
    accounts = await act(add_accounts, [500, 700, 5], seen=NOW - timedelta(days=8))
    await look(accounts)
    asked = Asked(rich, ACCOUNTS)

    async def figures(db, workspace_id):
        await db.execute(
            text("update account_facts set status = 'trial', owner_last_seen_at = null where account_id = :id"),
            {"id": accounts[1]},
        )
        return await segment_reads.figures(
            db, workspace_id, asked, quiet_before=NOW - timedelta(7), moved_after=NOW - timedelta(30)
        )

    found = {row["status"]: row for row in await act(figures)}

    assert {status: (int(row["mrr"]), row["quiet"], row["ever_seen"]) for status, row in found.items()} == {
        "subscribed": (500, 1, 1),
        "trial": (700, 0, 0),
    }
    assert {(row["entered"], row["left"]) for row in found.values()} == {(2, 0)}
