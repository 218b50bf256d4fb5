"""Both engines of the filter language give every record of an awkward workspace the same answer, and it is that of the
plain reference in tests/domain/reference.py."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import DateTime, bindparam, null, select, text

from app.db import facts, verdicts
from app.db import filters as sql
from app.db.facts import GROUNDS
from app.domain import filters
from app.domain.fields import Op, Quantity, Subject, find
from app.domain.filters import bind, parse
from app.domain.filters.tree import looks_back
from app.domain.filters.values import FIRST, LAST, instant_of
from app.domain.ids import new_id
from app.domain.operators import BARE, MANY
from tests.db import worlds
from tests.db.populations import NOW, TICK, TRAITS
from tests.domain import trees
from tests.domain.reference import means
from tests.domain.trees import ASKED, NOWS, SUBJECTS, condition, operators, paths, readings, singles

WORLD = worlds.draw(7)
ME = trees.IDS["mem"][0]


@pytest.fixture(scope="session")
async def populated(database):
    """A workspace that holds the world."""
    workspace_id = new_id()
    async with database.transaction(workspace_id) as db:
        await db.execute(
            text("insert into workspaces (id, slug, name) values (:id, :slug, 'Filters')"),
            {"id": workspace_id, "slug": f"t-{workspace_id.hex}"},
        )
        await worlds.store(db, workspace_id, WORLD)
    return workspace_id


async def fetch(database, workspace_id, subject, trees_, *columns, **values):
    """Something of every record of a subject that the trees may ask about."""
    ground = GROUNDS[subject]
    named = [leaf.fact for tree in trees_ for leaf in filters.leaves(tree)]
    query = facts.joined(select(ground.id, *columns).select_from(ground.start), subject, named)
    async with database.transaction(workspace_id) as db:
        return (await db.execute(query.where(ground.workspace == workspace_id), values)).all()


async def answers(database, workspace_id, subject, asked, now, *, whole=False):
    """For each tree the records' answers, from PostgreSQL."""
    columns = [sql.holds(tree, now, whole=whole).label(f"t{ix}") for ix, tree in enumerate(asked)]
    found = await fetch(database, workspace_id, subject, asked, *columns)
    return [{row[0]: row[ix + 1] for row in found} for ix in range(len(asked))]


def expected(subject, tree, now):
    """The records' answers, from Python."""
    return {id_: filters.holds(tree, told, now) for id_, told in WORLD.facts[subject].items()}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=ASKED, now=st.sampled_from(NOWS), later_known=st.booleans(), whole=st.booleans())
async def test_both_engines_give_every_record_the_same_answer(database, populated, asked, now, later_known, whole):
    """Whether the clock is in the statement or given to it, and whether records are asked one by one or at once."""
    subject, source = asked
    tree = bind(parse(source, subject), ME)
    clock = bindparam("now", type_=DateTime(timezone=True)) if later_known else now

    instant = sql.next_change(tree, clock)
    later = null() if instant is None else instant
    columns = [sql.holds(tree, clock, whole=whole).label("holds"), later.label("later")]
    found = await fetch(database, populated, subject, [tree], *columns, now=now)

    assert {row[0]: (row[1], row[2]) for row in found} == {
        id_: (means(source, subject, told, now, ME), filters.next_change(tree, told, now))
        for id_, told in WORLD.facts[subject].items()
    }
    assert {row[0]: row[1] for row in found} == expected(subject, tree, now)


