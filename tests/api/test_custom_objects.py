"""Instances of custom objects: told in batches, read by object, by account, or one by one."""

import pytest
from dirty_equals import IsPartialDict, IsStr

API = "/api/v1"
TICKET = {"type": "customObjectInstance", "customObject": "ticket", "instanceId": "T-1"}


async def send(client, *messages):
    answer = await client.post(f"{API}/batch", json={"messages": list(messages)})
    assert set(answer.json()["results"]) == {"accepted"}, answer.text


async def get(client, path, **params):
    answer = await client.get(f"{API}/custom-objects{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_instance_is_shown_with_its_parents(client):
    await send(client, {**TICKET, "name": "Printer", "accountId": "acme", "traits": {"open": True}})
    await send(client, {**TICKET, "organizationId": 7, "traits": {"open": None, "level": 2}})

    found = await get(client, "/ticket/instances/T-1")

    assert found == {
        "id": IsStr(regex="ins_[0-9a-f]{32}"),
        "customObject": "ticket",
        "externalId": "T-1",
        "name": "Printer",
        "account": IsPartialDict(externalId="acme"),
        "organization": IsPartialDict(externalId="7"),
        "traits": {"level": 2},
        "createdAt": IsStr(),
        "updatedAt": IsStr(),
    }
    assert await get(client, f"/ticket/instances/{found['id']}") == found
    account = await client.get(f"{API}/accounts/acme")
    assert account.json()["externalId"] == "acme"


async def test_objects_are_counted_and_instances_walked_by_account(client):
    one = {**TICKET, "accountId": "acme"}
    await send(client, *({**one, "instanceId": f"T-{n}"} for n in range(5)))
    await send(client, {**TICKET, "instanceId": "T-9", "accountId": "globex"}, {**TICKET, "customObject": "a/b"})

    objects = await get(client, "")
    first = await get(client, "", limit=1)
    rest = await get(client, "", limit=1, cursor=first["nextCursor"])
    of_acme = await get(client, "/ticket/instances", account="acme", limit=3)
    more = await get(client, "/ticket/instances", account="acme", limit=3, cursor=of_acme["nextCursor"])

    assert objects["data"] == [{"customObject": "a/b", "instances": 1}, {"customObject": "ticket", "instances": 6}]
    assert first["data"] + rest["data"] == objects["data"]
    walked = [row["externalId"] for row in of_acme["data"] + more["data"]]
    assert sorted(walked) == [f"T-{n}" for n in range(5)]
    assert len((await get(client, "/ticket/instances"))["data"]) == 6
    assert [row["externalId"] for row in (await get(client, "/a%2Fb/instances"))["data"]] == ["T-1"]


async def test_the_same_id_in_two_objects_is_two_instances(client):
    await send(client, {**TICKET, "name": "Printer"}, {**TICKET, "customObject": "deal", "name": "Renewal"})

    names = [(await get(client, f"/{kind}/instances/T-1"))["name"] for kind in ("ticket", "deal")]

    assert names == ["Printer", "Renewal"]


async def test_what_nobody_told_of_is_not_found(client):
    await send(client, TICKET)

    unknown = await client.get(f"{API}/custom-objects/ticket/instances/T-2")
    other = await client.get(f"{API}/custom-objects/deal/instances/T-1")
    account = await client.get(f"{API}/custom-objects/ticket/instances", params={"account": "nobody"})

    assert [(a.status_code, a.json()["code"]) for a in (unknown, other)] == [(404, "unknown_instance")] * 2
    assert (account.status_code, account.json()["code"]) == (404, "unknown_account")
    assert (await get(client, "/deal/instances"))["data"] == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"instanceId": ""}, "blank_id"),
        ({"customObject": None}, "invalid_id"),
        ({"name": ""}, "invalid_message"),
        ({"name": "x" * 513}, "invalid_message"),
        ({"color": "red"}, "unknown_field"),
        ({"traits": {f"t{n}": n for n in range(201)}}, "too_many_traits"),
    ],
)
async def test_a_bad_instance_is_refused(client, wrong, code):
    answer = await client.post(f"{API}/batch", json={"messages": [{**TICKET, **wrong}]})

    assert answer.json()["faults"] == [IsPartialDict(code=code)]
