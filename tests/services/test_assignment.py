"""Choosing holders while others choose: real transactions, real locks."""

import asyncio
from collections import Counter
from decimal import Decimal

import pytest
from sqlalchemy import text

from app.db import assignment as rows
from app.domain.assignment import Algorithm, Load, Lot, deal
from app.domain.ids import new_id
from app.domain.roles import Cause, Source
from app.services import assignment, key_roles

PEOPLE, ACCOUNTS = 5, 20


@pytest.fixture
async def people(database, workspace):
    """Members, in the order of their ids."""
    chosen = sorted(new_id() for _ in range(PEOPLE))
    async with database.transaction(workspace) as db:
        for number, member in enumerate(chosen):
            await db.execute(
                text("insert into members (workspace_id, id, email, name) values (:w, :id, :email, 'M')"),
                {"w": workspace, "id": member, "email": f"m{number}@example.com"},
            )
    return chosen


@pytest.fixture
async def accounts(database, workspace):
    """Accounts with an MRR of 10, 20, 30 …"""
    chosen = sorted(new_id() for _ in range(ACCOUNTS))
    async with database.transaction(workspace) as db:
        for number, account in enumerate(chosen):
            values = {"w": workspace, "id": account, "name": f"a{number}", "mrr": 10 * (number + 1)}
            await db.execute(
                text("insert into accounts (workspace_id, id, external_id) values (:w, :id, :name)"), values
            )
            await db.execute(
                text("insert into account_facts (workspace_id, account_id, mrr) values (:w, :id, :mrr)"), values
            )
    return chosen


@pytest.fixture
def assign(database, workspace, now):
    """One transaction that chooses for these accounts and assigns."""

    async def run(people, accounts, algorithm, role="csm"):
        async with database.transaction(workspace) as db:
            dealt = await assignment.choose(db, workspace, role, people, algorithm, accounts)
            await asyncio.sleep(0.002)  # others come in between
            await key_roles.assign_many(db, workspace, role, dealt.chosen, Cause(Source.PLAYBOOK, "playbook", now))
        return dealt.chosen

    return run


async def all_at_once(assign, people, accounts, algorithm):
    found = await asyncio.gather(*(assign(people, [account], algorithm) for account in accounts))
    return [chosen for one in found for chosen in one.values()]


async def test_twenty_at_once_leave_everybody_with_as_many(assign, people, accounts):
    chosen = await all_at_once(assign, people, accounts, Algorithm.FEWEST_ACCOUNTS)

    assert sorted(Counter(chosen).values()) == [4] * PEOPLE


async def test_twenty_at_once_go_round_exactly(assign, people, accounts, database, workspace):
    await all_at_once(assign, people, accounts, Algorithm.ROUND_ROBIN)

    async with database.transaction(workspace) as db:
        turns = list(await db.scalars(text("select to_member_id from key_role_changes order by id")))
    assert turns == people * (ACCOUNTS // PEOPLE)


async def test_twenty_at_once_balance_revenue_as_one_after_the_other_would(
    assign, people, accounts, database, workspace
):
    await all_at_once(assign, people, accounts, Algorithm.LEAST_REVENUE)

    async with database.transaction(workspace) as db:
        query = (
            "select c.account_id, f.mrr, c.to_member_id from key_role_changes c join account_facts f using (account_id)"
        )
        done = (await db.execute(text(query + " order by c.id"))).all()
    lots = [Lot(row.account_id, 1, row.mrr, None) for row in done]
    loads = [Load(person, 0, Decimal(0), 0) for person in people]
    assert {row.account_id: row.to_member_id for row in done} == deal(loads, lots, Algorithm.LEAST_REVENUE)


@pytest.mark.parametrize("algorithm", Algorithm)
async def test_one_call_does_what_many_would(assign, people, accounts, algorithm, database, workspace):
    at_once = await assign(people, accounts, algorithm, role="csm")
    one_by_one = {}
    for account in accounts:
        one_by_one |= await assign(people, [account], algorithm, role="account_executive")

    assert at_once == one_by_one
    async with database.transaction(workspace) as db:
        loads = await rows.loads(db, workspace, "csm", people)
    assert sum(load.accounts for load in loads) == ACCOUNTS


async def test_roles_do_not_wait_for_each_other(database, workspace, people, accounts):
    async with database.transaction(workspace) as one:
        await assignment.choose(one, workspace, "csm", people, Algorithm.ROUND_ROBIN, accounts[:1])
        async with asyncio.timeout(1), database.transaction(workspace) as other:
            await assignment.choose(other, workspace, "account_executive", people, Algorithm.ROUND_ROBIN, accounts[:1])


async def test_nobody_is_given_work_while_they_leave(database, workspace, people, accounts, assign, now):
    """A deactivation and assignments at once: whoever left holds nothing in the end."""
    from app.services import members

    async def leave():
        async with database.transaction(workspace) as db:
            await members.deactivate(db, workspace, "m0@example.com", now=now)

    for_them = [assign(people[:1], [account], Algorithm.ROUND_ROBIN) for account in accounts]
    *_, left = await asyncio.gather(*for_them, leave(), return_exceptions=True)

    async with database.transaction(workspace) as db:
        held = await db.scalar(text("select count(*) from key_roles where member_id = :id"), {"id": people[0]})
    assert (left, held) == (None, 0)