def every_value(fact, reading, op):
    """The operands an operator is tried with."""
    if op in BARE:
        return [None]
    known = singles(fact, reading, op)
    ones = known[:: max(1, len(known) // 10)]
    if op is Op.BETWEEN:
        return [[low, high] for low in ones[::3] for high in ones[::3]]
    return [ones[:1], ones[1:3], ones] if op in MANY else ones


@pytest.mark.parametrize("op", Op)
@pytest.mark.parametrize("subject", Subject)
async def test_every_operator_agrees_on_every_fact_it_applies_to(database, populated, subject, op):
    for path in dict.fromkeys(paths(subject)):
        fact = find(path, subject)
        sources = [
            condition(fact, reading, op, value)
            for reading in readings(fact)
            if op in operators(fact, reading)
            for value in every_value(fact, reading, op)
        ]
        asked = [bind(parse(source, subject), ME) for source in sources]
        found = await answers(database, populated, subject, asked, NOW, whole=True) if asked else []
        for source, tree, given_answers in zip(sources, asked, found, strict=True):
            plainly = {id_: means(source, subject, told, NOW, ME) for id_, told in WORLD.facts[subject].items()}
            assert given_answers == plainly == expected(subject, tree, NOW), source


@pytest.mark.parametrize("op", Quantity)
@pytest.mark.parametrize("subject", Subject)
async def test_related_records_are_counted_alike(database, populated, subject, op):
    for relation in trees.RELATIONS[subject].values():
        for count in (0, 1, 2, 5):
            for where in (None, {"field": "lastSeenAt", "op": "inLastDays", "value": 7}):
                source = {"related": relation.name, "op": str(op), "where": where}
                tree = parse(source if op is Quantity.NONE else {**source, "count": count}, subject)
                wanted = expected(subject, tree, NOW)
                one_by_one = await answers(database, populated, subject, [tree], NOW)
                at_once = await answers(database, populated, subject, [tree], NOW, whole=True)
                assert one_by_one == at_once == [wanted], source


@pytest.mark.parametrize("op", Quantity)
@pytest.mark.parametrize("subject", [Subject.ACCOUNTS, Subject.ORGANIZATIONS])
async def test_events_are_counted_alike(database, populated, subject, op):
    asked = [
        {"event": event, "op": str(op), "count": None if op is Quantity.NONE else count, "inLastDays": days}
        for event in (*trees.EVENTS, "Never")
        for count in (0, 1, 2, 5)
        for days in trees.WINDOWS
    ]
    understood = [parse(source, subject) for source in asked]
    found = await answers(database, populated, subject, understood, NOW)

    for source, tree, given_answers in zip(asked, understood, found, strict=True):
        plain = {key: value for key, value in source.items() if value is not None}
        plainly = {id_: means(plain, subject, told, NOW) for id_, told in WORLD.facts[subject].items()}
        assert given_answers == plainly == expected(subject, tree, NOW), source


@pytest.mark.parametrize("subject", [Subject.ACCOUNTS, Subject.ORGANIZATIONS])
@pytest.mark.parametrize("now", NOWS)
async def test_many_conditions_on_events_are_answered_from_one_look(database, populated, subject, now):
    asked = [
        parse({"event": event, "op": str(op), "count": count, "inLastDays": days}, subject)
        for event in (*trees.EVENTS, "Never")
        for op in (Quantity.AT_LEAST, Quantity.AT_MOST, Quantity.EXACTLY)
        for count in (0, 1, 2, 5)
        for days in trees.WINDOWS
    ]
    async with database.transaction(populated) as db:
        found = await verdicts.ask(db, populated, subject, list(WORLD.facts[subject]), asked, now)

    for one in found:
        told = WORLD.facts[subject][one.record_id]
        assert one.holding == tuple(ix for ix, tree in enumerate(asked) if filters.holds(tree, told, now))
        changes = [at for tree in asked if (at := filters.next_change(tree, told, now)) is not None]
        assert one.next_change == min(changes, default=None)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    source=trees.happened(),
    subject=st.sampled_from([Subject.ACCOUNTS, Subject.ORGANIZATIONS]),
    ago=st.sampled_from([0, 1, 6, 7, 29, 30, 400]),
)
async def test_events_counted_since_do_not_count_for_the_past(database, populated, source, subject, ago):
    at = (NOW - timedelta(days=ago)).replace(hour=23, minute=59, second=59, microsecond=999999)
    tree = parse(source, subject)
    found = await fetch(database, populated, subject, [], sql.holds(tree, at, past=True).label("held"))

    def then(told):
        days = {event: [one for one in seen if one[0] <= at.date()] for event, seen in told["days"].items()}
        return means(source, subject, {**told, "days": days}, at)

    assert {row[0]: row[1] for row in found} == {id_: then(told) for id_, told in WORLD.facts[subject].items()}


@settings(max_examples=100, deadline=None)
@given(
    source=trees.happened(),
    subject=st.sampled_from([Subject.ACCOUNTS, Subject.ORGANIZATIONS]),
    now=st.sampled_from(NOWS),
)
def test_a_condition_on_events_changes_exactly_when_it_says(source, subject, now):
    tree = parse(source, subject)
    for told in WORLD.facts[subject].values():
        answer = filters.holds(tree, told, now)
        change = filters.next_change(tree, told, now)
        until = now + timedelta(days=900) if change is None else change - TICK
        assert filters.holds(tree, told, until) == answer
        assert filters.holds(tree, told, now + (until - now) / 2) == answer
        if change is not None:
            assert change > now
            assert (change.hour, change.minute, change.second, change.microsecond) == (0, 0, 0, 0)
            assert filters.holds(tree, told, change) != answer or tree.op is Quantity.EXACTLY


@settings(max_examples=150, deadline=None)
@given(
    asked=SUBJECTS.flatmap(lambda subject: st.tuples(st.just(subject), trees.leaves(subject))),
    now=st.sampled_from(NOWS),
)
def test_no_answer_changes_before_the_next_change(asked, now):
    """The clock alone: up to a tick before the instant the answer is the same, and for one condition it then differs
    unless the operand makes both sides the same, or what the value was is as good after it."""
    subject, source = asked
    leaf = parse(source, subject)
    for told in WORLD.facts[subject].values():
        answer = filters.holds(leaf, told, now)
        change = filters.next_change(leaf, told, now)
        if change is None:
            assert filters.holds(leaf, told, now + timedelta(days=200 * 365)) == answer
        else:
            assert change > now
            assert filters.holds(leaf, told, change - TICK) == answer
            assert filters.holds(leaf, told, now + (change - now) / 2) == answer
            assert filters.holds(leaf, told, change) != answer or leaf.operand == 0 or looks_back(leaf)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=ASKED, now=st.sampled_from(NOWS))
