"""Key roles and the traits map of organizations: by hand, in bulk and by trait; mine; why; and none rolls down."""

from datetime import UTC, datetime

import pytest

GROUP = "/api/v1/organizations/group"


@pytest.fixture
def hire(client):
    async def add(name):
        answer = await client.post("/api/v1/members", json={"email": f"{name}@example.com", "name": name})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    return add


@pytest.fixture
def tell(client, drain):
    async def say(**traits):
        answer = await client.post("/api/v1/organizations", json={"externalId": "group", "traits": traits})
        assert answer.status_code == 200, answer.text
        await drain()

    return say


@pytest.fixture
async def group(client, tell, drain):
    """An organization with one account."""
    await tell()
    body = {"externalId": "acme", "organizationId": "group", "traits": {"mrr": 100}}
    assert (await client.post("/api/v1/accounts", json=body)).status_code == 200
    await drain()


@pytest.fixture
def give(client):
    async def assign(member, role="csm", **more):
        return await client.put(f"{GROUP}/key-roles/{role}", json={"member": member, **more})

    return assign


@pytest.fixture
def roles(client):
    async def show(place=GROUP):
        found = (await client.get(f"{place}/key-roles")).json()
        held = {one["role"]: (one["member"]["name"], one["source"]) for one in found["data"]}
        return held, [(one["role"], one["value"], one["reason"]) for one in found["pending"]]

    return show


