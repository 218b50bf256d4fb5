"""Reports of a large workspace are answered from columns, and nobody can tell but by the time and the count."""

import asyncio

import httpx
import pytest

from app.main import create_app
from tests.conftest import running


@pytest.fixture
async def columnar(settings, make_key, workspace):
    """A client of an application in which every workspace is large; and its copies."""
    app = create_app(settings.model_copy(update={"columns_from": 1}))
    async with (
        running(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://steward.test",
            headers={"authorization": f"Bearer {await make_key(workspace)}"},
        ) as client,
    ):
        yield client, app.state.steward.replicas


async def tell(client, *numbers):
    """Accounts of the pro plan."""
    said = [{"type": "account", "accountId": f"a{n}", "traits": {"name": f"N{n}", "plan": "pro"}} for n in numbers]
    assert (await client.post("/api/v1/batch", json={"messages": said})).status_code == 202


async def ask(client, **body):
    answer = await client.post("/api/v1/reports/accounts", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_report_is_the_same_before_and_after_its_columns_are_there(client, columnar, workspace, drain):
    await tell(client, *range(5))
    await drain()
    body = {
        "filter": {"field": "traits.plan", "op": "is", "value": "PRO"},
        "sort": [{"field": "name", "direction": "desc"}],
        "limit": 2,
        "count": True,
    }
    theirs = await ask(client, **body)
    ours, replicas = columnar
    async with asyncio.timeout(20):
        while True:
            answer = await ask(ours, **body)
            assert answer["data"] == theirs["data"]
            copy = replicas.copies.get(workspace)
            if copy is not None and copy.usable and any(not column.always for column in copy.store.columns):
                break
            await asyncio.sleep(0.05)

    first = await ask(ours, **body)
    second = await ask(ours, **body, cursor=first["nextCursor"])
    beside = await ask(client, **body, cursor=first["nextCursor"])
    assert [row["externalId"] for row in (*first["data"], *second["data"])] == ["a4", "a3", "a2", "a1"]
    assert (beside["data"], first["count"], first["countCapped"]) == (second["data"], 5, False)

    await tell(client, 9)
    assert [row["externalId"] for row in (await ask(ours, **body))["data"]] == ["a9", "a4"], "at once"


async def test_who_may_not_see_an_account_does_not_take_it_from_those_who_may(
    client, columnar, workspace, drain, as_member
):
    """A copy is everybody's: it catches up with all that changed, whoever happens to ask first."""
    await tell(client, 1, 2)
    await drain()
    group = (await client.post("/api/v1/access-groups", json={"name": "Some"})).json()["id"]
    assert (await client.put(f"/api/v1/access-groups/{group}/accounts/a1")).status_code == 204
    await drain()
    outsider = await as_member("leader")
    ours, replicas = columnar
    body = {"sort": [{"field": "name", "direction": "asc"}], "columns": ["name"], "count": True}

    async with httpx.AsyncClient(
        transport=ours._transport, base_url="http://steward.test", headers=outsider.headers
    ) as outsider_here:
        async with asyncio.timeout(20):
            while not ((copy := replicas.copies.get(workspace)) and copy.usable):
                await ask(ours, **body)
                await asyncio.sleep(0.05)
        await tell(client, 1, 2, 3)
        early = [await ask(one, **body) for one in (outsider_here, ours)]
        await drain()
        answers = [await ask(one, **body) for one in (outsider_here, ours)]

    names = [[row["externalId"] for row in answer["data"]] for answer in answers]
    assert names == [["a2", "a3"], ["a1", "a2", "a3"]]
    assert [answer["count"] for answer in answers] == [2, 3]
    assert [answer["count"] for answer in early] == [1, 3], "what is new is hidden until it is known whose it is"
