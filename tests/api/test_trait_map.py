"""The traits map through the API: what it feeds, previewing a change, and applying it to what is stored."""

import pytest
from sqlalchemy import text

from app.services import reprocessing, trait_map


@pytest.fixture
def tell(client, drain):
    async def send(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text
        await drain()

    return send


@pytest.fixture
async def three_accounts(tell):
    """acme and globex have users; the trait `boss` names them, and someone unknown at initech."""
    await tell(
        {"type": "user", "userId": "user-1", "accountIds": ["acme", "globex"]},
        {"type": "user", "userId": "user-2", "accountIds": ["acme"]},
        {"type": "account", "accountId": "acme", "traits": {"boss": "user-2", "name": "Acme"}},
        {"type": "account", "accountId": "globex", "traits": {"boss": "user-1"}},
        {"type": "account", "accountId": "initech", "traits": {"boss": "ghost"}},
    )


async def owner(client, account):
    body = (await client.get(f"/api/v1/accounts/{account}/owner")).json()
    return body["owner"] and body["owner"]["externalId"]


async def account(client, name):
    return (await client.get(f"/api/v1/accounts/{name}")).json()


async def test_the_default_map(client):
    assert (await client.get("/api/v1/trait-map")).json() == {
        "owner": None,
        "name": ["name"],
        "mrr": ["mrr"],
        "status": ["status"],
        "renewal": [],
        "trialEnd": [],
        "churn": [],
        "joined": ["createdAt"],
        "roles": {},
        "updatedAt": None,
        "reprocessing": None,
    }


async def test_what_is_left_out_stays_and_the_same_map_again_does_nothing(client):
    first = (await client.put("/api/v1/trait-map", json={"mrr": ["stripe.mrr", "mrr"]})).json()
    second = (await client.put("/api/v1/trait-map", json={"owner": "ownerId"})).json()
    again = (await client.put("/api/v1/trait-map", json={"owner": "ownerId", "status": ["status"]})).json()
    without = (await client.put("/api/v1/trait-map", json={"owner": None})).json()

    assert (first["owner"], first["mrr"]) == (None, ["stripe.mrr", "mrr"])
    assert (second["owner"], second["mrr"]) == ("ownerId", ["stripe.mrr", "mrr"])
    assert second["reprocessing"]["cause"] == "trait_map"
    assert again["reprocessing"] is None
    assert without["owner"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"owner": ""},
        {"owner": 5},
        {"mrr": ["a", "a"]},
        {"mrr": [" "]},
        {"mrr": [str(n) for n in range(11)]},
        {"x": 1},
        {"roles": []},
    ],
)
async def test_a_map_that_cannot_be(client, body):
    assert (await client.put("/api/v1/trait-map", json=body)).status_code == 422
    assert (await client.post("/api/v1/trait-map/preview", json=body)).status_code == 422


async def test_status_and_mrr_take_the_first_usable_trait(client, tell):
    await client.put("/api/v1/trait-map", json={"mrr": ["stripe.mrr", "mrr"], "status": ["stage", "status"]})
    await tell(
        {"type": "account", "accountId": "acme", "traits": {"stripe.mrr": "n/a", "mrr": "120.50", "stage": "Trial"}},
        {"type": "account", "accountId": "globex", "traits": {"stripe.mrr": 0, "mrr": 9, "stage": "won"}},
        {"type": "account", "accountId": "initech", "traits": {"mrr": None, "stage": "won", "status": "churned"}},
    )

    seen = [await account(client, name) for name in ("acme", "globex", "initech")]

    assert [(one["mrr"], one["status"]) for one in seen] == [(120.5, "trial"), (0, "subscribed"), (None, "churned")]


async def test_the_name_follows_the_map(client, tell, drain):
    await tell(
        {"type": "account", "accountId": "acme", "traits": {"name": "acme", "company.title": "Acme Inc"}},
        {"type": "account", "accountId": "globex", "traits": {"name": "globex", "company.title": " "}},
    )
    before = [(await account(client, name))["name"] for name in ("acme", "globex")]
    await client.put("/api/v1/trait-map", json={"name": ["company.title", "name"]})
    await drain()
    mapped = [(await account(client, name))["name"] for name in ("acme", "globex")]
    told = await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"company.title": 7}})
    await client.put("/api/v1/trait-map", json={"name": ["name"]})
    await drain()

    assert before == ["acme", "globex"]
    assert mapped == ["Acme Inc", "globex"]
    assert told.json()["account"]["name"] == "7"
    assert (await account(client, "acme"))["name"] == "acme"