@pytest.fixture
def report(client):
    async def ask(subject="organizations", as_=None, **asked):
        answer = await (as_ or client).post(f"/api/v1/reports/{subject}", json=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return ask


async def test_a_role_is_given_taken_back_and_remembered(client, group, hire, give, roles):
    dana, eli = await hire("dana"), await hire("eli")

    given = await give(dana)
    await give(eli, doNotReplace=True)
    await give(eli, "accountExecutive")
    gone = await client.delete(f"{GROUP}/key-roles/csm")
    history = (await client.get(f"{GROUP}/key-roles/history")).json()["data"]

    assert given.json()["data"][0]["member"]["name"] == "dana"
    assert gone.status_code == 204
    assert await roles() == ({"accountExecutive": ("eli", "api")}, [])
    assert [(one["role"], one["previous"] and one["previous"]["name"]) for one in history] == [
        ("csm", "dana"),
        ("accountExecutive", None),
        ("csm", None),
    ]


async def test_what_is_not_there_is_not_found(client, group, hire, give):
    dana = await hire("dana")

    assert (await give("nobody@example.com")).json()["code"] == "unknown_member"
    assert (await give(dana, "janitor")).json()["code"] == "unknown_role"
    nowhere = await client.put("/api/v1/organizations/nowhere/key-roles/csm", json={"member": dana})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown_organization")


async def test_its_accounts_have_roles_of_their_own(client, group, hire, give, roles, report):
    await give(await hire("dana"))

    assert (await roles("/api/v1/accounts/acme"))[0] == {}
    (row,) = await report("accounts", columns=["csm", "organization.csm", "organization.keyRoles.csm"])
    assert (row["csm"], row["organization.csm"]["name"]) == (None, "dana")
    assert row["organization.keyRoles.csm"] == row["organization.csm"]


async def test_roles_are_facts_of_organizations(client, group, hire, give, report, drain):
    dana = await hire("dana")
    await client.post("/api/v1/roles", json={"slug": "sponsor", "label": "Sponsor"})
    await give(dana, "sponsor")
    await drain()
    held = {"field": "keyRoles.sponsor", "op": "is", "value": dana}
    anyone = {"field": "roleHolders", "op": "isAnyOf", "value": [dana]}
    listed = (await client.get("/api/v1/facts", params={"subject": "organizations"})).json()["data"]

    assert {one["path"]: one["label"] for one in listed}["keyRoles.sponsor"] == "Key role: Sponsor"
    for condition in (held, anyone):
        (row,) = await report(columns=["keyRoles.sponsor", "roleHolders"], filter=condition)
        assert (row["keyRoles.sponsor"]["name"], row["roleHolders"]) == ("dana", [dana])


async def test_rules_about_accounts_hear_of_the_role_and_the_name_of_their_organization(
    client, group, hire, tell, give, report, drain
):
    conditions = {
        "Led": {"field": "organization.csm", "op": "isSet"},
        "Named": {"field": "organization.name", "op": "is", "value": "The Group"},
    }
    for name, condition in conditions.items():
        body = {"subject": "accounts", "name": name, "filter": condition}
        assert (await client.post("/api/v1/segments", json=body)).status_code == 201
    await tell(title="The Group")

    async def names():
        await drain()
        found = (
            await client.post("/api/v1/reports/accounts/summary", json={"groupBy": [{"field": "segments"}]})
        ).json()
        return sorted(one["keys"][0]["name"] for one in found["groups"] if one["keys"][0])

    before = await names()
    await give(await hire("dana"))
    led = await names()
    await client.put("/api/v1/trait-map/organizations", json={"name": ["title"]})

    assert (before, led, await names()) == ([], ["Led"], ["Led", "Named"])


async def test_mine_are_those_where_i_hold_a_role_or_one_at_an_account_of_theirs(
    client, group, as_member, give, report, drain
):
    me = await as_member("team_member")
    await client.post("/api/v1/organizations", json={"externalId": "other"})
    await drain()

    async def mine():
        listed = (await me.get("/api/v1/organizations", params={"scope": "mine"})).json()["data"]
        asked = await report(as_=me, columns=["name"], scope="mine")
        assert [row["externalId"] for row in listed] == [row["externalId"] for row in asked]
        return [row["externalId"] for row in asked]

    before = await mine()
    await client.put("/api/v1/accounts/acme/key-roles/csm", json={"member": me.member})
    through = await mine()
    await client.delete("/api/v1/accounts/acme/key-roles/csm")
    await give(me.member)

    assert (before, through, await mine()) == ([], ["group"], ["group"])
    assert (await me.get("/api/v1/accounts", params={"scope": "mine"})).json()["data"] == [], "it does not roll down"


async def test_many_are_given_in_bulk_but_not_dealt(client, group, hire, roles, drain):
    dana = await hire("dana")
    edit = {"subject": "organizations", "ids": ["group"], "action": {"type": "assignKeyRole", "role": "csm"}}
    dealt = {**edit["action"], "candidates": [dana], "algorithm": "roundRobin"}

    shown = await client.post("/api/v1/bulk-edits/preview", json={**edit, "action": {**edit["action"], "member": dana}})
    done = await client.post("/api/v1/bulk-edits", json={**edit, "action": {**edit["action"], "member": dana}})
    refused = await client.post("/api/v1/bulk-edits", json={**edit, "action": dealt})
    await drain()

    assert shown.json()["sample"][0]["after"]["name"] == "dana"
    assert done.status_code == 202, done.text
    assert (refused.status_code, refused.json()["code"]) == (422, "unsuitable_action")
    assert (await roles())[0] == {"csm": ("dana", "bulk")}


async def test_a_role_held_at_an_organization_is_not_deleted_and_counts_in_no_capacity(client, group, hire, give):
    dana = await hire("dana")
    await client.post("/api/v1/roles", json={"slug": "sponsor", "label": "Sponsor"})
    await give(dana, "sponsor")

    kept = await client.delete("/api/v1/roles/sponsor")
    carries = (await client.get(f"/api/v1/members/{dana}/capacity")).json()

    assert (kept.status_code, kept.json()["code"]) == (409, "role_held")
    assert (carries["accounts"], carries["roles"]) == (0, [])


class TestByTrait:
    @pytest.fixture
    async def mapped(self, client, drain):
        answer = await client.put("/api/v1/trait-map/organizations", json={"roles": {"csm": "csm"}})
        assert answer.status_code == 200, answer.text
        await drain()

    async def test_the_trait_gives_the_role_and_a_choice_stands_until_it_changes(
        self, group, mapped, tell, hire, give, roles
    ):
        await hire("dana"), await hire("eli")
        await tell(csm="dana@example.com")
        told = await roles()
        await give("eli@example.com")
        await tell(csm="dana@example.com", more=1)
        stands = await roles()
        await tell(csm="DANA@example.com ")
        follows = await roles()

        assert told == ({"csm": ("dana", "trait")}, [])
        assert stands == ({"csm": ("eli", "api")}, [])
        assert follows == ({"csm": ("dana", "trait")}, [])

    async def test_whom_nobody_knows_is_given_the_role_when_they_come(self, group, mapped, tell, hire, roles, drain):
        await tell(csm="dana@example.com")
        before = await roles()
        await hire("dana")
        await drain()

        assert before == ({}, [("csm", "dana@example.com", "unknown_member")])
        assert await roles() == ({"csm": ("dana", "trait")}, [])

    async def test_who_leaves_holds_nothing(self, client, group, mapped, tell, hire, roles, report, drain):
        dana = await hire("dana")
        await tell(csm="dana@example.com")
        await client.delete(f"/api/v1/members/{dana}")
        await drain()

        assert await roles() == ({}, [("csm", "dana@example.com", "member_deactivated")])
        (row,) = await report(columns=["csm", "roleHolders"])
        assert (row["csm"], row["roleHolders"]) == (None, [])

    async def test_the_map_of_accounts_is_another(self, client, group, mapped, tell, hire, roles, drain):
        await hire("dana")
        await client.patch("/api/v1/accounts/acme/traits", json={"traits": {"csm": "dana@example.com"}})
        await drain()

        assert (await roles("/api/v1/accounts/acme"))[0] == {}
        assert (await client.get("/api/v1/trait-map")).json()["roles"] == {}


class TestTraitsMap:
    @pytest.fixture
    def put(self, client, drain):
        async def change(**fields):
            answer = await client.put("/api/v1/trait-map/organizations", json=fields)
            assert answer.status_code == 200, answer.text
            await drain()
            return answer.json()

        return change

    @pytest.fixture
    def why(self, client):
        async def ask(fact):
            answer = await client.get(f"{GROUP}/why", params={"fact": fact})
            assert answer.status_code == 200, (fact, answer.text)
            return answer.json()

        return ask

    async def test_the_default_map(self, client):
        assert (await client.get("/api/v1/trait-map/organizations")).json() == {
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

    async def test_mrr_is_its_own_or_else_the_sum_and_why_says_which(self, client, group, tell, put, report, why):
        async def mrr():
            (row,) = await report(columns=["mrr"])
            assert (await client.get(GROUP)).json()["mrr"] == row["mrr"]
            said = await why("mrr")
            return row["mrr"], said["value"], said["source"]

        summed = await mrr()
        await tell(contract=900)
        await put(mrr=["contract"])
        mapped = await mrr()
        await tell(contract=None)
        cleared = await mrr()

        assert summed == cleared == (100, 100, "accounts")
        assert mapped == (900, 900, "traits.contract")

    async def test_every_other_field_follows_the_map(self, client, group, tell, put, report):
        await tell(title="The Group", renews="2027-01-01", ends="2026-12-24", since="2020-02-02", left="2026-02-03")
        await tell(state="churned")
        columns = ["name", "renewsAt", "trialEndsAt", "joinedAt", "churnedAt", "status"]
        (before,) = await report(columns=columns)
        answer = await put(
            name=["title"], renewal=["renews"], trialEnd=["ends"], joined=["since"], churn=["left"], status=["state"]
        )
        (after,) = await report(columns=columns)

        assert (before["name"], before["renewsAt"], before["status"]) == (None, None, "subscribed")
        assert answer["reprocessing"]["subject"] == "organizations"
        assert {path: str(after[path])[:10] for path in columns} == {
            "name": "The Group",
            "renewsAt": "2027-01-01",
            "trialEndsAt": "2026-12-24",
            "joinedAt": "2020-02-02",
            "churnedAt": "2026-02-03",
            "status": "churned",
        }
        assert (await client.get(GROUP)).json()["name"] == "The Group"

    async def test_names_are_told_as_they_were(self, group, tell, put, report):
        await put(name=["title", "name"])
        await tell(title="Old", name="no title")
        before = datetime.now(UTC).isoformat()
        await tell(title="New")
        (now,) = await report(columns=["name"])
        (then,) = await report(columns=["name"], asOf=before)

        assert (now["name"], then["name"]) == ("New", "Old")

    @pytest.mark.parametrize("body", [{"owner": "x"}, {"mrr": ["a", "a"]}, {"roles": {"janitor": "x"}}])
    async def test_what_cannot_be_mapped(self, client, body):
        assert (await client.put("/api/v1/trait-map/organizations", json=body)).status_code in {404, 422}

    async def test_everything_has_a_reason(self, group, tell, hire, give, why):
        await tell(name="Group", createdAt="2020-02-02")
        await give(await hire("dana"))
        facts = ["name", "joinedAt", "status", "csm", "keyRoles.csm", "roleHolders", "segments", "traits.name", "users"]

        said = {fact: await why(fact) for fact in facts}

        assert said["csm"]["inputs"][0]["name"] == "dana"
        assert said["joinedAt"]["source"] == "traits.createdAt"
        assert all(one["rule"] for one in said.values())


async def test_avatars_are_facts(client, report, drain):
    await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"avatar": "https://acme.test/a.png"}})
    await client.post("/api/v1/users", json={"externalId": "one", "traits": {"avatar": "https://acme.test/one.png"}})
    await drain()

    (account,) = await report("accounts", columns=["avatar"], filter={"field": "avatar", "op": "isSet"})
    (user,) = await report("users", columns=["avatar"], sort=[{"field": "avatar"}])

    assert account["avatar"] == "https://acme.test/a.png"
    assert user["avatar"] == "https://acme.test/one.png"
