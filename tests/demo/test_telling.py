"""The demo story, told over HTTP to a server on loopback: its outcome, its harmless repetition, its removal."""

import asyncio
import socket
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import uvicorn

from app import demo
from app.demo.client import Client
from app.domain.errors import NotFound, Rejected, Unavailable
from app.main import create_app


@pytest.fixture(scope="module")
def url(settings):
    """The real application, served by the real server."""
    taken = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(settings), http="httptools", ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{taken.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
async def visitor(url, workspace, make_key):
    """Someone who reads the outcome."""
    headers = {"authorization": f"Bearer {await make_key(workspace)}"}
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as visitor:
        yield visitor


GAUGES = ["metrics.report_exporters", "elements.integrations", "elementsUsed", "nps", "health", "healthScores.adoption"]


async def rows(visitor, path, body=None):
    found, cursor = [], None
    while True:
        if body is not None:
            answer = await visitor.post(path, json={**body, "limit": 200, "cursor": cursor})
        else:
            answer = await visitor.get(path, params={"limit": 200} | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        cursor = answer.json()["nextCursor"]
        if cursor is None:
            return found


async def outcome(visitor):
    """Everything the story leaves that a reader can see."""
    facts = [fact["path"] for fact in (await visitor.get("/facts")).json()["data"]]
    return {
        "accounts": await rows(visitor, "/reports/accounts", {"columns": facts[:50]}),
        "users": await rows(visitor, "/users"),
        "members": await rows(visitor, "/members"),
        "indicators": await rows(visitor, "/indicators"),
        "alerts": await rows(visitor, "/alerts"),
        "gauges": await rows(visitor, "/reports/accounts", {"columns": GAUGES}),
        "answers": await rows(visitor, "/nps-responses"),
    }


async def test_the_story_is_told_once_however_often_it_is_loaded(
    url, workspace, make_key, visitor, drain, clock, database
):
    key = await make_key(workspace, "admin")
    heard = []
    await demo.load(url, key, say=heard.append, patience=0)
    await drain()
    first = await outcome(visitor)

    assert len(first["accounts"]) == 200
    assert Counter(row["status"] for row in first["accounts"]) == {
        "subscribed": 142,
        "trial": 28,
        "churned": 18,
        "ignored": 12,
    }
    assert sum(row["owner.state"] == "pending" and row["owner"] is None for row in first["accounts"]) in range(10, 13)
    assert sum(row["owner.source"] == "manual" for row in first["accounts"]) == 5
    assert len(first["members"]) == 6
    assert 600 <= len(first["users"]) <= 900
    assert any(row["owner.lastReceivedMessageAt"] for row in first["accounts"])
    alerts = Counter((alert["indicator"]["name"], alert["state"]) for alert in first["alerts"])
    assert 20 <= alerts["Owner gone quiet", "active"] <= 30
    assert alerts["Outgrowing the Team plan", "active"] >= 3
    assert all(alert["state"] == "active" and alert["assignee"] for alert in first["alerts"])
    assert heard
    check_gauges(first)

    await demo.load(url, key, patience=0)
    await drain()
    assert await outcome(visitor) == first

    # Within the hour, and by the clock alone, one more owner has been quiet for seven days.
    clock.at = datetime.now(UTC) + timedelta(hours=1)
    await drain()
    later = Counter(alert["indicator"]["name"] for alert in await rows(visitor, "/alerts"))
    assert later["Owner gone quiet"] == alerts["Owner gone quiet", "active"] + 1

    await demo.remove(url, key, say=heard.append)
    assert "is gone" in heard[-1]
    with Client(url, key) as client, pytest.raises(Rejected, match="401"):
        await asyncio.to_thread(client.call, "GET", "/workspace")


def check_gauges(found):
    """A newcomer sees every kind of number there is, and none is the same everywhere."""
    assert 100 <= len(found["answers"]) <= 400
    for gauge in GAUGES:
        if gauge != "elementsUsed":
            assert len({row[gauge] for row in found["gauges"]}) >= 4, gauge
    assert all(row["elementsUsed"] == (row["elements.integrations"] > 0) for row in found["gauges"])
    assert sum(row["health"] is not None for row in found["gauges"]) >= 150


async def test_a_workspace_is_deleted_with_everything_in_it_and_only_if_it_is_named(
    client, make_client, database, workspace, other_workspace, drain
):
    neighbour = await make_client(other_workspace)
    for one in (client, neighbour):
        await one.post("/api/v1/members", json={"name": "Mina", "email": "mina@ourteam.example"})
        message = {"type": "event", "event": "Signed In", "userId": "u", "accountId": "a", "messageId": "m"}
        await one.post("/api/v1/batch", json={"messages": [message]})
        await one.put("/api/v1/trait-map", json={"owner": "ownerId"})

    refused = await client.request("DELETE", "/api/v1/workspace", json={"slug": "another"})
    assert (refused.status_code, refused.json()["code"]) == (422, "slug_mismatch")
    assert (await client.get("/api/v1/accounts/a")).status_code == 200

    slug = (await client.get("/api/v1/workspace")).json()["slug"]
    gone = await client.request("DELETE", "/api/v1/workspace", json={"slug": slug})
    assert gone.status_code == 204
    assert (await client.get("/api/v1/workspace")).status_code == 401
    assert await left(database, workspace) == {}
    assert (await left(database, other_workspace)).keys() >= {"accounts", "events", "message_receipts", "api_keys"}


async def left(database, workspace_id):
    """How many rows each table still has of a workspace."""
    from sqlalchemy import func, select

    from app.domain.models import Base

    found = {}
    async with database.transaction(workspace_id) as db:
        for table in Base.metadata.sorted_tables:
            column = table.c.get("workspace_id", table.c.get("id"))
            if count := await db.scalar(select(func.count()).select_from(table).where(column == workspace_id)):
                found[table.name] = count
    return found


async def test_only_an_administrator_may_delete_a_workspace(make_client, workspace):
    for scope in ("read", "ingest"):
        client = await make_client(workspace, scope)
        answer = await client.request("DELETE", "/api/v1/workspace", json={"slug": "t"})
        assert answer.status_code == 403


async def test_refusals_and_outages_are_told_apart(url, workspace, make_key, monkeypatch):
    with Client(url, await make_key(workspace, "read")) as client:
        with pytest.raises(NotFound, match="404"):
            await asyncio.to_thread(client.call, "GET", "/accounts/nobody")
        with pytest.raises(Rejected, match="403"):
            await asyncio.to_thread(client.call, "PATCH", "/workspace", {})
    monkeypatch.setattr("app.demo.client.PAUSE", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", "key") as client, pytest.raises(Unavailable, match="6 tries"):
        await asyncio.to_thread(client.call, "GET", "/workspace")
