"""The same messages, in any order, split anyhow, sent any number of times, leave the same state."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.memory import Memory
from app.domain.messages import (
    RECEIVED,
    SENT,
    AccountMessage,
    Envelope,
    EventMessage,
    InstanceMessage,
    OrganizationMessage,
    ParentMessage,
    UnlinkMessage,
    UserMessage,
)
from app.services import evaluation, ingest, measuring
from tests.conftest import open_workspace

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACCOUNTS = ["acme", "globex"]
USERS = ["user-1", "user-2", "3"]
ORGANIZATIONS = ["group", "7"]

ats = st.integers(0, 6).map(lambda n: NOW - timedelta(hours=9 * n))  # few instants, so that ties happen
values = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", *USERS]))
owners = st.one_of(st.none(), st.sampled_from(USERS), st.just(3), st.just("nobody-yet"))
traits = st.fixed_dictionaries({}, optional={"plan": values, "mrr": values, "ownerId": owners, "name": values})

properties = st.sampled_from([b"{}", b'{"size":1,"board":"a"}', b'{"size":2.5,"board":7}', b'{"size":"3","board":"7"}'])
LARGE = {"property": "size", "op": "greaterThan", "value": 1}

an_account, an_organization = st.sampled_from(ACCOUNTS), st.sampled_from(ORGANIZATIONS)

messages = st.one_of(
    st.builds(AccountMessage, at=ats, account=st.sampled_from(ACCOUNTS), traits=traits),
    st.builds(
        UserMessage,
        at=ats,
        user=st.sampled_from(USERS),
        accounts=st.lists(st.sampled_from(ACCOUNTS), max_size=2).map(tuple),
        traits=traits,
        organizations=st.lists(an_organization, max_size=1).map(tuple),
    ),
    st.builds(
        EventMessage,
        at=ats,
        name=st.sampled_from(["Login", "Export", RECEIVED, SENT]),
        account=st.sampled_from(ACCOUNTS),
        user=st.one_of(st.none(), st.sampled_from(USERS)),
        properties=properties,
        organization=st.one_of(st.none(), an_organization),
    ),
    st.builds(
        EventMessage,
        at=ats,
        name=st.sampled_from(["Login", "Export", RECEIVED, SENT]),
        account=st.none(),
        user=st.one_of(st.none(), st.sampled_from(USERS)),
        properties=properties,
        organization=an_organization,
    ),
    st.builds(UnlinkMessage, at=ats, account=st.sampled_from(ACCOUNTS), user=st.sampled_from(USERS)),
    st.builds(OrganizationMessage, at=ats, organization=an_organization, traits=traits),
    st.builds(ParentMessage, at=ats, account=an_account, organization=st.one_of(st.none(), an_organization)),
    st.builds(
        InstanceMessage,
        at=ats,
        custom_object=st.sampled_from(["ticket", "deal"]),
        instance=st.just("1"),
        name=st.sampled_from([None, "One", "Two"]),
        account=st.one_of(st.none(), an_account),
        organization=st.one_of(st.none(), an_organization),
        traits=traits,
    ),
)

STATE = {
    "accounts": "select external_id, name, traits from accounts",
    "users": "select external_id, email, traits from users",
    "account activity": """select a.external_id, x.first_seen_at, x.last_seen_at, x.events
        from account_activity x join accounts a on a.id = x.account_id""",
    "user activity": """select u.external_id, x.first_seen_at, x.last_seen_at, x.sessions, x.last_received_at,
        x.last_sent_at from user_activity x join users u on u.id = x.user_id""",
    "links": """select a.external_id, u.external_id, m.linked, m.changed_at, m.first_linked_at, m.last_active_on
        from memberships m join accounts a on a.id = m.account_id join users u on u.id = m.user_id""",
    "owners": """select a.external_id, f.owner_external_id, f.owner_state, f.owner_source, f.owner_pending, f.status,
        f.mrr, f.users, f.events, f.owner_sessions, f.organization_external_id, f.joined_at, f.renews_at,
        f.trial_ends_at, f.active_users, f.active_user_share, f.last_received_at, f.last_sent_at, f.next_check_at
        from account_facts f join accounts a on a.id = f.account_id""",
    "events": """select e.name, e.occurred_at, o.external_id, count(*)
        from events e left join organizations o on o.id = e.organization_id group by 1, 2, 3""",
    "organizations": "select external_id, name, traits, first_seen_at, last_seen_at from organizations",
    "parents": """select a.external_id, o.external_id, p.stamp from account_parents p
        join accounts a on a.id = p.account_id left join organizations o on o.id = p.organization_id""",
    "affiliations": """select o.external_id, u.external_id, f.first_linked_at from affiliations f
        join organizations o on o.id = f.organization_id join users u on u.id = f.user_id""",
    "trait history": """select h.subject, coalesce(a.external_id, u.external_id, o.external_id), h.stamp, h.source,
        h.patch from trait_history h left join accounts a on a.id = h.record_id left join users u on u.id = h.record_id
        left join organizations o on o.id = h.record_id""",
    "days": """select coalesce(a.external_id, o.external_id), m.name, m.filter, d.day, u.external_id, d.count
        from measure_days d join measures m on m.id = d.measure_id left join users u on u.id = d.user_id
        left join accounts a on a.id = d.record_id left join organizations o on o.id = d.record_id""",
    "totals": """select coalesce(a.external_id, o.external_id), m.name, m.filter, t.count, t.first_at, t.last_at
        from measure_totals t join measures m on m.id = t.measure_id
        left join accounts a on a.id = t.record_id left join organizations o on o.id = t.record_id""",
    "instances": """select i.custom_object, i.external_id, i.name, a.external_id, o.external_id, i.traits
        from custom_instances i left join accounts a on a.id = i.account_id
        left join organizations o on o.id = i.organization_id""",
}


async def state_after(database, deliveries, policy):
    """The state of a fresh workspace after the given flushes, each evaluated as a worker would."""
    workspace_id = await open_workspace(database)
    async with database.transaction(workspace_id) as db:
        await db.execute(
            text("insert into trait_mappings (workspace_id, field, trait_keys) values (:w, 'owner', '{ownerId}')"),
            {"w": workspace_id},
        )
        await db.execute(
            text("update workspaces set owner_default_policy = :policy where id = :w"),
            {"w": workspace_id, "policy": policy},
        )
        await measuring.ensure(db, workspace_id, [("Export", LARGE)])
    memory = Memory()
    for flush in deliveries:
        async with database.transaction(workspace_id) as db:
            recorded = await ingest.record(db, workspace_id, flush, memory, now=NOW)
            touched = sorted(set(await db.scalars(text("delete from dirty_accounts returning account_id"))))
        memory.learn(workspace_id, recorded.batch)
        async with database.transaction(workspace_id) as db:
            await evaluation.evaluate(db, workspace_id, touched, now=NOW)
    state = {}
    async with database.transaction(workspace_id) as db:
        ids = (await db.scalars(text("select id from accounts"))).all()
        await evaluation.evaluate(db, workspace_id, sorted(ids), now=NOW)
        for name, query in STATE.items():
            state[name] = sorted((tuple(row) for row in await db.execute(text(query))), key=repr)
    return state


@st.composite
def two_deliveries(draw):
    """Some messages, delivered twice: once in order at once, once shuffled, repeated and split."""
    drawn = draw(st.lists(messages, min_size=1, max_size=14))
    envelopes = [Envelope((message,), uuid4().hex, hash(repr(message)) % 2**62) for message in drawn]
    shuffled = draw(st.permutations(envelopes + draw(st.lists(st.sampled_from(envelopes), max_size=5))))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    edges = [0, *cuts, len(shuffled)]
    return [envelopes], [shuffled[a:b] for a, b in pairwise(edges) if a < b]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(both=two_deliveries(), policy=st.sampled_from(["none", "first_user"]))
async def test_order_splitting_and_repetition_do_not_matter(database, both, policy):
    together, apart = both

    assert await state_after(database, together, policy) == await state_after(database, apart, policy)
