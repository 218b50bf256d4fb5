"""Reports as of an instant: facts with history read as they were, others refused by name."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

T0 = datetime(2026, 3, 1, 9, tzinfo=UTC)
PATH = "/api/v1/reports/accounts"


def wire(at):
    return at.isoformat().replace("+00:00", "Z")


def day(number):
    return T0 + timedelta(days=number)


@pytest.fixture
async def past(client, drain, clock):
    """Acme changes plan, MRR, owner and CSM on the tenth day; Globex comes on the twentieth."""

    async def tell(at, *messages):
        clock.at = at
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text
        await drain()

    clock.at = day(-1)
    await client.put("/api/v1/trait-map", json={"owner": "ownerId"})
    staff = [
        (await client.post("/api/v1/members", json={"email": f"{name}@staff.test", "name": name})).json()
        for name in ("dana", "eli")
    ]
    people = [{"type": "user", "userId": who, "accountId": "acme", "traits": {"name": who}} for who in ("ann", "bob")]
    before = {"name": "Acme", "plan": "free", "mrr": 10, "ownerId": "ann"}
    await tell(day(0), {"type": "account", "accountId": "acme", "traits": before}, *people)
    await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": staff[0]["id"]})
    await drain()
    after = {"plan": "pro", "mrr": 500, "ownerId": "bob"}
    await tell(day(10), {"type": "account", "accountId": "acme", "traits": after})
    await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": staff[1]["id"]})
    await drain()
    await tell(day(20), {"type": "account", "accountId": "globex", "traits": {"plan": "free", "mrr": 7}})
    clock.at = day(30)


@pytest.fixture
def report(client):
    async def ask(**body):
        answer = await client.post(PATH, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


COLUMNS = ["traits.plan", "mrr", "owner", "csm"]


def told(found):
    return [
        (row["externalId"], row["traits.plan"], row["mrr"], row["owner"], row["csm"] and row["csm"]["name"])
        for row in found["data"]
    ]


async def test_facts_are_read_as_they_were(past, report):
    asked = {"columns": COLUMNS, "sort": [{"field": "mrr", "direction": "desc"}], "count": True}

    then = await report(**asked, asOf=wire(day(5)))
    between = await report(**asked, asOf=wire(day(15)))
    now = await report(**asked)

    assert told(then) == [("acme", "free", 10, "ann", "dana")]
    assert told(between) == [("acme", "pro", 500, "bob", "eli")]
    assert told(now) == [("acme", "pro", 500, "bob", "eli"), ("globex", "free", 7, None, None)]
    assert (then["count"], now["count"]) == (1, 2)
    assert told(await report(**asked, asOf=wire(day(-5)))) == []


@pytest.mark.parametrize(
    ("condition", "then", "now"),
    [
        ({"field": "traits.plan", "op": "is", "value": "free"}, ["acme"], ["globex"]),
        ({"field": "mrr", "op": "lessThan", "value": 100}, ["acme"], ["globex"]),
        ({"field": "owner", "op": "is", "value": "ann"}, ["acme"], []),
        ({"field": "traits.mrr", "op": "atLeast", "value": 10, "type": "number"}, ["acme"], ["acme"]),
        ({"not": {"field": "owner", "op": "isSet"}}, [], ["globex"]),
        ({"field": "createdAt", "op": "inLastDays", "value": 6}, ["acme"], []),
    ],
)
async def test_filters_hold_as_they_did(past, report, condition, then, now):
    async def names(**more):
        return [row["externalId"] for row in (await report(columns=[], filter=condition, **more))["data"]]

    assert await names(asOf=wire(day(5))) == then
    assert await names() == now


async def test_pages_add_up_in_the_past_too(client, drain, clock, report):
    for number in (0, 10):
        clock.at = day(number)
        messages = [
            {"type": "account", "accountId": f"a{ix}", "traits": {"n": (ix * 7) % 4} if ix % 3 else {"m": number}}
            for ix in range(9)
        ]
        await client.post("/api/v1/batch", json={"messages": messages})
        await drain()
    asked = {"columns": [], "sort": [{"field": "traits.n", "type": "number", "direction": "desc"}]}
    asked["asOf"] = wire(day(5))

    whole, page, seen = await report(**asked), await report(**asked, limit=2), []
    while True:
        seen += page["data"]
        if not page["hasMore"]:
            break
        page = await report(**asked, limit=2, cursor=page["nextCursor"])

    assert seen == whole["data"]
    assert len(seen) == 9


async def test_what_has_no_history_is_named(client, past):
    bodies = [
        {"columns": ["events"]},
        {"columns": [], "sort": [{"field": "lastSeenAt"}]},
        {"columns": [], "filter": {"field": "users", "op": "atLeast", "value": 1}},
    ]
    answers = [await client.post(PATH, json={**body, "asOf": wire(day(5))}) for body in bodies]
    summed = await client.post(f"{PATH}/summary", json={"groupBy": [{"field": "owner.state"}], "asOf": wire(day(5))})
    related = {"related": "users", "op": "atLeast", "count": 1, "where": {"all": []}}
    counted = await client.post(PATH, json={"columns": [], "filter": related, "asOf": wire(day(5))})

    for answer, name in zip([*answers, summed], ["events", "lastSeenAt", "users", "owner.state"], strict=True):
        assert (answer.status_code, answer.json()["code"]) == (422, "no_history"), answer.text
        assert answer.json()["context"]["lacking"] == [name]
        assert {"owner", "status", "mrr", "csm", "traits.*", "externalId"} <= set(answer.json()["context"]["known"])
    assert counted.json()["code"] == "no_history"


async def test_sums_and_files_are_of_then_too(client, past):
    body = {"asOf": wire(day(5))}
    summed = await client.post(
        f"{PATH}/summary",
        json={**body, "groupBy": [{"field": "traits.plan"}], "aggregates": [{"op": "sum", "field": "mrr"}]},
    )
    file = await client.post(f"{PATH}/export", json={**body, "columns": ["externalId", "mrr", "owner.name", "csm"]})

    assert summed.json()["groups"] == [{"keys": ["free"], "values": {"sum(mrr)": 10}}]
    rows = list(csv.reader(io.StringIO(file.content.decode())))
    assert rows[1:] == [["acme", "10", "ann", "dana@staff.test"]]


@pytest.mark.parametrize("subject", ["users", "organizations"])
async def test_users_and_organizations_have_a_past(client, drain, clock, subject):
    for number, plan in ((0, "free"), (10, "pro")):
        clock.at = day(number)
        message = {
            "users": {"type": "user", "userId": "x", "accountId": "acme", "traits": {"plan": plan}},
            "organizations": {"type": "organization", "organizationId": "x", "traits": {"plan": plan}},
        }[subject]
        assert (await client.post("/api/v1/batch", json={"messages": [message]})).status_code == 202
        await drain()

    async def plan_of(**more):
        body = {"columns": ["traits.plan", "status"], **more}
        answer = await client.post(f"/api/v1/reports/{subject}", json=body)
        assert answer.status_code == 200, answer.text
        return [row["traits.plan"] for row in answer.json()["data"]]

    assert (await plan_of(asOf=wire(day(5))), await plan_of()) == (["free"], ["pro"])
