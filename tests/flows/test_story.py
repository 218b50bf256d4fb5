"""The main job, end to end: from a posted trait to an owner, a report, an indicator and a signed webhook."""

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from tests.receivers import Receiver

QUIET = {
    "all": [
        {"field": "mrr", "op": "greaterThan", "value": 100},
        {"field": "owner.lastSeenAt", "op": "moreThanDaysAgo", "value": 7},
    ]
}
COLUMNS = ["name", "mrr", "owner", "owner.email", "owner.joinedAt", "owner.lastSeenAt", "owner.sessions", "owner.state"]


@pytest.fixture
async def receiver():
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
def say(client):
    """Speaks to the API and expects to be understood."""

    async def call(method, path, body=None):
        answer = await client.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    return call


@pytest.fixture
def letter(receiver):
    """The newest letter the receiver got, verified with a library that is not ours. It was the `count`-th."""

    async def read(secret, count):
        received = await receiver.wait_for(count)
        assert len(received) == count
        return Webhook(secret).verify(received[-1].body, received[-1].headers)

    return read


@pytest.fixture
def report(say):
    async def run(filter_=None):
        found = await say("POST", "/reports/accounts", {"columns": COLUMNS, "filter": filter_})
        return found["data"]

    return run


def shown(at):
    return at.isoformat().replace("+00:00", "Z")


async def test_an_owner_goes_quiet_and_comes_back(say, receiver, letter, report, drain, clock):
    now = datetime.now(UTC).replace(microsecond=0)
    week_ago = now - timedelta(days=7)
    clock.at = week_ago

    # The team sets the stage: who works here, which trait names owners, where to send news, what to watch for.
    for name in ("Mina Castell", "Ravi Sterling"):
        await say("POST", "/members", {"name": name, "email": f"{name.split()[0].lower()}@ourteam.example"})
    await say("PUT", "/trait-map", {"owner": "ownerId"})
    secret = (await say("POST", "/webhooks", {"url": receiver.url}))["secret"]
    await say(
        "POST",
        "/indicators",
        {"name": "Owner gone quiet", "kind": "risk", "filter": QUIET, "assignee": {"role": "csm"}},
    )

    # The product's backend posts an account that names an owner nobody has heard of.
    traits = {"name": "Acme", "mrr": 250, "ownerId": "user-1"}
    await say("POST", "/accounts", {"externalId": "acme", "traits": traits})
    await say("PUT", "/accounts/acme/key-roles/csm", {"member": "mina@ourteam.example"})
    await say("PUT", "/accounts/acme/key-roles/accountExecutive", {"member": "ravi@ourteam.example"})
    await drain()
    owner = await say("GET", "/accounts/acme/owner")
    assert (owner["state"], owner["pendingValue"], owner["owner"]) == ("pending", "user-1", None)
    assert owner["steps"][0]["because"] == 'Trait "ownerId" names "user-1", a user not known yet: kept as pending.'

    # The user appears, but elsewhere: still pending. Then they are linked.
    await say(
        "POST", "/users", {"externalId": "user-1", "accounts": ["other"], "traits": {"email": "ada@acme.example"}}
    )
    await drain()
    assert (await say("GET", "/accounts/acme/owner"))["state"] == "pending"
    await say("POST", "/users", {"externalId": "user-1", "accounts": ["acme"]})
    await drain()
    owner = await say("GET", "/accounts/acme/owner")
    assert (owner["state"], owner["source"], owner["owner"]["email"]) == ("resolved", "trait", "ada@acme.example")
    (received,) = await receiver.wait_for(1)
    changed = received.json()  # its signature is a week old by now
    assert (changed["type"], changed["data"]["owner"]["externalId"]) == ("account.owner_changed", "user-1")

    # They work on three days, twice on the last of them.
    for hours in (49, 25, 1, 0):
        at = shown(week_ago - timedelta(hours=hours))
        await say("POST", "/events", {"event": "Signed In", "userId": "user-1", "accountId": "acme", "timestamp": at})
    await drain()
    days = {(week_ago - timedelta(hours=hours)).date() for hours in (49, 25, 1, 0)}
    (row,) = await report({"field": "externalId", "op": "is", "value": "acme"})
    assert row["owner.email"] == "ada@acme.example"
    assert row["owner.lastSeenAt"] == shown(week_ago)
    assert row["owner.sessions"] == len(days)
    assert row["owner.joinedAt"] == shown(week_ago - timedelta(hours=49))
    assert row["owner.state"] == "resolved"
    assert await report(QUIET) == []

    # A week goes by, and nothing arrives: first it is not yet so, then it is.
    clock.at = now - timedelta(seconds=1)
    await drain()
    assert (await say("GET", "/alerts"))["data"] == []
    clock.at = now
    await drain()
    (alert,) = (await say("GET", "/alerts"))["data"]
    assert (alert["state"], alert["account"]["externalId"]) == ("active", "acme")
    assert alert["assignee"]["email"] == "mina@ourteam.example"
    why = (await say("GET", f"/alerts/{alert['id']}"))["why"]
    assert [(one["field"], one["saw"], one["holds"]) for one in why] == [
        ("mrr", 250, True),
        ("owner.lastSeenAt", shown(week_ago), True),
    ]
    assert [one["externalId"] for one in await report(QUIET)] == ["acme"]

    # The receiver is told everything it needs to write to the owner in the name of the right person.
    fired = await letter(secret, 2)
    data = fired["data"]
    assert fired["type"] == "indicator.activated"
    assert (data["account"]["externalId"], data["account"]["mrr"]) == ("acme", 250)
    assert (data["owner"]["email"], data["owner"]["lastSeenAt"]) == ("ada@acme.example", shown(week_ago))
    assert data["owner"]["sessions"] == len(days)
    assert data["csm"]["email"] == "mina@ourteam.example"
    assert data["accountExecutive"]["email"] == "ravi@ourteam.example"
    assert (data["indicator"]["name"], data["indicator"]["kind"]) == ("Owner gone quiet", "risk")

    # The owner comes back.
    await say("POST", "/events", {"event": "Signed In", "userId": "user-1", "accountId": "acme"})
    await drain()
    resolved = await letter(secret, 3)
    assert resolved["type"] == "indicator.resolved"
    assert resolved["data"]["owner"]["lastSeenAt"] == shown(now)
    assert (await say("GET", f"/alerts/{alert['id']}"))["state"] == "resolved"
    assert await report(QUIET) == []
