"""Creates, updates and disables, in any order, split anyhow and repeated, before or after the definition: one state."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import element_counts
from app.domain.fields import Subject
from app.domain.memory import Memory
from app.domain.messages import Envelope, EventMessage, ParentMessage
from app.services import elements, evaluation, ingest, records
from app.services.elements import Wanted
from app.workers.pump import pump_once
from tests.conftest import open_workspace

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROLES = {"Made": "create", "Used": "update", "Gone": "disable"}
STEPS = {"create": {"event": "Made"}, "update": {"event": "Used"}, "disable": {"event": "Gone"}}
LIVE = {"property": "test", "op": "isNot", "value": True}
DEFINITIONS = {
    "things": {**STEPS, "instanceProperty": "id"},
    "totals": STEPS,
    "filtered": {**STEPS, "create": {"event": "Made", "where": LIVE}, "instanceProperty": "id"},
    "simple": {"create": {"event": "Made", "where": LIVE}},
}
STORED = """
    select coalesce(a.external_id, o.external_id), e.slug, i.instance, i.enabled_at, i.disabled_at, i.first_at,
        i.last_at
    from element_instances i
    join elements e on e.workspace_id = i.workspace_id and e.counted_as = i.element_id
    left join accounts a on a.workspace_id = i.workspace_id and a.id = i.record_id
    left join organizations o on o.workspace_id = i.workspace_id and o.id = i.record_id
"""
FACTS = """
    select r.external_id, f.elements, f.element_firsts, f.element_lasts, f.elements_used
    from {0}s r join {0}_facts f on f.workspace_id = r.workspace_id and f.{0}_id = r.id
