"""Paging is exact: every account once, in one order, whatever the sort, its ties, its gaps and who writes meanwhile."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.db import reports
from app.db.base import raw
from app.db.reports import Place
from app.domain.fields import CATALOGUES, READINGS, Subject
from app.domain.ids import new_id
from app.domain.reports import understand
from tests.db.crowds import PEOPLE, people_and_parents
from tests.db.populations import KEYS, NOW, draw, store

POPULATION = draw(random.Random(11), 1000)


@pytest.fixture(scope="session")
async def crowd(database):
    """A workspace with a thousand accounts full of ties and gaps."""
    workspace_id = new_id()
    async with database.transaction(workspace_id) as db:
        await db.execute(
            text("insert into workspaces (id, slug, name) values (:id, :slug, 'Crowd')"),
            {"id": workspace_id, "slug": f"t-{workspace_id.hex}"},
        )
        await store(db, workspace_id, POPULATION)
        await db.execute(text("analyze account_facts, accounts"))
    return workspace_id


def order(*keys, where=None, subject=Subject.ACCOUNTS):
    """A report in an order, its keys as the API takes them: ("mrr", "desc")."""
    sort = [{"field": key[0], "direction": key[1], "type": (*key, None)[2]} for key in keys]
    return understand([], where, sort, subject)


async def everything(db, workspace_id, report, limit):
    """The whole report, page by page."""
    found, after = [], None
    while True:
        part = await reports.page(db, workspace_id, report, after=after, now=NOW, limit=limit)
        found += part
        if len(part) < limit:
            return found
        after = part[-1]


SORTS = [
    (path, direction)
    for path, fact in CATALOGUES[Subject.ACCOUNTS].items()
    if fact.sortable
    for direction in ("asc", "desc")
] + [(f"traits.{KEYS[0]}", direction, str(reading)) for direction in ("asc", "desc") for reading in READINGS]


@pytest.mark.parametrize("key", SORTS, ids="-".join)
async def test_pages_add_up_to_one_big_page(database, crowd, key):
    sort = order(key)
    async with database.transaction(crowd) as db:
        whole = await reports.page(db, crowd, sort, after=None, now=NOW, limit=2000)
        for limit in (97, 200):
            assert await everything(db, crowd, sort, limit) == whole

    assert {place.id for place in whole} == {account[0] for account in POPULATION}
    missing = [place.keys[0] is None for place in whole]
    assert missing == sorted(missing), "missing values come last"


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [("mrr", "desc"), ("owner.lastSeenAt", "asc")],
        [("owner.sessions", "asc"), ("status", "desc"), ("csm", "asc")],
        [("owner.email", "desc"), ("traits.plan", "desc"), ("mrr", "asc")],
    ],
)
async def test_several_sort_keys_page_exactly(database, crowd, keys):
    sort = order(*keys)
    async with database.transaction(crowd) as db:
        whole = await reports.page(db, crowd, sort, after=None, now=NOW, limit=2000)
        assert len(set(whole)) == len(POPULATION)
        for limit in (1, 13, 199) if not keys else (13, 199):
            assert await everything(db, crowd, sort, limit) == whole


async def test_the_order_is_the_one_asked_for(database, crowd):
    facts = {account[0]: account[4] for account in POPULATION}

    async with database.transaction(crowd) as db:
        found = await everything(db, crowd, order(("mrr", "desc"), ("owner.lastSeenAt", "asc")), 100)

    def rank(place):
        mrr, seen = facts[place.id]["mrr"], facts[place.id]["owner_last_seen_at"]
        return (mrr is None, -(mrr or 0), seen is None, seen or NOW, -place.id.int)

    assert found == sorted(found, key=rank)


async def test_accounts_nobody_touches_are_seen_once_while_others_write(database, crowd):
    """Others come, and the facts of some move back and forth across the page border: those may be seen at either."""
    moving = {account[0] for account in POPULATION[::10]}
    still = {account[0] for account in POPULATION} - moving
    sort, seen, after, rng = order(("owner.sessions", "desc")), [], None, random.Random(3)
    while True:
        async with database.transaction(crowd) as db:
            part = await reports.page(db, crowd, sort, after=after, now=NOW, limit=50)
        seen += [place.id for place in part]
        if len(part) < 50:
            break
        after = part[-1]
        async with database.transaction(crowd) as db:
            connection = await raw(db)
            await connection.execute(
                "update account_facts set owner_sessions = $3 where workspace_id = $1 and account_id = any($2)",
                crowd,
                sorted(moving),
                rng.choice([None, 0, 5, 9]),
            )
    assert still <= set(seen)
    assert len([id_ for id_ in seen if id_ in still]) == len(still)


async def test_a_filter_and_its_count_agree(database, crowd):
    where = {"all": [{"field": "mrr", "op": "atLeast", "value": 7}, {"field": "name", "op": "isSet"}]}
    async with database.transaction(crowd) as db:
        found = await everything(db, crowd, order(("name", "asc"), where=where), 40)
        counted = await reports.count(db, crowd, order(where=where), now=NOW)

    assert len(found) == counted > 0


async def test_counting_stops_above_ten_thousand(database, crowd, monkeypatch):
    monkeypatch.setattr(reports, "COUNTED", 10)
    async with database.transaction(crowd) as db:
        assert await reports.count(db, crowd, order(), now=NOW) == 11


async def test_a_place_keeps_microseconds(database, workspace):
    accounts = draw(random.Random(1), 2)
    early, late = accounts
    early[4]["owner_last_seen_at"], late[4]["owner_last_seen_at"] = NOW, NOW + timedelta(microseconds=1)
    async with database.transaction(workspace) as db:
        await store(db, workspace, accounts)
        sort = order(("owner.lastSeenAt", "asc"))
        [first] = await reports.page(db, workspace, sort, after=None, now=NOW, limit=1)
        [second] = await reports.page(db, workspace, sort, after=first, now=NOW, limit=1)

    assert (first.id, second.id) == (early[0], late[0])
    assert second == Place(("2026-03-29 01:30:00.000001+00",), late[0])


OTHERS = [
    (subject, path, direction)
    for subject in (Subject.USERS, Subject.ORGANIZATIONS)
    for path, fact in CATALOGUES[subject].items()
    if fact.sortable
    for direction in ("asc", "desc")
]


@pytest.fixture(scope="session")
async def others(database):
    """A workspace with hundreds of users and organizations, some evaluated and seen, some not."""
    workspace_id = new_id()
    async with database.transaction(workspace_id) as db:
        await db.execute(
            text("insert into workspaces (id, slug, name) values (:id, :slug, 'Others')"),
            {"id": workspace_id, "slug": f"t-{workspace_id.hex}"},
        )
        await people_and_parents(db, workspace_id, random.Random(5))
    return workspace_id


@pytest.mark.parametrize(("subject", "path", "direction"), OTHERS, ids=str)
async def test_users_and_organizations_page_exactly(database, others, subject, path, direction):
    report = order((path, direction), subject=subject)
    async with database.transaction(others) as db:
        whole = await reports.page(db, others, report, after=None, now=NOW, limit=2000)
        assert await everything(db, others, report, 67) == whole

    assert len({place.id for place in whole}) == PEOPLE
    missing = [place.keys[0] is None for place in whole]
    assert missing == sorted(missing), "missing values come last"


@pytest.mark.parametrize("subject", list(Subject))
async def test_a_cursor_on_the_server_walks_the_same_way(database, crowd, others, subject):
    workspace_id = crowd if subject is Subject.ACCOUNTS else others
    report = order(("lastSeenAt", "desc"), ("status", "asc"), subject=subject)
    async with database.transaction(workspace_id) as db:
        whole = await reports.page(db, workspace_id, report, after=None, now=NOW, limit=2000)
        walked = [place async for part in reports.walk(db, workspace_id, report, now=NOW) for place in part]

    assert walked == whole
