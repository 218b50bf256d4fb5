"""Both engines of the filter language give every row of an awkward population the same answer."""

import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import DateTime, and_, bindparam, null, select, text

from app.db import filters as sql
from app.domain import filters
from app.domain.fields import CATALOGUES, OPERATORS, READINGS, Op, Subject, Type, find
from app.domain.filters.tree import TURNS
from app.domain.ids import new_id, show
from app.domain.models import Account, AccountFacts
from tests.db.populations import DAYS, INSTANTS, KEYS, MEMBERS, NOW, NUMBERS, TICK, WORDS, draw, store

TEXTS = [word for word in WORDS if word] + [
    "ac",
    "M",
    "%",
    "_",
    "\\",
    "i",
    "σ",
    "example.COM",
    "true",
    "1.5",
    "-0.0",
    "0.0",
]
FIGURES = [int(n) if n == int(n) else float(n) for n in NUMBERS] + [1.5, 8, 1e22, 1e-7]
DATES = ["2026-03-22", "2026-03-29", "1999-12-31", "0001-01-01"]
MOMENTS = DATES + [at.isoformat() for at in INSTANTS if at]
NOWS = [NOW, NOW + TICK, NOW - TICK, NOW + timedelta(days=7), NOW - timedelta(days=7) + TICK]
POPULATION = draw(random.Random(7), 200)
ONES = {
    Type.TEXT: TEXTS,
    Type.NUMBER: FIGURES,
    Type.DATETIME: MOMENTS,
    Type.PERSON: [show("mem", member) for member in MEMBERS],
    Type.ID: [show("acc", account[0]) for account in POPULATION],
}
PATHS = [*CATALOGUES[Subject.ACCOUNTS], *(f"traits.{key}" for key in KEYS * 3)]
BARE = (Op.IS_SET, Op.IS_NOT_SET, Op.IS_TRUE, Op.IS_FALSE)


def readings(path):
    """What a fact may be read as."""
    fact = find(path)
    return READINGS if fact.key is not None else (fact.type,)


def singles(path, reading, op):
    """Usable single values for a condition."""
    if op in TURNS:
        return DAYS
    return DATES if op is Op.ON else ONES.get(reading) or list(find(path).options)


def condition(path, reading, op, value):
    """A condition as JSON."""
    typed = {"type": str(reading)} if find(path).key is not None else {}
    return {"field": path, "op": str(op), "value": value, **typed}


@st.composite
def conditions(pick):
    path = pick(st.sampled_from(PATHS))
    reading = pick(st.sampled_from(readings(path)))
    op = pick(st.sampled_from(OPERATORS[reading]))
    if op in BARE:
        found = condition(path, reading, op, None)
        if op in (Op.IS_SET, Op.IS_NOT_SET) and pick(st.booleans()):
            found.pop("type", None)
        return found
    one = st.sampled_from(singles(path, reading, op))
    if op is Op.BETWEEN:
        return condition(path, reading, op, [pick(one), pick(one)])
    value = pick(st.lists(one, min_size=1, max_size=4)) if op in (Op.IS_ANY_OF, Op.IS_NONE_OF) else pick(one)
    return condition(path, reading, op, value)


TREES = st.recursive(
    conditions(),
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=4)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, max_size=4)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=8,
)


def facts_of(account):
    """What the database says of an account, as the Python engine takes it."""
    id_, external_id, created_at, traits, columns = account
    stored = {"account_id": id_, "external_id": external_id, "created_at": created_at, "name": traits.get("name")}
    stored |= columns
    return {path: stored[fact.column] for path, fact in CATALOGUES[Subject.ACCOUNTS].items()} | {"traits": traits}


@pytest.fixture(scope="session")
async def populated(database):
    """A workspace that holds the population."""
    workspace_id = new_id()
    async with database.transaction(workspace_id) as db:
        await db.execute(
            text("insert into workspaces (id, slug, name) values (:id, :slug, 'Filters')"),
            {"id": workspace_id, "slug": f"t-{workspace_id.hex}"},
        )
        await store(db, workspace_id, POPULATION)
    return workspace_id


def rows(*columns):
    """A query over every account of the population's workspace."""
    joined = and_(Account.workspace_id == AccountFacts.workspace_id, Account.id == AccountFacts.account_id)
    return select(AccountFacts.account_id, *columns).join(Account, joined)


async def fetch(database, workspace_id, query, **values):
    """Its rows."""
    async with database.transaction(workspace_id) as db:
        return (await db.execute(query.where(AccountFacts.workspace_id == workspace_id), values)).all()


async def answers(database, workspace_id, trees, now):
    """For each tree the accounts' answers, from PostgreSQL."""
    found = await fetch(
        database, workspace_id, rows(*(sql.holds(tree, now).label(f"t{ix}") for ix, tree in enumerate(trees)))
    )
    return [{row[0]: row[ix + 1] for row in found} for ix in range(len(trees))]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=TREES, now=st.sampled_from(NOWS), later_known=st.booleans())
async def test_both_engines_give_every_account_the_same_answer(database, populated, source, now, later_known):
    """Whether the clock is in the statement or given to it."""
    tree = filters.parse(source)
    clock = bindparam("now", type_=DateTime(timezone=True)) if later_known else now

    instant = sql.next_change(tree, clock)
    later = null() if instant is None else instant
    query = rows(sql.holds(tree, clock).label("holds"), later.label("later"))
    found = await fetch(database, populated, query, now=now)

    assert {row[0]: (row[1], row[2]) for row in found} == {
        account[0]: (filters.holds(tree, facts_of(account), now), filters.next_change(tree, facts_of(account), now))
        for account in POPULATION
    }


def every_value(path, reading, op):
    """The operands an operator is tried with."""
    if op in BARE:
        return [None]
    ones = singles(path, reading, op)[:20]
    if op is Op.BETWEEN:
        return [[low, high] for low in ones[::5] for high in ones[::5]]
    return [ones[:1], ones[1:3], ones] if op in (Op.IS_ANY_OF, Op.IS_NONE_OF) else ones


@pytest.mark.parametrize("op", Op)
async def test_every_operator_agrees_on_every_fact_it_applies_to(database, populated, op):
    for path in dict.fromkeys(PATHS):
        sources = [
            condition(path, reading, op, value)
            for reading in readings(path)
            if op in OPERATORS[reading]
            for value in every_value(path, reading, op)
        ]
        found = await answers(database, populated, [filters.parse(source) for source in sources], NOW)
        for source, given_answers in zip(sources, found, strict=True):
            tree = filters.parse(source)
            expected = {account[0]: filters.holds(tree, facts_of(account), NOW) for account in POPULATION}
            assert given_answers == expected, source


@settings(max_examples=150, deadline=None)
@given(source=conditions(), now=st.sampled_from(NOWS))
def test_no_answer_changes_before_the_next_change(source, now):
    """The clock alone: up to a tick before the instant the answer is the same, and for one condition it then differs
    unless the operand makes both sides the same."""
    leaf = filters.parse(source)
    for account in POPULATION[:100]:
        facts = facts_of(account)
        answer = filters.holds(leaf, facts, now)
        change = filters.next_change(leaf, facts, now)
        if change is None:
            assert filters.holds(leaf, facts, now + timedelta(days=200 * 365)) == answer
        else:
            assert change > now
            assert filters.holds(leaf, facts, change - TICK) == answer
            assert filters.holds(leaf, facts, now + (change - now) / 2) == answer
            assert filters.holds(leaf, facts, change) != answer or leaf.operand == 0
