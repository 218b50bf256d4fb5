"""PostgreSQL works metrics out as the plain meaning in the domain says: value, change, next turn of the clock."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import metrics
from app.db.base import raw
from app.db.metrics import Asked, Bucket, Wanted
from app.domain.fields import Subject
from app.domain.ids import new_id
from app.domain.matching import digest, key, matches
from app.domain.metrics import InvalidExpression, read
from app.domain.metrics.meaning import Happening, Record, change, next_turn, value

NOW = datetime(2026, 3, 31, 9, 30, tzinfo=UTC)
NAMES = ["Report", "Login"]
PRO = {"property": "plan", "op": "is", "value": "pro"}
NUMBERS = [0, 1, -3, 2.5, 1e-6, 1234567.891, 1e14, 99999999999]
TRAITS = [None, 0, 7, -2.5, "12", "x", True, 1e300, [1]]
NOBODY = "00000000-0000-0000-0000-000000000000"


def world(seed):
    """Accounts with users and events, in organizations that have events of their own."""
    rng = random.Random(seed)
    users = {new_id(): {"traits": traits(rng)} for _ in range(8)}
    accounts = {new_id(): account(rng, users) for _ in range(10)}
    organizations = {new_id(): [] for _ in range(2)}
    for ix, account_id in enumerate(accounts):
        if ix < 7:
            list(organizations.values())[ix % 2].append(account_id)
    own = {id_: happenings(rng, list(users)) for id_ in organizations}
    return users, accounts, organizations, own


def traits(rng):
    return {"n": rng.choice(TRAITS), "m": rng.choice(TRAITS)}


def account(rng, users):
    members = rng.sample(list(users), rng.randint(0, 5))
    facts = {"users": len(members), "mrr": rng.choice([None, Decimal(0), Decimal("99.5"), Decimal(400)])}
    return {**facts, "traits": traits(rng)}, members, happenings(rng, list(users))


def happenings(rng, users):
    return [
        Happening(
            rng.choice(NAMES),
            NOW.date() - timedelta(days=rng.choice([-2, 0, 0, 1, 2, 5, 6, 7, 13, 14, 29, 30, 59, 60, 300])),
            rng.choice([None, *users]),
            {"plan": rng.choice(["pro", "Pro", "free"])},
        )
        for _ in range(rng.choice([0, 1, 5, 30]))
    ]


USERS, ACCOUNTS, ORGANIZATIONS, OWN = world(11)


def records(subject):
    """All that the meaning needs to know of each record."""
    if subject is Subject.ACCOUNTS:
        return {
            id_: Record({"accountless": None, **facts}, [USERS[one] for one in members], events)
            for id_, (facts, members, events) in ACCOUNTS.items()
        }
    found = {}
    for id_, inside in ORGANIZATIONS.items():
        people = sorted({user for one in inside for user in ACCOUNTS[one][1]})
        events = OWN[id_] + [one for account_id in inside for one in ACCOUNTS[account_id][2]]
        found[id_] = Record({"users": 3, "mrr": Decimal(10), "traits": {}}, [USERS[one] for one in people], events)
    return found


async def store(db, workspace_id):
    """The world as ingestion and evaluation would have left it; the measures by name and filter."""
    connection = await raw(db)
    many = connection.executemany
    await many(
        "insert into users (workspace_id, id, external_id, traits) values ($1, $2, $3, $4)",
        [(workspace_id, id_, id_.hex, json.dumps(one["traits"])) for id_, one in USERS.items()],
    )
    await many(
        "insert into accounts (workspace_id, id, external_id, traits) values ($1, $2, $3, $4)",
        [(workspace_id, id_, id_.hex, json.dumps(facts["traits"])) for id_, (facts, _, _) in ACCOUNTS.items()],
    )
    await many(
        "insert into account_facts (workspace_id, account_id, users, mrr, evaluated_at) values ($1, $2, $3, $4, now())"
        " on conflict (workspace_id, account_id) do update set users = excluded.users, mrr = excluded.mrr",
        [(workspace_id, id_, facts["users"], facts["mrr"]) for id_, (facts, _, _) in ACCOUNTS.items()],
    )
    await many(
        "insert into memberships (workspace_id, account_id, user_id, linked, changed_at)"
        " values ($1, $2, $3, true, now())",
        [(workspace_id, id_, user) for id_, (_, members, _) in ACCOUNTS.items() for user in members],
    )
    await many(
        "insert into organizations (workspace_id, id, external_id) values ($1, $2, $3)",
        [(workspace_id, id_, id_.hex) for id_ in ORGANIZATIONS],
    )
    await many(
        "insert into organization_facts (workspace_id, organization_id, users, mrr) values ($1, $2, 3, 10)",
        [(workspace_id, id_) for id_ in ORGANIZATIONS],
    )
    await many(
        "insert into account_parents (workspace_id, account_id, organization_id, stamp) values ($1, $2, $3, 0)",
        [(workspace_id, account_id, id_) for id_, inside in ORGANIZATIONS.items() for account_id in inside],
    )
    return await count(connection, workspace_id)


async def count(connection, workspace_id):
    """Buckets and totals of every measure."""
    measured = {}
    known = {**{id_: events for id_, (_, _, events) in ACCOUNTS.items()}, **OWN}
    for name in NAMES:
        for where in (None, PRO):
            measured[(name, key(where))] = measure = await connection.fetchval(
                "insert into measures (workspace_id, name, filter, digest) values ($1, $2, $3, $4) returning id",
                *(workspace_id, name, where and json.dumps(where), digest(name, where)),
            )
            for id_, events in known.items():
                fitting = [one for one in events if one.name == name and (not where or matches(where, one.properties))]
                await put(connection, workspace_id, id_, measure, fitting)
    return measured


async def put(connection, workspace_id, id_, measure, events):
    await connection.executemany(
        "insert into measure_days (workspace_id, record_id, measure_id, day, user_id, count)"
        " values ($1, $2, $3, $4, $5, 1) on conflict (workspace_id, record_id, measure_id, day, user_id)"
        " do update set count = measure_days.count + 1",
        [(workspace_id, id_, measure, one.day, one.user or NOBODY) for one in events],
    )
    if events:
        await connection.execute(
            "insert into measure_totals (workspace_id, record_id, measure_id, count, first_at, last_at)"
            " values ($1, $2, $3, $4, now(), now())",
            *(workspace_id, id_, measure, len(events)),
        )


@pytest.fixture(scope="session")
async def populated(database):
    """A workspace that holds the world, and its measures."""
    workspace_id = new_id()
    async with database.transaction(workspace_id) as db:
        await db.execute(
            text("insert into workspaces (id, slug, name) values (:id, :slug, 'Metrics')"),
            {"id": workspace_id, "slug": f"t-{workspace_id.hex}"},
        )
        return workspace_id, await store(db, workspace_id)


EVENTS = st.fixed_dictionaries(
    {
        "events": st.lists(st.sampled_from([*NAMES, "Never"]), min_size=1, max_size=3, unique=True),
        "count": st.sampled_from(["events", "users", "days"]),
        "days": st.sampled_from([None, 1, 2, 7, 7, 30, 400]),
        "where": st.sampled_from([None, None, PRO]),
    }
)
FIELDS = st.sampled_from([{"field": path} for path in ("users", "mrr", "traits.n", "traits.m")])
WHERES = [None, {"field": "traits.m", "op": "isSet"}, {"field": "traits.n", "op": "greaterThan", "value": 0}]
PEOPLE = st.builds(
    lambda aggregate, where: {"users": {"aggregate": aggregate, "where": where} | field_of(aggregate)},
    st.sampled_from(["count", "sum", "average", "min", "max"]),
    st.sampled_from(WHERES),
)
TERMS = st.one_of(EVENTS, EVENTS, FIELDS, PEOPLE)


def field_of(aggregate):
    return {} if aggregate == "count" else {"field": "traits.n"}


def operations(inner):
    pairs = st.fixed_dictionaries(
        {"op": st.sampled_from(["subtract", "divide"]), "args": st.lists(inner, min_size=2, max_size=2)}
    )
    more = st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "multiply", "min", "max", "coalesce"]),
            "args": st.lists(inner, min_size=1, max_size=3),
        }
    )
    return pairs | more


EXPRESSIONS = st.recursive(st.one_of(TERMS, TERMS, st.sampled_from(NUMBERS)), operations, max_leaves=5)
WINDOWS = EVENTS.filter(lambda one: one["days"] is not None)
EQUATIONS = st.fixed_dictionaries(
    {
        "numerator": st.one_of(EXPRESSIONS, WINDOWS, operations(WINDOWS | st.sampled_from(NUMBERS))),
        "denominator": st.none() | EXPRESSIONS | WINDOWS,
        "percent": st.booleans(),
    }
)


def understood(source, subject):
    try:
        return read(source, subject)
    except InvalidExpression:  # too deep, or of numbers alone
        return None


def near(found, wanted):
    """Whether two values are the same but for the digits at which a division in PostgreSQL stops."""
    if found is None or wanted is None:
        return found is wanted
    return abs(Decimal(str(found)) - wanted) <= Decimal("0.000002") + abs(wanted) / 10**9


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(sources=st.lists(EQUATIONS, min_size=1, max_size=4), subject=st.sampled_from(["accounts", "organizations"]))
async def test_postgres_says_what_the_meaning_says(database, populated, sources, subject):
    subject = Subject(subject)
    equations = [one for source in sources if (one := understood(source, subject)) is not None]
    workspace_id, measured = populated
    known = records(subject)
    asked = [Asked(new_id(), f"m{ix}", 1, equation) for ix, equation in enumerate(equations)]

    async with database.transaction(workspace_id) as db:
        nested = await db.begin_nested()
        for one in asked:
            await metrics.insert_new(db, workspace_id, definition(one))
        later = await metrics.settle(db, workspace_id, subject, list(known), asked, measured, now=NOW)
        found = {id_: await metrics.stored(db, workspace_id, subject, id_) for id_ in known}
        noted = (await db.execute(text("select record_id, metric_id, day, value from metric_days"))).all()
        again = await metrics.settle(db, workspace_id, subject, list(known), asked, measured, now=NOW)
        await nested.rollback()

    for id_, record in known.items():
        for one in asked:
            assert near(found[id_][0].get(one.slug), value(one.equation, record, NOW)), (one.equation, record)
            assert near(found[id_][1].get(one.slug), change(one.equation, record, NOW)), (one.equation, record)
        assert later.get(id_) == expected(asked, record)
    assert {(row[0], row[1]) for row in noted} == {
        (id_, one.id) for id_ in known for one in asked if one.slug in found[id_][0]
    }
    assert all(row[2] == NOW.date() for row in noted)
    assert again.keys() <= later.keys()


def definition(one):
    words = {"slug": one.slug, "name": one.slug, "subjects": [], "equation": {}, "history_days": 0}
    return {"id": one.id, **words}


def expected(asked, record):
    """When to look again: at the clock of the terms, and where there is no window when today's value is long ago."""
    found = [next_turn(one.equation, record, NOW) for one in asked]
    midnight = datetime.combine(NOW.date(), time(), UTC)
    still = [one.equation for one in asked if not one.equation.shifts]
    found += [midnight + timedelta(days=one.days) for one in still if value(one, record, NOW) is not None]
    return min((at for at in found if at is not None), default=None)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=EQUATIONS, subject=st.sampled_from(["accounts", "organizations"]))
