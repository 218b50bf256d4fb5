"""Members and key roles through the API."""

import pytest


@pytest.fixture
async def dana(client):
    answer = await client.post("/api/v1/members", json={"email": "Dana@Example.com", "name": "Dana"})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
async def acme(client, drain):
    await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {}})
    await drain()


async def roles(client):
    found = (await client.get("/api/v1/accounts/acme/key-roles")).json()["data"]
    return {one["role"]: one["member"]["email"] for one in found}


async def test_a_member_is_found_by_id_and_by_address_in_any_case(client, dana):
    by_id = (await client.get(f"/api/v1/members/{dana['id']}")).json()
    by_email = (await client.get("/api/v1/members/dana@example.COM")).json()

    assert by_id == by_email == dana
    assert dana["email"] == "Dana@Example.com"


async def test_an_address_belongs_to_one_member(client, dana):
    await client.post("/api/v1/members", json={"email": "eli@example.com", "name": "Eli"})

    twice = await client.post("/api/v1/members", json={"email": "DANA@example.com", "name": "Other"})
    stolen = await client.patch("/api/v1/members/eli@example.com", json={"email": "dana@example.com"})

    assert (twice.status_code, twice.json()["code"]) == (409, "email_taken")
    assert (stolen.status_code, stolen.json()["code"]) == (409, "email_taken")


async def test_name_and_address_can_be_corrected(client, dana):
    changed = await client.patch(f"/api/v1/members/{dana['id']}", json={"name": "Dana R", "email": "d@example.com"})

    assert changed.json() == {**dana, "name": "Dana R", "email": "d@example.com"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "nobody", "name": "N"},
        {"email": "a@b c", "name": "N"},
        {"email": "a@b"},
        {"email": "a@b", "name": " "},
    ],
)
async def test_a_member_that_cannot_be(client, body):
    assert (await client.post("/api/v1/members", json=body)).status_code == 422


async def test_the_list_pages_and_hides_who_left(client):
    for name in ("a", "b", "c"):
        await client.post("/api/v1/members", json={"email": f"{name}@example.com", "name": name})
    await client.delete("/api/v1/members/b@example.com")

    first = (await client.get("/api/v1/members?limit=1")).json()
    second = (await client.get(f"/api/v1/members?limit=1&cursor={first['nextCursor']}")).json()
    everyone = (await client.get("/api/v1/members?deactivated=true")).json()

    assert [one["name"] for one in first["data"] + second["data"]] == ["a", "c"]
    assert [one["name"] for one in everyone["data"]] == ["a", "b", "c"]
    assert second["hasMore"] is False


async def test_roles_are_given_replaced_and_released(client, dana, acme):
    await client.post("/api/v1/members", json={"email": "eli@example.com", "name": "Eli"})

    await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": dana["id"]})
    both = await client.put("/api/v1/accounts/acme/key-roles/accountExecutive", json={"member": "eli@example.com"})
    shown = (await client.get("/api/v1/accounts/acme")).json()
    await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": "eli@example.com"})
    replaced = await roles(client)
    gone = await client.delete("/api/v1/accounts/acme/key-roles/csm")
    again = await client.delete("/api/v1/accounts/acme/key-roles/csm")

    assert {one["role"] for one in both.json()["data"]} == {"csm", "accountExecutive"}
    assert (shown["csm"]["name"], shown["accountExecutive"]["name"]) == ("Dana", "Eli")
    assert replaced == {"csm": "eli@example.com", "accountExecutive": "eli@example.com"}
    assert (gone.status_code, again.status_code) == (204, 204)
    assert (await client.get("/api/v1/accounts/acme")).json()["csm"] is None


async def test_who_leaves_gives_their_roles_back_and_may_return(client, dana, acme, drain):
    await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": dana["id"]})

    left = await client.delete(f"/api/v1/members/{dana['id']}")
    await drain()
    shown = (await client.get("/api/v1/accounts/acme")).json()
    refused = await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": dana["id"]})
    back = await client.post("/api/v1/members", json={"email": "dana@example.com", "name": "Dana"})

    assert left.status_code == 204
    assert shown["csm"] is None
    assert (refused.status_code, refused.json()["code"]) == (422, "member_deactivated")
    assert (back.status_code, back.json()["id"], back.json()["deactivatedAt"]) == (201, dana["id"], None)


async def test_unknown_things_are_not_found(client, acme, dana):
    nobody = await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": "ghost@example.com"})
    nowhere = await client.put("/api/v1/accounts/nowhere/key-roles/csm", json={"member": dana["id"]})
    no_role = await client.put("/api/v1/accounts/acme/key-roles/janitor", json={"member": dana["id"]})

    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown_member")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown_account")
    assert (no_role.status_code, no_role.json()["code"]) == (404, "unknown_role")


async def test_members_of_another_workspace_are_unknown(make_client, other_workspace, dana):
    stranger = await make_client(other_workspace)

    assert (await stranger.get(f"/api/v1/members/{dana['id']}")).status_code == 404
    assert (await stranger.get("/api/v1/members")).json()["data"] == []
