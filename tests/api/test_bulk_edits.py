"""Bulk edits through the API: every action over a filter, with preview, progress and a result per record."""

from unittest.mock import Mock

import pytest
from sqlalchemy import text

from app.db import bulk_edits as rows
from app.domain import bulk_edits, ids
from app.domain.jobs import Erase, Lease
from app.domain.team import MemberRole, NotPermitted
from app.workers.erasures import erase


@pytest.fixture
def begin(client, drain):
    """Begin a bulk edit; drained unless told otherwise; its last state."""

    async def run(action, subject="accounts", *, wait=True, **which):
        body = {"subject": subject, "action": action, **(which or {"filter": {"all": []}})}
        answer = await client.post("/api/v1/bulk-edits", json=body)
        assert answer.status_code == 202, answer.text
        if not wait:
            return answer.json()
        await drain()
        return (await client.get(f"/api/v1/bulk-edits/{answer.json()['id']}")).json()

    return run


@pytest.fixture
def told(client):
    """What became of each record: external id -> outcome, or its code."""

    async def rows(edit, **query):
        found = (await client.get(f"/api/v1/bulk-edits/{edit['id']}/rows", params=query)).json()["data"]
        return {one["externalId"]: one["code"] or one["outcome"] for one in found}

    return rows


@pytest.fixture
async def accounts(client, drain):
    """Three accounts, one of them gold already."""
    for name, traits in (("acme", {}), ("hooli", {"tier": "gold"}), ("umbrella", {"tier": "tin", "mrr": 70})):
        await client.post("/api/v1/accounts", json={"externalId": name, "traits": traits})
    await drain()


@pytest.fixture
async def dana(client):
    return (await client.post("/api/v1/members", json={"email": "dana@example.com", "name": "Dana"})).json()


GOLD = {"type": "setTraits", "traits": {"tier": "gold"}}


def counts(edit):
    return {name: edit[name] for name in ("state", "total", "done", "changed", "unchanged", "failed")}


async def traits(client, subject):
    found = (await client.get(f"/api/v1/{subject}")).json()["data"]
    return {one["externalId"]: one["traits"] for one in found}


@pytest.mark.usefixtures("accounts")
async def test_traits_are_set_where_they_differ(client, begin, told):
    edit = await begin(GOLD)

    assert counts(edit) == {"state": "done", "total": 3, "done": 3, "changed": 2, "unchanged": 1, "failed": 0}
    assert (edit["progress"], edit["requestedBy"][:4]) == (1.0, "key_")
    assert await told(edit) == {"acme": "changed", "hooli": "unchanged", "umbrella": "changed"}
    assert await told(edit, outcome="unchanged") == {"hooli": "unchanged"}
    assert {name: one["tier"] for name, one in (await traits(client, "accounts")).items()} == dict.fromkeys(
        ("acme", "hooli", "umbrella"), "gold"
    )


@pytest.mark.usefixtures("accounts")
async def test_the_set_is_settled_at_the_start(begin, client):
    edit = await begin({"type": "setTraits", "traits": {"tier": None}}, filter={"field": "traits.tier", "op": "isSet"})

    assert counts(edit)["changed"] == 2
    assert not any("tier" in one for one in (await traits(client, "accounts")).values())


async def test_users_and_organizations_are_edited_too(client, begin):
    await client.post("/api/v1/users", json={"externalId": "ada", "traits": {"name": "Ada"}})
    await client.post("/api/v1/organizations", json={"externalId": "corp", "traits": {}})

    users = await begin({"type": "setTraits", "traits": {"vip": True}}, "users", ids=["ada"])
    organizations = await begin({"type": "setTraits", "traits": {"region": "EU"}}, "organizations")

    assert (users["changed"], organizations["changed"]) == (1, 1)
    assert await traits(client, "users") == {"ada": {"name": "Ada", "vip": True}}
    assert await traits(client, "organizations") == {"corp": {"region": "EU"}}


