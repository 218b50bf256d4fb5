"""A key in inbox mode: acknowledged means kept, the lag is bounded and can be seen, and reading waits for it."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.api import inbox as door
from app.api.backlog import Backlog
from app.api.group_commit import Overloaded
from app.api.inbox import Inbox
from app.db import inbox as rows
from app.db.base import DatabaseUnavailable
from app.domain import parcels
from app.domain.keys import InvalidKey
from app.domain.messages import ACCEPTED, Envelope, EventMessage
from tests.conftest import open_workspace

NOW = datetime(2026, 6, 1, tzinfo=UTC)
EVENT = {"type": "event", "event": "Login", "userId": "user-1", "accountId": "acme"}


@pytest.fixture
async def inbox_client(client, make_client, workspace):
    """Speaks with a key in inbox mode that may do everything."""
    made = await make_client(workspace)
    hint = made.headers["authorization"].removeprefix("Bearer ")[:17]
    (key,) = [key for key in (await client.get("/api/v1/keys")).json()["data"] if key["hint"] == hint]
    answer = await client.patch(f"/api/v1/keys/{key['id']}", json={"ingestMode": "inbox"})
    assert answer.status_code == 200, answer.text
    return made


@pytest.fixture
def query(database, workspace):
    async def run(sql):
        async with database.transaction(workspace) as db:
            found = await db.execute(text(sql))
            return [tuple(row) for row in found] if found.returns_rows else []

    return run


def event(number=0):
    return Envelope((EventMessage(NOW, "Login", "acme", None, b"{}"),), None, number)


@pytest.fixture
def make_inbox(database):
    def make(*, most_messages=1_000_000, most_seconds=300.0, rung=None):
        backlog = Backlog(database, most_messages=most_messages, most_seconds=most_seconds)
        return Inbox(database, backlog, wake=rung or (lambda: None))

    return make


async def test_what_is_acknowledged_is_on_disk_and_applied_later(inbox_client, query, drain):
    answer = await inbox_client.post("/api/v1/batch", json={"messages": [EVENT, {"type": "nonsense"}, EVENT]})

    assert answer.status_code == 202
    assert answer.json()["results"] == ["accepted", "rejected", "accepted"]
    assert await query("select messages from inbox") == [(2,)]
    assert await query("select count(*) from events") == [(0,)]
    assert await query("select count(*) from rejected_messages") == [(1,)], "what is refused is known at once"
    state = (await inbox_client.get("/api/v1/ingestion")).json()
    assert (state["pending"], state["keys"]["inbox"]) == (2, 1)
    assert 0 <= state["oldestSeconds"] < 60

    await drain()

    assert await query("select count(*) from events") == [(2,)]
    assert await query("select count(*) from inbox") == [(0,)]
    account = (await inbox_client.get("/api/v1/accounts/acme")).json()
    assert account["events"] == 2, "applied before evaluated, in one drain"
    assert (await inbox_client.get("/api/v1/ingestion")).json()["pending"] == 0


async def test_repetitions_are_accepted_and_change_nothing(inbox_client, query, drain):
    named = {**EVENT, "messageId": "e-1"}
    for _ in range(3):
        answer = await inbox_client.post("/api/v1/batch", json={"messages": [named, named]})
        assert answer.json()["results"] == ["accepted", "accepted"]
    await drain()

    assert await query("select count(*) from events") == [(1,)]


async def test_other_keys_of_the_workspace_are_not_affected(client, inbox_client, query):
    await client.post("/api/v1/batch", json={"messages": [EVENT]})

    assert await query("select count(*) from events") == [(1,)]
    assert await query("select count(*) from inbox") == [(0,)]


async def test_what_is_shown_in_the_answer_is_applied_at_once(inbox_client, query):
    account = await inbox_client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"plan": "pro"}})
    user = await inbox_client.post("/api/v1/users", json={"externalId": "user-1", "accounts": ["acme"]})
    single = await inbox_client.post("/api/v1/events", json={"event": "Login", "userId": "user-1"})

    assert account.json()["account"]["traits"] == {"plan": "pro"}
    assert user.json()["user"]["externalId"] == "user-1"
    assert (single.status_code, single.json()["status"]) == (202, "accepted")
    assert await query("select messages from inbox") == [(1,)], "only the event, whose answer shows nothing, waits"


async def test_requests_that_come_together_share_a_parcel(make_inbox, workspace, query):
    rung = []
    inbox = make_inbox(rung=lambda: rung.append(len(rung)))
    verdicts = await asyncio.gather(*(inbox.append(workspace, [event(n), event(n)]) for n in range(20)))

    assert verdicts == [[ACCEPTED, ACCEPTED]] * 20
    found = await query("select messages, parcel from inbox order by id")
    assert [messages for messages, _ in found] == [40]
    hashes = [envelope.body_hash for _, parcel in found for envelope in parcels.unpack(parcel)]
    assert hashes == [n for n in range(20) for _ in range(2)], "in the order they came"
    await inbox.close()
    assert rung == [0], "the worker is woken once for all"


async def test_a_parcel_has_bounds(make_inbox, workspace, query, monkeypatch):
    monkeypatch.setattr(door, "MOST_MESSAGES", 10)
    inbox = make_inbox()
    await asyncio.gather(
        *(inbox.append(workspace, [event(n)] * 4) for n in range(6)), inbox.append(workspace, [event()] * 30)
    )

    assert [messages for (messages,) in await query("select messages from inbox order by id")] == [8, 8, 8, 30]


async def test_too_much_waiting_is_refused_before_it_fills_the_process(make_inbox, workspace, monkeypatch):
    monkeypatch.setattr(door, "MOST_WAITING", 1_000)
    inbox = make_inbox()
    done = await asyncio.gather(*(inbox.append(workspace, [event(n)]) for n in range(40)), return_exceptions=True)

    refused = [one for one in done if isinstance(one, Overloaded)]
    assert 0 < len(refused) < 40
    assert await inbox.append(workspace, [event()]) == [ACCEPTED], "and taken again when there is room"


async def test_everyone_in_a_failed_append_is_told(make_inbox, workspace, monkeypatch, query):
    async def away(*_args):
        raise DatabaseUnavailable("The database did not answer in time.")

    inbox = make_inbox()
    with monkeypatch.context() as patch:
        patch.setattr(rows, "put", away)
        done = await asyncio.gather(*(inbox.append(workspace, [event(n)]) for n in range(5)), return_exceptions=True)

    assert [type(one) for one in done] == [DatabaseUnavailable] * 5
    assert await query("select count(*) from inbox") == [(0,)]
    assert await inbox.append(workspace, [event()]) == [ACCEPTED]


async def test_a_client_that_hangs_up_takes_nothing_back(make_inbox, workspace, query):
    inbox = make_inbox()
    hasty = asyncio.create_task(inbox.append(workspace, [event(1)]))
    await asyncio.sleep(0)
    hasty.cancel()
    await inbox.append(workspace, [event(2)])
    await inbox.close()

    assert await query("select sum(messages) from inbox") == [(2,)]


async def test_a_workspace_that_was_deleted_has_no_inbox(make_inbox, database):
    gone = await open_workspace(database)
    async with database.transaction(gone) as db:
        await db.execute(text("delete from workspaces"))

    with pytest.raises(InvalidKey):
        await make_inbox().append(gone, [event()])


async def full(inbox, workspace):
    """Whether the inbox refuses, by what it saw last; and let it look again."""
    try:
        inbox._backlog.check(workspace)
    except Overloaded:
        return True
    finally:
        await inbox.close()
    return False


@pytest.mark.parametrize(("bounds", "spoilt"), [({"most_messages": 3}, False), ({"most_seconds": 10.0}, True)])
async def test_a_lag_beyond_its_bounds_is_refused_until_it_is_worked_off(
    make_inbox, workspace, query, drain, bounds, spoilt, monkeypatch
):
    monkeypatch.setattr("app.api.backlog.LOOK_SECONDS", 0.0)
    inbox = make_inbox(**bounds)
    assert not await full(inbox, workspace)
    await inbox.append(workspace, [event(), event(), event()])
    if spoilt:
        assert not await full(inbox, workspace)
        await query("update inbox set received_at = now() - interval '11 seconds'")
    for _ in range(2):  # a look that began before the commit may still be under way
        await full(inbox, workspace)

    assert await full(inbox, workspace)
    with pytest.raises(Overloaded) as refused:
        await inbox.append(workspace, [event()])
    assert refused.value.retry_after == 5

    await drain()
    for _ in range(2):
        await full(inbox, workspace)
    assert not await full(inbox, workspace)


async def test_what_fails_for_long_does_not_close_the_inbox(make_inbox, workspace, query, monkeypatch):
    monkeypatch.setattr("app.api.backlog.LOOK_SECONDS", 0.0)
    inbox = make_inbox(most_seconds=10.0)
    await inbox.append(workspace, [event()])
    await query("update inbox set attempts = 3, received_at = now() - interval '1 day'")
    await full(inbox, workspace)

    assert not await full(inbox, workspace)


async def test_the_backlog_is_looked_at_once_a_second_and_not_per_request(make_inbox, workspace, monkeypatch):
    looks, depth = [], rows.depth

    async def counted(db, workspace_id):
        looks.append(workspace_id)
        return await depth(db, workspace_id)

    monkeypatch.setattr(rows, "depth", counted)
    inbox = make_inbox()
    for number in range(20):
        await inbox.append(workspace, [event(number)])

    assert len(looks) <= 2


async def test_a_scrape_shows_the_inbox(inbox_client, app):
    await inbox_client.post("/api/v1/batch", json={"messages": [EVENT]})
    app.state.steward.metrics._looked_at = float("-inf")
    lines = (await inbox_client.get("/metrics")).text.splitlines()

    values = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("steward_inbox")}
    assert values["steward_inbox_messages"] >= 1
    assert {"steward_inbox_oldest_seconds", "steward_inbox_failing"} <= values.keys()