async def test_what_is_counted_besides_is_as_good_as_stored(database, populated, source, subject):
    """A preview counts filtered events itself: the same comes out."""
    subject = Subject(subject)
    equation = understood(source, subject)
    if equation is None:
        return
    workspace_id, measured = populated
    known = records(subject)
    made = {one: -ix - 1 for ix, one in enumerate(measured) if one[1]}
    more = [
        Bucket(id_, made[(one.name, key(PRO))], one.day, one.user or new_id_of_nobody(), 1)
        for id_, record in known.items()
        for one in record.events
        if matches(PRO, one.properties)
    ]
    async with database.transaction(workspace_id) as db:
        wanted = Wanted(equation, {**measured, **made}, more)
        seen = await metrics.look(db, workspace_id, subject, list(known), wanted, now=NOW)
    for id_, record in known.items():
        past = replace(record, events=[one for one in record.events if one.day <= NOW.date()])
        assert near(seen[id_].now, value(equation, past, NOW))


def new_id_of_nobody():
    return type(new_id())(NOBODY)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=WINDOWS | operations(WINDOWS | st.sampled_from(NUMBERS)), subject=st.sampled_from(list(Subject)[:1]))
async def test_the_past_that_is_worked_out_is_what_each_day_would_have_said(database, populated, source, subject):
    equation = understood({"numerator": source}, subject)
    if equation is None:
        return
    workspace_id, measured = populated
    known = records(subject)
    metric = Asked(new_id(), "past", 1, equation, is_told=False)
    first, last = NOW.date() - timedelta(days=40), NOW.date() - timedelta(days=1)

    async with database.transaction(workspace_id) as db:
        nested = await db.begin_nested()
        await db.execute(text("update accounts set created_at = '2020-01-01'"))
        await metrics.insert_new(db, workspace_id, definition(metric))
        for _ in range(2):
            await metrics.tell(db, workspace_id, subject, list(known), metric, measured, days=(first, last))
        told = {id_: await metrics.days(db, workspace_id, id_, metric.id, first=first, last=last) for id_ in known}
        await nested.rollback()

    for id_, record in known.items():
        steps, holding = {row[0]: row[1] for row in told[id_]}, None
        for ahead in range(40):
            day = first + timedelta(days=ahead)
            holding = steps.get(day, holding)
            assert near(holding, value(equation, record, datetime.combine(day, time(12), UTC)))
