"""Facts as they were: every kind of history, read beside the tables a report reads."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from app.db import history
from app.db.grounds import GROUNDS, joined
from app.domain.fields import Subject, find
from app.domain.ids import new_id

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def hours(n):
    return NOON + timedelta(hours=n)


@pytest.fixture
def then(database, workspace):
    """What a fact of the one record of a subject was: `await then("mrr", -1)`."""

    async def ask(path, n, subject=Subject.ACCOUNTS):
        fact = find(path, subject)
        found = history.as_of(fact, hours(n), subject)
        assert found is not None, path
        ground = GROUNDS[subject]
        query = joined(select(found).select_from(ground.start), subject, [fact]).where(ground.workspace == workspace)
        async with database.transaction(workspace) as db:
            return await db.scalar(query)

    return ask


@pytest.fixture
async def world(database, workspace, client, drain, clock):
    """acme over four hours: its traits, owner, CSM, status and segments move at NOON and an hour later."""
    clock.at = hours(-3)
    await client.put("/api/v1/trait-map", json={"owner": "boss", "mrr": ["a", "b"]})
    members = [
        (await client.post("/api/v1/members", json={"email": f"{name}@us.test", "name": name})).json()["id"]
        for name in ("dana", "kim")
    ]
    users = [
        {"type": "user", "userId": name, "accountId": "acme", "traits": {"name": name}, "timestamp": at.isoformat()}
        for name, at in (("one", hours(-3)), ("two", hours(-3)))
    ]
    steps = [
        (hours(-3), {"boss": "one", "b": 5, "plan": "free"}, members[0]),
        (hours(0), {"boss": "two", "a": "7", "plan": None}, members[1]),
    ]
    for at, traits, member in steps:
        clock.at = at
        told = {"type": "account", "accountId": "acme", "timestamp": at.isoformat(), "traits": traits}
        await client.post("/api/v1/batch", json={"messages": [*users, told]})
        await drain()
        await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": member})
        await drain()
    clock.at = hours(0)
    await client.patch("/api/v1/users/one/traits", json={"traits": {"name": "One"}})
    return {"members": members}


async def test_traits_and_mrr(world, then):
    assert [await then("traits.plan", n) for n in (-4, -3, -1, 0)] == [None, "free", "free", None]
    assert [await then("mrr", n) for n in (-4, -3, -1, 0)] == [None, 5, 5, 7]


async def test_mrr_is_what_was_derived_even_where_no_trait_says_it(world, then, database, workspace):
    """As a churned account that keeps its MRR has it; and an account without changes has what it always had."""
    async with database.transaction(workspace) as db:
        await db.execute(text("update accounts set traits = '{}', trait_stamps = '{}'"))
        await db.execute(text("delete from trait_history"))
    assert [await then("mrr", n) for n in (-4, -3, -1, 0, 1)] == [None, 5, 5, 7, 7]

    async with database.transaction(workspace) as db:
        await db.execute(text("update mrr_changes set mrr = null where changed_at = :at"), {"at": hours(0)})
    assert [await then("mrr", n) for n in (-1, 0)] == [5, None]

    async with database.transaction(workspace) as db:
        await db.execute(text("delete from mrr_changes"))
    assert [await then("mrr", n) for n in (-4, 1)] == [7, 7]


async def test_the_owner_and_what_was_known_of_them(world, then):
    assert [await then("owner", n) for n in (-4, -3, -1, 0)] == [None, "one", "one", "two"]
    assert [await then("owner.name", n) for n in (-1, 0)] == ["one", "two"]
    assert [await then("owner.source", n) for n in (-4, -1, 0)] == [None, "trait", "trait"]
    assert await then("owner.id", -4) is None


async def test_key_roles(world, then):
    held = [await then("csm", n) for n in (-4, -3, -1, 0)]
    shown = [one and f"mem_{one.hex}" for one in held]
    assert shown == [None, world["members"][0], world["members"][0], world["members"][1]]
    assert await then("keyRoles.csm", -1) == held[1]


async def test_statuses(world, then, database, workspace):
    async with database.transaction(workspace) as db:
        account = await db.scalar(text("select account_id from account_facts"))
        await db.execute(text("delete from status_changes"))
        for at, was, now in ((hours(-1), "subscribed", "trial"), (hours(1), "trial", "churned")):
            await db.execute(
                text(
                    "insert into status_changes (workspace_id, subject, record_id, changed_at, from_status, to_status, "
                    "source, reason) values (:w, 'accounts', :a, :at, :was, :now, 'rule', 'x')"
                ),
                {"w": workspace, "a": account, "at": at, "was": was, "now": now},
            )
        await db.execute(text("update account_facts set status = 'churned'"))

    assert [await then("status", n) for n in (-2, -1, 0, 1)] == ["subscribed", "trial", "trial", "churned"]


async def test_segments(world, then, database, workspace):
    stayed, left, entered = sorted(new_id() for _ in range(3))
    async with database.transaction(workspace) as db:
        account = await db.scalar(text("select account_id from account_facts"))
        for one in (stayed, left, entered):
            await db.execute(
                text("insert into segments (workspace_id, id, subject, name) values (:w, :s, 'accounts', :n)"),
                {"w": workspace, "s": one, "n": one.hex},
            )
        changes = [(left, "entered", -2), (left, "left", 0), (entered, "entered", 1), (entered, "left", 2)]
        for one, change, n in [*changes, (entered, "entered", 3)]:
            await db.execute(
                text(
                    "insert into segment_changes (workspace_id, segment_id, record_id, change, at, source, reason) "
                    "values (:w, :s, :a, :c, :at, 'rule', 'x')"
                ),
                {"w": workspace, "s": one, "a": account, "c": change, "at": hours(n)},
            )
        await db.execute(text("update account_facts set segments = :now"), {"now": [stayed, entered]})

    assert [await then("segments", n) for n in (-3, -1, 0, 1, 2, 3)] == [
        [stayed],
        [stayed, left],
        [stayed],
        [stayed, entered],
        [stayed],
        [stayed, entered],
    ]


async def test_users_by_their_traits(world, then, database, workspace):
    async with database.transaction(workspace) as db:
        await db.execute(text("delete from users where external_id = 'two'"))

    assert [await then("name", n, Subject.USERS) for n in (-4, -1, 0)] == [None, "one", "One"]
    assert await then("traits.name", -1, Subject.USERS) == "one"


@pytest.mark.parametrize("path", ["users", "owner.sessions", "organization.name", "lastSeenAt"])
def test_what_has_no_history(path):
    assert history.as_of(find(path), NOON, Subject.ACCOUNTS) is None