"""

ats = st.integers(0, 5).map(lambda n: NOW - timedelta(hours=9 * n))  # few instants, so that ties happen
names = st.sampled_from([None, "a", "b", 7, "7", 7.0, True])
properties = st.fixed_dictionaries({"id": names}, optional={"test": st.booleans()}).map(orjson.dumps)
events = st.builds(
    EventMessage,
    at=ats,
    name=st.sampled_from(sorted(ROLES)),
    account=st.sampled_from(["acme", "globex", None]),
    user=st.none(),
    properties=properties,
    organization=st.just("group"),
)


def instance_of(value):
    named = {True: "true"}.get(value, value) if isinstance(value, bool) else value
    return None if named is None else str(int(named)) if isinstance(named, float) else str(named)


def counts_for(definition, event):
    """The role an event plays for an element, if any."""
    role = ROLES[event.name]
    step = definition.get(role)
    said = orjson.loads(event.properties)
    fits = step is not None and not ("where" in step and said.get("test") is True)
    return role if fits else None


def expected(happened):
    """What the plain rules make of the events: (stored instances, facts of accounts and of the organization)."""
    stored, facts = set(), {}
    for slug, definition in DEFINITIONS.items():
        told = [(e, role) for e in happened if (role := counts_for(definition, e))]
        for record in {e.account or e.organization for e, _ in told}:
            own = [(e, role) for e, role in told if (e.account or e.organization) == record]
            if "instanceProperty" not in definition:
                made = [e.at for e, role in own if role == "create"]
                moved = [e.at for e, role in own if role != "disable"]
                count = max(0, len(made) - sum(role == "disable" for _, role in own))
                facts[record, slug] = (count, min(made, default=None), max(moved, default=None))
                continue
            found = instances(own)
            stored |= {(record, slug, name, *seen) for name, seen in found.items()}
            there = sum(on is not None and (off is None or on > off) for on, off, _, _ in found.values())
            firsts = [first for _, _, first, _ in found.values() if first]
            lasts = [last for _, _, _, last in found.values() if last]
            facts[record, slug] = (there, min(firsts, default=None), max(lasts, default=None))
    return stored, facts


def instances(told):
    found = {}
    for name in {instance_of(orjson.loads(e.properties).get("id")) for e, _ in told} - {None}:
        own = [(e.at, role) for e, role in told if instance_of(orjson.loads(e.properties).get("id")) == name]
        made = [at for at, role in own if role == "create"]
        off = [at for at, role in own if role == "disable"]
        moved = [at for at, role in own if role != "disable"]
        found[name] = (
            max(made, default=None),
            max(off, default=None),
            min(made, default=None),
            max(moved, default=None),
        )
    return found


def above(facts):
    """What the organization has: its own, and what its accounts have."""
    rolled = {}
    for slug in DEFINITIONS:
        parts = [facts.get((record, slug), (0, None, None)) for record in ("acme", "globex", "group")]
        firsts, lasts = ([part[n] for part in parts if part[n]] for n in (1, 2))
        rolled[slug] = (sum(part[0] for part in parts), min(firsts, default=None), max(lasts, default=None))
    return rolled


async def define(database, workspace_id):
    for slug, definition in DEFINITIONS.items():
        async with database.transaction(workspace_id) as db:
            await elements.create(db, workspace_id, Wanted(slug, slug, None, definition), now=NOW)


async def state_after(database, runtime, deliveries, defined_after):
    """What is stored after these flushes; the definitions come after so many of them."""
    workspace_id = await open_workspace(database)
    memory = Memory()
    for number, flush in enumerate([*deliveries, None]):
        if number == defined_after:
            await define(database, workspace_id)
        if flush is not None:
            async with database.transaction(workspace_id) as db:
                recorded = await ingest.record(db, workspace_id, flush, memory, now=NOW)
            memory.learn(workspace_id, recorded.batch)
    while await pump_once(runtime, only_workspace=workspace_id):
        pass
    return await stored(database, workspace_id), workspace_id


async def stored(database, workspace_id):
    async with database.transaction(workspace_id) as db:
        rows = {tuple(row) for row in await db.execute(text(STORED))}
        facts = {}
        for kind in ("account", "organization"):
            for name, counts, firsts, lasts, used in await db.execute(text(FACTS.format(kind))):
                assert used == sum(count > 0 for count in counts.values())
                dates = [{slug: datetime.fromisoformat(at) for slug, at in one.items()} for one in (firsts, lasts)]
                facts |= {(name, slug): (n, dates[0].get(slug), dates[1].get(slug)) for slug, n in counts.items()}
    return rows, facts


@st.composite
def stories(draw):
    """Events, told out of order, repeated and split, with the definitions made at any point."""
    happened = draw(st.lists(events, min_size=1, max_size=16))
    told = [Envelope((one,), uuid4().hex, number) for number, one in enumerate(happened)]
    parents = [Envelope((ParentMessage(NOW, name, "group"),), None, 0) for name in ("acme", "globex")]
    shuffled = draw(st.permutations([*told, *parents, *draw(st.lists(st.sampled_from(told), max_size=4))]))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=3)))
    flushes = [shuffled[a:b] for a, b in pairwise([0, *cuts, len(shuffled)]) if a < b]
    return happened, flushes, draw(st.integers(0, len(flushes)))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(story=stories())
async def test_any_telling_of_the_same_events_leaves_what_the_plain_rules_say(database, runtime, story):
    happened, flushes, defined_after = story
    rows, facts = expected(happened)

    (found_rows, found), workspace_id = await state_after(database, runtime, flushes, defined_after)

    nothing = (0, None, None)
    assert found_rows == rows
    for name in ("acme", "globex"):
        assert {slug: found[name, slug] for slug in DEFINITIONS} == {
            slug: facts.get((name, slug), nothing) for slug in DEFINITIONS
        }
    assert {slug: found["group", slug] for slug in DEFINITIONS} == above(facts)
    assert await after_everything_again(database, workspace_id) == (found_rows, found)


async def after_everything_again(database, workspace_id):
    """What is stored once everything was evaluated from scratch."""
    async with database.transaction(workspace_id) as db:
        await db.execute(text("update account_facts set elements = '{}', element_firsts = '{}', elements_used = 9"))
        await db.execute(text("update organization_facts set elements = '{}', element_lasts = '{}'"))
        accounts = (await db.scalars(text("select id from accounts"))).all()
        await evaluation.evaluate(db, workspace_id, accounts, now=NOW)
        parents = (await db.scalars(text("select id from organizations"))).all()
        await records.evaluate(db, workspace_id, Subject.ORGANIZATIONS, parents, now=NOW)
    return await stored(database, workspace_id)


async def test_what_an_element_counted_as_it_was_defined_before_takes_no_room(
    database, workspace, runtime, monkeypatch
):
    """The instances of before are swept away in the background, maybe after the account was evaluated."""
    monkeypatch.setattr(element_counts, "MOST_COUNTED", 3)
    told = [EventMessage(NOW, "Made", "acme", None, orjson.dumps({"id": n}), None) for n in range(3)]
    async with database.transaction(workspace) as db:
        made = Wanted("Things", "things", None, {"create": {"event": "Made"}, "instanceProperty": "id"})
        await elements.create(db, workspace, made, now=NOW)
        await ingest.record(db, workspace, [Envelope((one,), uuid4().hex, 0) for one in told], Memory(), now=NOW)
    async with database.transaction(workspace) as db:
        await elements.change(db, workspace, "things", {}, {"update": {"event": "Used"}}, now=NOW)
        await ingest.record(db, workspace, [Envelope((told[0],), uuid4().hex, 0)], Memory(), now=NOW)
        accounts = (await db.scalars(text("select id from accounts"))).all()
        await evaluation.evaluate(db, workspace, accounts, now=NOW)
    assert (await stored(database, workspace))[1]["acme", "things"][0] == 1
