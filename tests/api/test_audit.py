"""Every change by a person or a key leaves a line: who, what, on which thing, and what was asked for."""

from app.api.again import door
from app.api.deps import transaction
from app.api.heads import SAFE
from app.api.routes import ROUTERS
from app.api.routing import StrictRoute

MEMBER = {"email": "ada@example.com", "name": "Ada"}


async def lines(client, **narrow):
    answer = await client.get("/api/v1/audit-log", params=narrow)
    assert answer.status_code == 200
    return answer.json()["data"]


async def test_a_change_is_told_with_who_what_and_how(client):
    made = (await client.post("/api/v1/members", json=MEMBER)).json()

    (line,) = await lines(client)

    assert (line["action"], line["target"], line["request"]) == ("addMember", made["id"], MEMBER)
    assert line["actor"].startswith("key_")
    assert line["path"] == "/api/v1/members"
    assert line["requestId"]


async def test_what_failed_and_what_only_read_leave_no_line(client):
    await client.delete("/api/v1/members/nobody@example.com")
    await client.get("/api/v1/members")
    await client.post("/api/v1/reports/accounts", json={})

    assert await lines(client) == []


async def test_secrets_are_hidden(client):
    endpoint = {"url": "https://example.com/hook", "types": ["indicator.activated"]}
    await client.post("/api/v1/keys", json={"name": "backend", "scopes": ["ingest"]})
    await client.post("/api/v1/webhooks", json=endpoint)

    shown = await lines(client)

    assert "stw_" not in str(shown)
    assert "whsec_" not in str(shown)


async def test_the_log_is_narrowed_and_paged(client):
    for number in range(3):
        await client.post("/api/v1/members", json={"email": f"m{number}@example.com", "name": "M"})
    gone = await client.delete("/api/v1/members/m1@example.com")
    assert gone.status_code == 204

    assert [line["action"] for line in await lines(client, action="removeMember")] == ["removeMember"]
    assert len(await lines(client, target="m1@example.com")) == 1
    assert len(await lines(client, actor=(await lines(client))[0]["actor"])) == 4
    assert await lines(client, since="2999-01-01T00:00:00Z") == []
    page = (await client.get("/api/v1/audit-log", params={"limit": 3})).json()
    rest = (await client.get("/api/v1/audit-log", params={"limit": 3, "cursor": page["nextCursor"]})).json()
    assert [line["action"] for line in page["data"] + rest["data"]] == ["removeMember"] + ["addMember"] * 3


def test_every_route_of_ours_that_changes_something_goes_through_the_door():
    """The line is written where the transaction ends; a write elsewhere would leave none. Messages have receipts."""
    ours = [route for router in ROUTERS for route in router.routes if isinstance(route, StrictRoute)]
    writing = [route for route in ours if route.writes and not route.methods <= SAFE]
    outside = {
        route.operation_id
        for route in writing
        if not any(one.call in (transaction, door) for one in route.dependant.dependencies)
    }

    assert len(writing) > 20
    assert outside == set(ELSEWHERE)


ELSEWHERE = {
    "postEvent": "messages",
    "upsertAccount": "a message",
    "upsertUser": "a message",
    "upsertOrganization": "a message",
    "setOrganization": "a message",
    "replayRejectedMessage": "messages",
    "replayRejectedMessages": "messages",
    "deleteUser": "writes its line itself, without a name",
    "deleteAccount": "writes its line itself, without a name",
    "deleteWorkspace": "takes the log along",
    "changePassword": "writes its line itself",
}


async def test_a_deletion_is_told_without_the_name_and_earlier_requests_lose_it(client, drain):
    messages = [{"type": "user", "messageId": "1", "userId": "ada-7", "accountIds": ["acme"]}]
    assert (await client.post("/api/v1/batch", json={"messages": messages})).status_code == 202
    assert (await client.put("/api/v1/accounts/acme/owner", json={"user": "ada-7"})).status_code == 200
    assert "ada-7" in str(await lines(client))

    deletion = (await client.delete("/api/v1/users/ada-7")).json()
    await drain()

    shown = await lines(client)
    assert (shown[0]["action"], shown[0]["target"]) == ("deleteUser", deletion["id"])
    assert "ada-7" not in str(shown)


async def test_a_deletion_empties_what_it_must_and_nothing_that_only_looks_like_it(client, drain):
    """Someone whose id is "1" is part of almost every address; and requests may have used our own id."""
    messages = [{"type": "user", "messageId": "1", "userId": "v1", "accountIds": ["acme"]}]
    assert (await client.post("/api/v1/batch", json={"messages": messages})).status_code == 202
    ours = (await client.get("/api/v1/users/v1")).json()["id"]
    traits = {"traits": {"name": "Secret Person"}}
    assert (await client.patch(f"/api/v1/users/{ours}/traits", json=traits)).status_code == 200
    await client.post("/api/v1/members", json=MEMBER)
    deletion = (await client.delete("/api/v1/users/v1")).json()
    await drain()

    told = {line["action"]: line for line in await lines(client)}

    assert told["addMember"]["request"] == MEMBER
    assert "Secret" not in str(told)
    assert [line["details"] for line in told.values() if line["details"]] == [{"emptiedBy": deletion["id"]}]


async def test_what_a_member_sends_in_by_hand_leaves_a_line(as_member):
    admin = await as_member("admin")

    await admin.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"name": "Acme"}})

    (line,) = await lines(admin, action="upsertAccount")
    assert line["actor"].startswith("mem_")
    assert line["request"]["externalId"] == "acme"


async def test_of_addresses_only_the_host_is_kept(client):
    await client.post("/api/v1/webhooks", json={"url": "https://hooks.example.com/T000/secret-part"})

    assert "secret-part" not in str(await lines(client))