async def test_dates_take_the_first_trait_that_is_one(client, tell):
    await client.put(
        "/api/v1/trait-map", json={"renewal": ["renewsOn", "end"], "trialEnd": ["trial"], "joined": ["signedUp"]}
    )
    await tell(
        {
            "type": "account",
            "accountId": "acme",
            "traits": {
                "renewsOn": "soon",
                "end": "2027-01-01",
                "trial": "2026-02-01T10:00:00Z",
                "signedUp": "2020-01-01",
            },
        },
        {"type": "event", "accountId": "globex", "event": "Login", "timestamp": "2026-01-05T00:00:00Z"},
    )

    report = {"columns": ["externalId", "renewsAt", "trialEndsAt", "joinedAt"], "sort": [{"field": "externalId"}]}
    found = (await client.post("/api/v1/reports/accounts", json=report)).json()["data"]

    assert [[one[path] for path in report["columns"][1:]] for one in found] == [
        ["2027-01-01T00:00:00Z", "2026-02-01T10:00:00Z", "2020-01-01T00:00:00Z"],
        [None, None, "2026-01-05T00:00:00Z"],
    ]


async def test_a_key_role_follows_its_trait(client, tell, drain):
    dana = (await client.post("/api/v1/members", json={"email": "dana@us.test", "name": "Dana"})).json()["id"]
    shown = (await client.put("/api/v1/trait-map", json={"roles": {"csm": "csmEmail"}})).json()
    kept = (await client.put("/api/v1/trait-map", json={"mrr": ["mrr", "arr"]})).json()
    await tell({"type": "account", "accountId": "acme", "traits": {"csmEmail": "DANA@us.test"}})
    held = (await account(client, "acme"))["csm"]
    none = (await client.put("/api/v1/trait-map", json={"roles": {}})).json()

    assert shown["roles"] == kept["roles"] == {"csm": "csmEmail"}
    assert none["roles"] == {}
    assert held["id"] == dana


async def test_a_role_that_is_not_there_cannot_be_mapped(client):
    refused = await client.put("/api/v1/trait-map", json={"roles": {"nonsense": "x"}})
    impossible = await client.put("/api/v1/trait-map", json={"roles": {"No Role": "x"}})

    assert [(one.status_code, one.json()["code"]) for one in (refused, impossible)] == [(404, "unknown_role")] * 2


async def test_the_preview_counts_who_has_a_value(client, three_accounts):
    body = {"owner": "boss", "trialEnd": ["x"], "mrr": []}
    seen = (await client.post("/api/v1/trait-map/preview", json=body)).json()["coverage"]

    assert [(one["field"], one["key"], one["accounts"]) for one in seen] == [
        ("owner", "boss", 3),
        ("name", "name", 1),
        ("status", "status", 0),
        ("trialEnd", "x", 0),
        ("joined", "createdAt", 0),
    ]


async def test_a_map_set_after_the_traits_is_applied_to_them(client, three_accounts, drain):
    started = (await client.put("/api/v1/trait-map", json={"owner": "boss"})).json()["reprocessing"]
    before = (await client.get(f"/api/v1/reprocessings/{started['id']}")).json()
    await drain()
    after = (await client.get(f"/api/v1/reprocessings/{started['id']}")).json()

    assert (before["state"], before["total"], before["done"], before["progress"]) == ("waiting", 3, 0, 0)
    assert (after["state"], after["total"], after["done"], after["progress"]) == ("done", 3, 3, 1)
    assert after["ownersChanged"] == 2
    assert [await owner(client, name) for name in ("acme", "globex", "initech")] == ["user-2", "user-1", None]


async def test_the_preview_is_what_then_happens(client, three_accounts, drain):
    seen = (await client.post("/api/v1/trait-map/preview", json={"owner": "boss"})).json()
    untouched = await owner(client, "acme")
    await client.put("/api/v1/trait-map", json={"owner": "boss"})
    await drain()
    done = (await client.get("/api/v1/reprocessings?limit=1")).json()["data"][0]

    counts = {key: seen[key] for key in ("accounts", "ownersChanged", "resolved", "pending", "cleared", "partial")}
    assert counts == {
        "accounts": 3,
        "ownersChanged": 2,
        "resolved": 2,
        "pending": 1,
        "cleared": 0,
        "partial": False,
    }
    assert untouched is None
    assert done["ownersChanged"] == seen["ownersChanged"]
    told = {
        one["account"]["externalId"]: (one["before"]["owner"], one["after"]["owner"]["externalId"])
        for one in seen["sample"]
    }
    assert told == {"acme": (None, "user-2"), "globex": (None, "user-1")}
    assert seen["sample"][0]["because"].startswith('Trait "boss" names user')