@pytest.mark.usefixtures("accounts")
async def test_a_key_role_is_given_to_one_and_taken_back(client, begin, dana):
    given = await begin({"type": "assignKeyRole", "role": "csm", "member": "dana@example.com"})
    again = await begin({"type": "assignKeyRole", "role": "csm", "member": dana["id"]})
    held = (await client.get("/api/v1/accounts", params={"holder": dana["id"]})).json()["data"]
    history = (await client.get("/api/v1/accounts/acme/key-roles/history")).json()["data"]
    back = await begin({"type": "assignKeyRole", "role": "csm", "member": None}, ids=["acme"])

    assert [(edit["changed"], edit["unchanged"]) for edit in (given, again, back)] == [(3, 0), (0, 3), (1, 0)]
    assert {one["csm"]["id"] for one in held} == {dana["id"]}
    assert (history[0]["source"], history[0]["changedBy"]) == ("bulk", given["requestedBy"])
    assert given["action"] == {"type": "assignKeyRole", "role": "csm", "member": dana["id"]}


@pytest.mark.usefixtures("accounts")
async def test_a_key_role_is_dealt_out(client, begin, dana):
    await client.post("/api/v1/members", json={"email": "eli@example.com", "name": "Eli"})
    await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": dana["id"]})

    edit = await begin(
        {
            "type": "assignKeyRole",
            "role": "csm",
            "candidates": ["dana@example.com", "eli@example.com"],
            "algorithm": "fewestAccounts",
            "doNotReplace": True,
        }
    )
    team = (await client.get("/api/v1/capacity")).json()["data"]

    assert (edit["changed"], edit["unchanged"]) == (2, 1)
    assert sorted(one["accounts"] for one in team) == [1, 2]


@pytest.mark.usefixtures("accounts")
async def test_records_enter_and_leave_a_segment(client, begin):
    made = await client.post("/api/v1/segments", json={"subject": "accounts", "name": "Important"})
    segment = made.json()["id"]

    entered = await begin({"type": "addToSegment", "segment": segment}, ids=["acme", "hooli"])
    left = await begin({"type": "removeFromSegment", "segment": segment})

    assert (entered["changed"], entered["unchanged"]) == (2, 0)
    assert (left["changed"], left["unchanged"]) == (2, 1)


@pytest.mark.usefixtures("accounts")
async def test_a_status_is_decided_for_many_and_handed_back(client, begin):
    churned = await begin({"type": "setStatus", "status": "churned"})
    seen = {one["status"] for one in (await client.get("/api/v1/accounts")).json()["data"]}
    back = await begin({"type": "setStatus", "status": None})

    assert (churned["changed"], seen, back["changed"]) == (3, {"churned"}, 3)


@pytest.mark.usefixtures("accounts")
async def test_a_preview_changes_nothing(client):
    body = {"subject": "accounts", "filter": {"all": []}, "action": GOLD}

    found = (await client.post("/api/v1/bulk-edits/preview", json=body)).json()

    assert (found["count"], found["countCapped"]) == (3, False)
    assert [(one["externalId"], one["before"]["tier"], one["changes"]) for one in found["sample"]] == [
        ("acme", None, True),
        ("hooli", "gold", False),
        ("umbrella", "tin", True),
    ]
    assert (await client.get("/api/v1/bulk-edits")).json()["data"] == []


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ({"type": "setStatus", "status": "trial"}, "subscribed", "trial"),
        ({"type": "assignKeyRole", "role": "csm", "member": "dana@example.com"}, None, "Dana"),
        (
            {"type": "assignKeyRole", "role": "csm", "candidates": ["dana@example.com"], "algorithm": "roundRobin"},
            None,
            "Dana",
        ),
    ],
)
@pytest.mark.usefixtures("accounts", "dana")
async def test_every_action_can_be_previewed(client, action, before, after):
    body = {"subject": "accounts", "ids": ["acme"], "action": action}

    answer = await client.post("/api/v1/bulk-edits/preview", json=body)

    assert answer.status_code == 200, answer.text
    one = answer.json()["sample"][0]
    assert (one["before"], one["after"]["name"] if isinstance(one["after"], dict) else one["after"]) == (before, after)


async def test_nothing_matching_is_done_at_once(begin):
    assert counts(await begin(GOLD)) == {
        "state": "done", "total": 0, "done": 0, "changed": 0, "unchanged": 0, "failed": 0,
    }  # fmt: skip


