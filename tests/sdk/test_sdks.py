"""Real SDKs, unchanged, over a bad road: what they send is stored once, all of it."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.faults import campaign
from tests.faults.world import World
from tests.sdk import packages, script
from tests.sdk.proxy import DECK, FINE, Proxy

pytestmark = pytest.mark.sdk

HERE = Path(__file__).parent
SEED = 20261122
PATIENCE_SECONDS = 240
EVENTS = """
select (e.properties ->> 'serial')::int, e.name, a.external_id, u.external_id from events e
left join accounts a on a.workspace_id = e.workspace_id and a.id = e.account_id
left join users u on u.workspace_id = e.workspace_id and u.id = e.user_id
where e.workspace_id = $1
"""
USERS = "select external_id, traits ->> 'email' from users where workspace_id = $1"
ACCOUNTS = "select external_id, traits ->> 'name' from accounts where workspace_id = $1"
LINKS = """
select a.external_id, u.external_id from memberships m
join accounts a on a.workspace_id = m.workspace_id and a.id = m.account_id
join users u on u.workspace_id = m.workspace_id and u.id = m.user_id
where m.workspace_id = $1 and m.linked
"""
RECEIPTS = "select count(*) from message_receipts where workspace_id = $1"
COUNTED = "select coalesce(sum(events), 0)::int from account_activity where workspace_id = $1"


@pytest.fixture(scope="module")
def served():
    """`steward serve` as a process of its own, and a stage with a workspace for each SDK."""
    with campaign.place() as folder, World(folder / "world", seed=SEED) as world:
        stage = asyncio.run(campaign.prepare(world, count=5))  # every second key writes to an inbox
        world.start("api")
        yield world, stage


@pytest.fixture
def calls(tmp_path):
    """The calls as a list, and the file an SDK's process reads them from."""
    made = script.write(SEED)
    path = tmp_path / "calls.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    return made, path


@pytest.fixture(scope="module")
def node_folder():
    try:
        return packages.folder(*packages.NODE)
    except packages.NotHere as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def browser_folder():
    try:
        return packages.folder(*packages.BROWSER)
    except packages.NotHere as reason:
        pytest.skip(str(reason))


def test_what_the_python_sdk_sends_over_a_bad_road_is_stored_once(served, calls):
    made, path = calls
    world, stage = served

    def command(url):
        return [sys.executable, str(HERE / "send.py"), url, stage.keys[0], str(path)]

    send(world, command, made, stage.ids[0])


def test_what_the_node_sdk_sends_over_a_bad_road_is_stored_once(served, calls, node_folder):
    made, path = calls
    world, stage = served

    def command(url):
        return ["node", str(HERE / "send.mjs"), str(node_folder), url, stage.keys[2], str(path)]

    send(world, command, made, stage.ids[2])


def test_what_the_browser_library_sends_over_a_bad_road_is_stored_once(served, tmp_path, browser_folder):
    """Each call is a request of its own; a server's answer is all the library knows, and it tries again by itself."""
    world, stage = served
    made = script.write_visit()
    path = tmp_path / "visit.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    with Proxy(urlsplit(world.api).port, SEED) as road:
        command = ["node", str(HERE / "browse.mjs"), str(browser_folder), road.url, stage.keys[4], str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as page:
            told = json.loads(page.stdout.readline())
            asyncio.run(until_stored(world, stage.ids[4], len(made)))
            page.stdin.close()
    assert told == {"made": len(made), "ids": len(made)}
    assert road.done[FINE] < sum(road.done.values()) * 0.9
    foretold = script.foretell(made)
    found, receipts, counted = asyncio.run(look(world, stage.ids[4]))
    assert found.events == foretold.events
    assert (found.users, found.accounts, found.links) == (foretold.users, foretold.accounts, foretold.links)
    assert (receipts, counted) == (len(made), len(made) - 2)


async def until_stored(world, workspace, wanted):
    """Wait until so many messages have come, for as long as anybody would."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await look(world, workspace))[1] < wanted:
            await asyncio.sleep(0.3)


def send(world, command, made, workspace):
    """Let an SDK make the calls, and compare what is stored with what was said."""
    with Proxy(urlsplit(world.api).port, SEED) as road:
        ended = subprocess.run(
            command(road.url), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False, encoding="utf-8"
        )
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told == {"made": len(made), "ids": len(made), "complaints": []}, world.last_words()
    assert set(road.answers) == {200}, road.answers
    assert set(road.done) == set(DECK), f"not every misfortune struck: {road.done}"
    assert road.done[FINE] < sum(road.done.values()) * 0.8
    foretold = script.foretell(made)
    found, receipts, counted = asyncio.run(look(world, workspace))
    assert found.events == foretold.events
    assert (found.users, found.accounts, found.links) == (foretold.users, foretold.accounts, foretold.links)
    assert (receipts, counted) == (len(made), script.TRACKS)


async def look(world, workspace):
    """What is stored in a workspace: by ids, the receipts, and the counters that have no key to save them."""
    connection = await asyncpg.connect(world.postgres.url.replace("postgresql+asyncpg", "postgresql"))
    try:
        rows = {query: await connection.fetch(query, workspace) for query in (EVENTS, USERS, ACCOUNTS, LINKS)}
        stored = script.Stored(
            Counter(map(tuple, rows[EVENTS])),
            dict(map(tuple, rows[USERS])),
            dict(map(tuple, rows[ACCOUNTS])),
            set(map(tuple, rows[LINKS])),
        )
        return stored, await connection.fetchval(RECEIPTS, workspace), await connection.fetchval(COUNTED, workspace)
    finally:
        await connection.close()


def test_a_seed_is_one_road():
    roads = [Proxy(0, seed) for seed in (1, 1, 2)]
    dealt = [[road._deal() for _ in range(80)] for road in roads]
    assert dealt[0] == dealt[1] != dealt[2]
    assert Counter(dealt[0]) == {name: 2 * times for name, times in DECK.items()}