async def test_the_preview_shows_who_would_lose_their_owner(client, three_accounts, drain):
    await client.put("/api/v1/trait-map", json={"owner": "boss"})
    await drain()

    seen = (await client.post("/api/v1/trait-map/preview", json={"owner": None})).json()
    by_policy = (
        await client.post("/api/v1/trait-map/preview", json={"owner": None, "ownerDefaultPolicy": "first_user"})
    ).json()

    assert (seen["ownersChanged"], seen["cleared"], seen["resolved"]) == (2, 2, 0)
    assert (by_policy["cleared"], by_policy["resolved"]) == (0, 2)
    assert await owner(client, "acme") == "user-2"


async def test_a_preview_of_too_many_accounts_says_so(client, three_accounts, monkeypatch):
    monkeypatch.setattr(trait_map, "MOST_ACCOUNTS", 2)
    monkeypatch.setattr(trait_map, "SLICE", 1)

    seen = (await client.post("/api/v1/trait-map/preview", json={"owner": "boss"})).json()

    assert (seen["accounts"], seen["total"], seen["partial"]) == (2, 3, True)


async def test_many_slices_and_a_newer_map_on_the_way(client, three_accounts, drain, monkeypatch):
    monkeypatch.setattr(reprocessing, "SLICE", 1)
    old = (await client.put("/api/v1/trait-map", json={"owner": "nothing"})).json()["reprocessing"]
    new = (await client.put("/api/v1/trait-map", json={"owner": "boss"})).json()["reprocessing"]
    await drain()

    states = {
        one["id"]: (one["state"], one["done"]) for one in (await client.get("/api/v1/reprocessings")).json()["data"]
    }

    assert states == {old["id"]: ("superseded", 0), new["id"]: ("done", 3)}
    assert await owner(client, "globex") == "user-1"


async def test_a_changed_policy_is_applied_to_every_account(client, three_accounts, drain):
    await client.patch("/api/v1/workspace", json={"ownerDefaultPolicy": "first_user"})
    await drain()
    by_default = [await owner(client, name) for name in ("acme", "globex", "initech")]
    await client.patch("/api/v1/workspace", json={"ownerDefaultPolicy": "none"})
    await drain()

    assert by_default == ["user-1", "user-1", None]
    assert await owner(client, "acme") is None


async def test_a_slice_that_fails_does_not_stop_the_rest(
    client, three_accounts, drain, monkeypatch, database, workspace
):
    from app.services import ownership

    whole = ownership.reassign

    async def fails_at_globex(db, workspace_id, accounts, rules, *, now):
        named = text("select external_id from accounts where id = any(:ids)")
        if "globex" in set((await db.execute(named, {"ids": list(accounts)})).scalars()):
            raise ValueError("poison")
        return await whole(db, workspace_id, accounts, rules, now=now)

    monkeypatch.setattr(ownership, "reassign", fails_at_globex)
    await client.put("/api/v1/trait-map", json={"owner": "boss"})
    await drain()

    done = (await client.get("/api/v1/reprocessings")).json()["data"][0]
    state = (await client.get("/api/v1/evaluation")).json()
    assert (done["state"], done["done"]) == ("done", 3)
    assert await owner(client, "acme") == "user-2"
    assert [(one["externalId"], one["attempts"]) for one in state["failing"]] == [("globex", 1)]
    assert "ValueError" in state["failing"][0]["lastError"]


async def test_an_unknown_reprocessing(client):
    missing = await client.get("/api/v1/reprocessings/rep_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f")
    nonsense = await client.get("/api/v1/reprocessings/nonsense")

    assert (missing.status_code, nonsense.status_code) == (404, 404)


async def test_only_admins_change_the_map(make_client, workspace):
    reader = await make_client(workspace, "read")

    assert (await reader.get("/api/v1/trait-map")).status_code == 200
    assert (await reader.put("/api/v1/trait-map", json={"owner": "x"})).status_code == 403
    assert (await reader.post("/api/v1/trait-map/preview", json={"owner": "x"})).status_code == 200  # changes nothing
