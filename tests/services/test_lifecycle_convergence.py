"""Statuses kept up to date step by step are those decided from scratch: facts, choices and clock are all there is."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import lifecycle as rows
from app.db import trait_map
from app.domain.fields import Subject
from app.domain.lifecycle import HANDED_DOWN, Status
from app.domain.lifecycle_rules import Rules
from app.domain.memory import Memory
from app.domain.messages import AccountMessage, Envelope, EventMessage, OrganizationMessage, ParentMessage
from app.services import evaluation, ingest, lifecycle, records, statuses
from tests.conftest import open_workspace

START = datetime(2026, 6, 1, tzinfo=UTC)
ACCOUNTS, GROUPS = ["acme", "globex"], ["group", "other"]
RULES = {
    Subject.ACCOUNTS: {
        "track": {"mode": "exclude", "filter": {"field": "traits.plan", "op": "is", "value": "test"}},
        "trial": {"field": "traits.plan", "op": "isAnyOf", "value": ["free", "demo"]},
        "churned": {"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 3},
        "subscribed": None,
        "keepMrrWhenChurned": True,
    },
    Subject.ORGANIZATIONS: {
        "track": None,
        "trial": None,
        "churned": {"field": "accounts", "op": "atMost", "value": 0},
        "subscribed": {"field": "mrr", "op": "greaterThan", "value": 5},
        "keepMrrWhenChurned": True,
    },
}
STATE = """
select a.external_id, f.status, f.status_source, f.unconverted, f.churned_at is null, f.organization_status
from account_facts f join accounts a on a.id = f.account_id
union all
select o.external_id, f.status, f.status_source, f.unconverted, f.churned_at is null, f.mrr::text
from organization_facts f join organizations o on o.id = f.organization_id
order by 1
"""
FORGET = (
    """update account_facts set status = 'subscribed', status_source = 'default', status_since = null,
    churned_at = null, unconverted = false, organization_status = null, next_check_at = null""",
    "delete from organization_facts",
    "delete from status_changes",
)

plans = st.fixed_dictionaries(
    {},
    optional={
        "plan": st.sampled_from([None, "free", "demo", "test", "pro"]),
        "mrr": st.sampled_from([None, 0, 10]),
        "status": st.sampled_from([None, "churned", "trial", "nonsense"]),
        "ends": st.integers(0, 8).map(lambda days: (START + timedelta(days=days)).isoformat()),
    },
)
an_account, a_group = st.sampled_from(ACCOUNTS), st.sampled_from(GROUPS)
ways = st.sampled_from(["told", "told", "told", "parent", "group", "event", "account_choice", "group_choice", "wait"])
statuses_ = st.one_of(st.none(), st.sampled_from(["churned", "ignored", "trial", "subscribed"]))
steps = st.lists(
    st.tuples(ways, an_account, st.one_of(st.none(), a_group), plans, statuses_, st.integers(0, 3)), max_size=14
)


def message(way, account, group, traits, at):
    match way:
        case "told":
            return AccountMessage(at=at, account=account, traits=traits)
        case "parent":
            return ParentMessage(at=at, account=account, organization=group)
        case "group":
            return OrganizationMessage(at=at, organization=group or "group", traits=traits)
        case "event":
            return EventMessage(at=at, name="Login", account=account, user=None, properties=b"{}")


async def catch_up(database, workspace_id, now):
    """What workers do until nothing is due."""
    while True:
        async with database.transaction(workspace_id) as db:
            due = [
                set(await db.scalars(text("delete from dirty_accounts returning account_id")))
                | set(await db.scalars(text(f"select account_id from account_facts where next_check_at <= '{now}'"))),
                set(await db.scalars(text("delete from dirty_records returning record_id")))
                | set(
                    await db.scalars(
                        text(f"select organization_id from organization_facts where next_check_at <= '{now}'")
                    )
                ),
            ]
            await evaluation.evaluate(db, workspace_id, sorted(due[0]), now=now)
            await records.evaluate(db, workspace_id, Subject.ORGANIZATIONS, sorted(due[1]), now=now)
        if not any(due):
            return


async def choose(database, workspace_id, subject, ref, status, now):
    async with database.transaction(workspace_id) as db:
        known = await db.scalar(text(f"select id from {subject} where external_id = :ref"), {"ref": ref})
        if known is not None:
            chosen = status and Status(status)
            await statuses.choose(db, workspace_id, subject, ref, chosen, by=None, now=now)


async def state(database, workspace_id):
    async with database.transaction(workspace_id) as db:
        return [tuple(row) for row in await db.execute(text(STATE))]


async def live_through(database, told, rules_of=RULES):
    """A workspace after these steps, each followed by everything that was due; and the time it is then."""
    workspace_id, now = await open_workspace(database), START
    async with database.transaction(workspace_id) as db:
        for subject, rules in rules_of.items():
            await rows.write_rules(db, workspace_id, subject, rules, by=None, now=now)
        await db.execute(
            text("insert into trait_mappings (workspace_id, field, trait_keys) values (:w, 'trial_end', '{ends}')"),
            {"w": workspace_id},
        )
    memory = Memory()
    for way, account, group, traits, status, days in told:
        now += timedelta(days=days, seconds=1)
        if way == "account_choice":
            await choose(database, workspace_id, Subject.ACCOUNTS, account, status, now)
        elif way == "group_choice":
            await choose(database, workspace_id, Subject.ORGANIZATIONS, group or "group", status, now)
        elif way != "wait":
            envelope = Envelope((message(way, account, group, traits, now),), uuid4().hex, 0)
            async with database.transaction(workspace_id) as db:
                recorded = await ingest.record(db, workspace_id, [envelope], memory, now=now)
            memory.learn(workspace_id, recorded.batch)
        await catch_up(database, workspace_id, now)
    return workspace_id, now


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(told=steps)
async def test_step_by_step_and_from_scratch_come_to_the_same(database, told):
    workspace_id, now = await live_through(database, told)
    by_steps = await state(database, workspace_id)

    async with database.transaction(workspace_id) as db:
        for statement in FORGET:
            await db.execute(text(statement))
        await db.execute(
            text(
                "insert into dirty_records (workspace_id, subject, record_id) "
                "select workspace_id, 'organizations', id from organizations"
            )
        )
        await db.execute(
            text("insert into dirty_accounts (workspace_id, account_id) select workspace_id, id from accounts")
        )
    await catch_up(database, workspace_id, now)

    assert by_steps == await state(database, workspace_id)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(told=steps)
async def test_without_rules_records_that_are_passed_over_are_as_they_would_be_decided(database, told):
    workspace_id, now = await live_through(database, told, {})

    async with database.transaction(workspace_id) as db:
        mapped = (await trait_map.rules(db, workspace_id)).trait_map
        for subject in RULES:
            ids = list(await db.scalars(text(f"select id from {subject} order by id")))
            for one in await lifecycle.weigh(db, workspace_id, subject, ids, Rules(), mapped, now=now):
                stored = one.standing.status, one.standing.source, one.standing.unconverted
                assert stored == (one.decision.status, one.decision.source, one.decision.unconverted)
                handed_down = one.standing.organization if one.standing.organization in HANDED_DOWN else None
                assert one.standing.handed_down == handed_down