@pytest.mark.usefixtures("accounts")
async def test_edits_run_one_after_the_other_and_can_be_stopped(client, begin, drain):
    first = await begin(GOLD, wait=False)
    second = await begin({"type": "setTraits", "traits": {"tier": "silver"}}, wait=False)
    third = await begin({"type": "setTraits", "traits": {"tier": "lead"}}, wait=False)

    stopped = (await client.post(f"/api/v1/bulk-edits/{second['id']}/cancel")).json()
    await drain()
    again = (await client.post(f"/api/v1/bulk-edits/{first['id']}/cancel")).json()
    listed = (await client.get("/api/v1/bulk-edits")).json()["data"]

    assert [one["state"] for one in (first, second, third)] == ["running", "waiting", "waiting"]
    assert (stopped["state"], again["state"]) == ("cancelled", "done")
    assert [(one["id"], one["state"], one["changed"]) for one in listed] == [
        (third["id"], "done", 3),
        (second["id"], "cancelled", 0),
        (first["id"], "done", 2),
    ]


async def test_a_workspace_has_so_many_unfinished_edits(client, begin, monkeypatch):
    monkeypatch.setattr("app.services.bulk_edits.MOST_OPEN", 1)
    await begin(GOLD, wait=False)

    answer = await client.post(
        "/api/v1/bulk-edits", json={"subject": "accounts", "filter": {"all": []}, "action": GOLD}
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_bulk_edits")


@pytest.mark.usefixtures("accounts")
async def test_too_many_records_are_refused_and_nothing_is_kept(client, monkeypatch):
    monkeypatch.setattr("app.services.bulk_edits.MOST_RECORDS", 2)

    answer = await client.post(
        "/api/v1/bulk-edits", json={"subject": "accounts", "filter": {"all": []}, "action": GOLD}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_records")
    assert (await client.get("/api/v1/bulk-edits")).json()["data"] == []


@pytest.mark.usefixtures("accounts")
async def test_what_cannot_be_done_any_more_fails_as_a_whole(client, begin, drain):
    await client.post("/api/v1/roles", json={"slug": "helper", "label": "Helper"})
    await client.post("/api/v1/members", json={"email": "eli@example.com", "name": "Eli"})
    edit = await begin({"type": "assignKeyRole", "role": "helper", "member": "eli@example.com"}, wait=False)
    await client.delete("/api/v1/roles/helper")
    waiting = await begin(GOLD, wait=False)

    await drain()
    failed = (await client.get(f"/api/v1/bulk-edits/{edit['id']}")).json()
    after = (await client.get(f"/api/v1/bulk-edits/{waiting['id']}")).json()

    assert (failed["state"], failed["error"]["code"]) == ("failed", "unknown_role")
    assert after["state"] == "done"


@pytest.mark.usefixtures("accounts")
async def test_a_record_deleted_meanwhile_is_reported(client, begin, drain):
    edit = await begin(GOLD, wait=False)
    await client.delete("/api/v1/accounts/acme")

    await drain()
    found = (await client.get(f"/api/v1/bulk-edits/{edit['id']}/rows")).json()["data"]

    assert [(one["externalId"], one["outcome"], one["code"]) for one in found] == [
        (None, "failed", "unknown_record"),
        ("hooli", "unchanged", None),
        ("umbrella", "changed", None),
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"ids": ["nowhere"], "action": GOLD}, 404, "unknown_account"),
        ({"action": GOLD}, 422, "invalid_request"),
        ({"ids": ["acme"], "filter": {"all": []}, "action": GOLD}, 422, "invalid_request"),
        ({"ids": ["acme"], "action": {"type": "explode"}}, 422, "invalid_request"),
        ({"filter": {"field": "moon", "op": "isSet"}, "action": GOLD}, 422, "invalid_filter"),
        ({"filter": {"all": []}, "action": {"type": "setStatus", "status": "active"}}, 422, None),
        (
            {"filter": {"all": []}, "action": {"type": "assignKeyRole", "role": "janitor", "member": None}},
            404,
            "unknown_role",
        ),
        ({"filter": {"all": []}, "action": {"type": "assignKeyRole", "role": "csm"}}, 422, "invalid_request"),
        ({"filter": {"all": []}, "action": {"type": "addToSegment", "segment": "seg_1"}}, 404, "unknown_segment"),
        (
            {"subject": "users", "filter": {"all": []},
             "action": {"type": "assignKeyRole", "role": "csm", "member": None}},
            422,
            "unsuitable_action",
        ),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("accounts")
async def test_what_is_refused_beforehand(client, body, status, code):
    for path in ("bulk-edits", "bulk-edits/preview"):
        answer = await client.post(f"/api/v1/{path}", json={"subject": "accounts", **body})

        assert answer.status_code == status, answer.text
        assert code in (None, answer.json()["code"])
    assert (await client.get("/api/v1/bulk-edits")).json()["data"] == []


@pytest.mark.usefixtures("accounts")
async def test_an_action_needs_what_a_single_change_needs(as_member, dana):
    member = await as_member(MemberRole.TEAM_MEMBER)
    action = {"type": "assignKeyRole", "role": "csm", "member": dana["id"]}

    answer = await member.post(
        "/api/v1/bulk-edits", json={"subject": "accounts", "filter": {"all": []}, "action": action}
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


async def leaves(client, member):
    await client.delete(f"/api/v1/members/{member}")


async def is_demoted(client, member):
    await client.patch(f"/api/v1/members/{member}", json={"role": "observer"})


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize(("happens", "code"), [(leaves, "author_gone"), (is_demoted, "not_permitted")])
async def test_an_edit_ends_with_the_rights_of_who_began_it(client, as_member, drain, happens, code):
    member = await as_member(MemberRole.LEADER)
    begun = [
        (await member.post("/api/v1/bulk-edits", json={"subject": "accounts", "filter": {"all": []}, "action": GOLD}))
        for _ in range(2)
    ]
    await happens(client, member.member)
    await drain()

    edits = [(await client.get(f"/api/v1/bulk-edits/{one.json()['id']}")).json() for one in begun]

    assert [(edit["state"], edit["error"]["code"], edit["done"]) for edit in edits] == [("failed", code, 0)] * 2
    assert (await traits(client, "accounts"))["umbrella"]["tier"] == "tin"


@pytest.mark.usefixtures("accounts")
async def test_a_role_that_still_suffices_lets_an_edit_go_on(client, as_member, drain):
    member = await as_member(MemberRole.ADMIN)
    body = {"subject": "accounts", "filter": {"all": []}, "action": GOLD}
    edit = (await member.post("/api/v1/bulk-edits", json=body)).json()["id"]
    await client.patch(f"/api/v1/members/{member.member}", json={"role": "leader"})
    await drain()

    assert (await client.get(f"/api/v1/bulk-edits/{edit}")).json()["state"] == "done"


@pytest.mark.usefixtures("accounts")
async def test_an_edit_ends_when_its_key_is_revoked(client, make_client, workspace, drain):
    program = await make_client(workspace)
    body = {"subject": "accounts", "filter": {"all": []}, "action": GOLD}
    edit = (await program.post("/api/v1/bulk-edits", json=body)).json()
    revoked = await client.delete(f"/api/v1/keys/{edit['requestedBy']}")
    await drain()

    shown = (await client.get(f"/api/v1/bulk-edits/{edit['id']}")).json()

    assert revoked.status_code == 204
    assert (shown["state"], shown["error"]["code"], shown["done"]) == ("failed", "author_gone", 0)


@pytest.mark.usefixtures("accounts")
async def test_an_edit_that_somebody_held_when_its_turn_came_runs_a_little_later(
    client, begin, drain, database, workspace
):
    await begin(GOLD, wait=False)
    held = await begin({"type": "setTraits", "traits": {"tier": "lead"}}, wait=False)
    async with database.transaction(workspace) as db:  # as who stops it does, and then fails
        await db.execute(text("select from bulk_edits where state = 'waiting' for update"))
        await drain()
    async with database.transaction(workspace) as db:
        await db.execute(text("update jobs set run_at = now() where kind = 'bulk_edit.run' and state = 'ready'"))
    await drain()

    assert (await client.get(f"/api/v1/bulk-edits/{held['id']}")).json()["state"] == "done"


@pytest.mark.usefixtures("accounts")
async def test_who_may_not_stop_an_edit_does_not_hold_it(client, begin, monkeypatch):
    await begin(GOLD, wait=False)
    waiting = await begin(GOLD, wait=False)
    locks = []
    one = rows.one

    async def look(*args, lock=False):
        locks.append(lock)
        return await one(*args, lock=lock)

    def refuse(*_):
        raise NotPermitted("No.")

    monkeypatch.setattr(rows, "one", look)
    monkeypatch.setattr("app.services.bulk_edits.needs", refuse)
    refused = await client.post(f"/api/v1/bulk-edits/{waiting['id']}/cancel")

    assert (refused.status_code, locks) == (403, [False])


async def test_what_was_said_of_a_deleted_user_is_blanked(client, begin, drain):
    for name in ("ada", "bob"):
        await client.post("/api/v1/users", json={"externalId": name, "traits": {"email": f"{name}@acme.test"}})
    told = {"type": "setTraits", "traits": {"phone": "555 1234"}}
    about = await begin(told, "users", filter={"field": "email", "op": "is", "value": "ada@acme.test"})
    other = await begin(told, "users", ids=["bob"])
    await client.delete("/api/v1/users/ada")
    await drain()

    blanked = (await client.get(f"/api/v1/bulk-edits/{about['id']}")).json()
    kept = (await client.get(f"/api/v1/bulk-edits/{other['id']}")).json()

    assert (blanked["filter"], blanked["action"]["traits"]) == (None, {"phone": "(deleted)"})
    assert kept["action"] == told


@pytest.mark.parametrize("end", ["done", "cancelled"])
async def test_what_a_waiting_edit_says_of_a_deleted_user_is_blanked_at_its_end(
    client, begin, drain, runtime, workspace, end
):
    for name in ("ada", "bob"):
        await client.post("/api/v1/users", json={"externalId": name, "traits": {"email": f"{name}@acme.test"}})
    told = {"type": "setTraits", "traits": {"phone": "555 1234"}}
    first = await begin(told, "users", wait=False, ids=["bob"])
    about = await begin(told, "users", wait=False, filter={"field": "email", "op": "is", "value": "ada@acme.test"})
    erasure = (await client.delete("/api/v1/users/ada")).json()
    # The deletion ends while the edit waits.
    await erase(Erase(ids.read("ers", erasure["id"])), runtime, Mock(spec=Lease, workspace_id=workspace))
    if end == "cancelled":
        await client.post(f"/api/v1/bulk-edits/{about['id']}/cancel")
    await drain()

    blanked = (await client.get(f"/api/v1/bulk-edits/{about['id']}")).json()
    kept = (await client.get(f"/api/v1/bulk-edits/{first['id']}")).json()

    assert blanked["state"] == end
    assert (blanked["filter"], blanked["action"]["traits"]) == (None, {"phone": "(deleted)"})
    assert kept["action"] == told


@pytest.mark.usefixtures("accounts")
async def test_what_a_data_access_group_hides_is_not_edited(client, as_member, drain, told):
    group = (await client.post("/api/v1/access-groups", json={"name": "Secret"})).json()["id"]
    assert (await client.put(f"/api/v1/access-groups/{group}/accounts/acme")).status_code < 300
    await drain()
    leader = await as_member("leader")
    body = {"subject": "accounts", "filter": {"all": []}, "action": {"type": "setTraits", "traits": {"seen": True}}}

    looked = (await leader.post("/api/v1/bulk-edits/preview", json=body)).json()
    edit = (await leader.post("/api/v1/bulk-edits", json=body)).json()
    hidden = await leader.post("/api/v1/bulk-edits", json={**body, "filter": None, "ids": ["acme"]})
    theirs = (await client.post("/api/v1/bulk-edits", json=body)).json()
    await drain()
    own = (await leader.get("/api/v1/bulk-edits")).json()["data"]

    assert (looked["count"], edit["total"], theirs["total"]) == (2, 2, 3)
    assert edit["requestedBy"] == leader.member
    assert hidden.status_code == 404
    assert await told(edit) == {"hooli": "changed", "umbrella": "changed"}
    assert [one["id"] for one in own] == [edit["id"]]
    assert (await leader.get(f"/api/v1/bulk-edits/{theirs['id']}")).status_code == 404


def test_every_action_has_a_permission():
    from app.services.bulk_actions import ACTIONS

    assert ACTIONS.keys() == bulk_edits.NEEDED.keys()