def test_no_tree_changes_its_answer_before_the_next_change(asked, now):
    """Conditions on related records too: their clocks are those of the records they count."""
    subject, source = asked
    tree = parse(source, subject)
    for told in WORLD.facts[subject].values():
        answer = filters.holds(tree, told, now)
        change = filters.next_change(tree, told, now)
        assert change is None or change > now
        until = now + timedelta(days=200 * 365) if change is None else change - TICK
        assert filters.holds(tree, told, until) == answer
        assert filters.holds(tree, told, now + (until - now) / 2) == answer


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=ASKED, now=st.sampled_from(NOWS))
async def test_what_is_loaded_explains_as_the_world_does(database, populated, asked, now):
    """Counts of related records come from the database, and the rest of the explanation is the same."""
    subject, source = asked
    tree = bind(parse(source, subject), ME)
    ids = list(WORLD.facts[subject])

    async with database.transaction(populated) as db:
        loaded = await facts.load(db, populated, ids, facts.needs(tree), subject, now=now)

    for id_ in ids:
        told = WORLD.facts[subject][id_]
        assert filters.holds(tree, loaded[id_], now) == filters.holds(tree, told, now)
        assert [(one.field, one.holds) for one in filters.explain(tree, loaded[id_], now)] == [
            (one.field, one.holds) for one in filters.explain(tree, told, now)
        ]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    asked=SUBJECTS.flatmap(lambda one: st.tuples(st.just(one), st.lists(trees.understood(one), max_size=4))),
    now=st.sampled_from(NOWS),
)
async def test_many_filters_are_answered_in_one_statement(database, populated, asked, now):
    subject, sources = asked
    wanted = [bind(parse(source, subject), ME) for source in sources]
    ids = list(WORLD.facts[subject])

    async with database.transaction(populated) as db:
        found = await verdicts.ask(db, populated, subject, ids, wanted, now)

    for one in found:
        told = WORLD.facts[subject][one.record_id]
        assert one.holding == tuple(ix for ix, tree in enumerate(wanted) if filters.holds(tree, told, now))
        changes = [at for tree in wanted if (at := filters.next_change(tree, told, now)) is not None]
        assert one.next_change == min(changes, default=None)


async def test_texts_are_the_same_instants_to_both_engines(database):
    """Beyond the calendar's ends too, where PostgreSQL has instants that Python has not."""
    texts = [one for one in TRAITS if isinstance(one, str)]
    asked = "unnest(cast(:texts as text[])) with ordinality as t (one, n) order by n"
    async with database.transaction(new_id()) as db:
        query = text(f"select steward_instant(to_jsonb(one)) from {asked}")
        found = (await db.scalars(query, {"texts": texts})).all()

    assert dict(zip(texts, found, strict=True)) == {one: instant_of(one) for one in texts}
    assert {FIRST, LAST} <= set(found)


async def test_values_may_come_from_elsewhere(database, populated):
    """The compiler is told where; what may not be missing in our tables may be missing there."""
    tree = parse(
        {"all": [{"field": "status", "op": "isNot", "value": "trial"}, {"field": "users", "op": "atMost", "value": 1}]}
    )
    nowhere = sql.holds(tree, NOW, of=lambda fact, _reading: bindparam(None, None, type_=sql.value(fact).type))
    found = await fetch(database, populated, Subject.ACCOUNTS, [], nowhere.label("holds"))

    assert {row[1] for row in found} == {False}
