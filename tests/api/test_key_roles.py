"""Key roles through the API: roles of one's own, history, traits that name staff, capacity, and my accounts."""

import asyncio

import pytest
from sqlalchemy import text

from app.db import key_roles, marks
from app.domain.team import MemberRole
from app.services import members
from app.services.evaluation import evaluate


@pytest.fixture
def hire(client):
    """Add somebody to the team; their id."""

    async def add(name):
        answer = await client.post("/api/v1/members", json={"email": f"{name}@example.com", "name": name})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    return add


async def deadlocks(database):
    """How many there have been; what a session counted is told a second later at most."""
    await asyncio.sleep(1.1)
    query = text("select deadlocks from pg_stat_database where datname = current_database()")
    async with database.engine.connect() as connection:
        await connection.execute(text("select pg_stat_force_next_flush()"))
        await connection.commit()
        return await connection.scalar(query)


@pytest.fixture
def account(client, drain):
    """Make an account with these traits."""

    async def make(name, **traits):
        await client.post("/api/v1/accounts", json={"externalId": name, "traits": traits})
        await drain()

    return make


@pytest.fixture
def give(client):
    async def assign(account, member, role="csm", **more):
        path = f"/api/v1/accounts/{account}/key-roles/{role}"
        return await client.put(path, json={"member": member, **more})

    return assign


@pytest.fixture
def roles(client):
    async def show(account):
        found = (await client.get(f"/api/v1/accounts/{account}/key-roles")).json()
        held = {one["role"]: (one["member"]["name"], one["source"]) for one in found["data"]}
        return held, [(one["role"], one["value"], one["reason"]) for one in found["pending"]]

    return show


SPECIALIST = {"slug": "implementation_specialist", "label": "Implementation Specialist"}


async def test_every_workspace_has_two_roles_and_may_make_more(client):
    made = await client.post("/api/v1/roles", json=SPECIALIST)
    twice = await client.post("/api/v1/roles", json=SPECIALIST)
    built_in = await client.post("/api/v1/roles", json={"slug": "csm", "label": "Mine"})
    renamed = await client.patch("/api/v1/roles/accountExecutive", json={"label": "Sales"})
    listed = (await client.get("/api/v1/roles")).json()["data"]

    assert made.status_code == 201
    assert [answer.json()["code"] for answer in (twice, built_in)] == ["role_taken", "role_taken"]
    assert renamed.json()["slug"] == "accountExecutive"
    assert [(one["slug"], one["label"], one["builtIn"]) for one in listed] == [
        ("csm", "Customer Success Manager", True),
        ("accountExecutive", "Sales", True),
        ("implementation_specialist", "Implementation Specialist", False),
    ]


@pytest.mark.parametrize("slug", ["", "Big", "1st", "a b", "x" * 51, "ä"])
async def test_names_that_no_role_can_have(client, slug):
    assert (await client.post("/api/v1/roles", json={"slug": slug, "label": "X"})).status_code == 422


async def test_a_workspace_has_fifty_roles_of_its_own_at_most(client):
    for number in range(50):
        assert (await client.post("/api/v1/roles", json={"slug": f"r{number}", "label": "R"})).status_code == 201

    answer = await client.post("/api/v1/roles", json={"slug": "one_more", "label": "R"})

    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_roles")


async def test_a_role_is_deleted_when_nobody_holds_it(client, hire, account, give):
    await client.post("/api/v1/roles", json=SPECIALIST)
    await account("acme")
    await give("acme", await hire("dana"), "implementation_specialist")

    held = await client.delete("/api/v1/roles/implementation_specialist")
    await client.delete("/api/v1/accounts/acme/key-roles/implementation_specialist")
    gone = await client.delete("/api/v1/roles/implementation_specialist")
    again = await client.delete("/api/v1/roles/implementation_specialist")
    built_in = await client.delete("/api/v1/roles/csm")

    assert (held.status_code, held.json()["code"], held.json()["context"]) == (409, "role_held", {"accounts": 1})
    assert gone.status_code == 204
    assert (again.status_code, again.json()["code"]) == (404, "unknown_role")
    assert (built_in.status_code, built_in.json()["code"]) == (409, "built_in_role")


async def test_every_change_is_history(client, hire, account, give):
    dana, eli = await hire("dana"), await hire("eli")
    await account("acme")
    await give("acme", dana)
    await give("acme", dana)
    await give("acme", eli)
    await client.delete("/api/v1/accounts/acme/key-roles/csm")
    await client.delete("/api/v1/accounts/acme/key-roles/csm")
    await give("acme", eli, "accountExecutive")
    await client.delete(f"/api/v1/members/{eli}")

    first = (await client.get("/api/v1/accounts/acme/key-roles/history?limit=3")).json()
    rest = (await client.get(f"/api/v1/accounts/acme/key-roles/history?cursor={first['nextCursor']}")).json()

    def told(one):
        return one["role"], *(one[part] and one[part]["name"] for part in ("previous", "member")), one["source"]

    assert [told(one) for one in first["data"] + rest["data"]] == [
        ("accountExecutive", "eli", None, "deactivation"),
        ("accountExecutive", None, "eli", "api"),
        ("csm", "eli", None, "api"),
        ("csm", "dana", "eli", "api"),
        ("csm", None, "dana", "api"),
    ]
    assert all(one["changedBy"].startswith("key_") for one in first["data"] + rest["data"])


async def test_a_holder_may_be_left_alone(client, hire, account, give, roles):
    dana, eli = await hire("dana"), await hire("eli")
    await account("acme")

    await give("acme", dana, doNotReplace=True)
    await give("acme", eli, doNotReplace=True)

    assert (await roles("acme"))[0] == {"csm": ("dana", "api")}


@pytest.fixture
async def mapped(client, drain):
    """The trait `csm` names who holds the role of the same name."""
    answer = await client.put("/api/v1/trait-map", json={"roles": {"csm": "csm"}})
    assert answer.status_code == 200, answer.text
    await drain()


class TestTraitsThatNameStaff:
    pytestmark = pytest.mark.usefixtures("mapped")

    async def test_by_address_or_id(self, account, hire, roles):
        dana = await hire("dana")
        await account("acme", csm=" DANA@example.com ")
        await account("hooli", csm=dana)

        assert await roles("acme") == await roles("hooli") == ({"csm": ("dana", "trait")}, [])

    async def test_a_choice_stands_until_the_value_changes(self, account, hire, give, roles):
        await hire("dana"), await hire("eli")
        await account("acme", csm="dana@example.com")
        await give("acme", "eli@example.com")
        await account("acme", csm="dana@example.com", plan="big")
        chosen = await roles("acme")
        await account("acme", csm="DANA@example.com")

        assert chosen[0] == {"csm": ("eli", "api")}
        assert (await roles("acme"))[0] == {"csm": ("dana", "trait")}

    async def test_a_choice_from_before_the_first_value_gives_way_to_it(self, account, hire, give, roles):
        await hire("dana"), await hire("eli")
        await account("acme")
        await give("acme", "eli@example.com")
        await account("acme", csm="dana@example.com")

        assert (await roles("acme"))[0] == {"csm": ("dana", "trait")}

    async def test_a_release_stands_as_well(self, client, account, hire, roles, drain):
        await hire("dana")
        await account("acme", csm="dana@example.com")
        await client.delete("/api/v1/accounts/acme/key-roles/csm")
        await account("acme", plan="big")

        assert await roles("acme") == ({}, [])

    async def test_a_cleared_trait_takes_back_what_it_gave(self, account, hire, roles):
        await hire("dana")
        await account("acme", csm="dana@example.com")
        await account("acme", csm=None)

        assert await roles("acme") == ({}, [])

    async def test_who_is_not_known_yet_is_pending_until_they_are(self, account, hire, give, roles, drain):
        await hire("dana")
        await account("acme", csm="dana@example.com")
        await account("acme", csm="eli@example.com")
        pending = await roles("acme")
        await hire("eli")
        await drain()

        assert pending == ({"csm": ("dana", "trait")}, [("csm", "eli@example.com", "unknown_member")])
        assert await roles("acme") == ({"csm": ("eli", "trait")}, [])

    async def test_who_left_is_pending_until_they_are_back(self, client, account, hire, roles, drain):
        dana = await hire("dana")
        await account("acme", csm=dana)
        await client.delete(f"/api/v1/members/{dana}")
        await drain()
        left = await roles("acme")
        await hire("dana")
        await drain()

        assert left == ({}, [("csm", dana, "member_deactivated")])
        assert await roles("acme") == ({"csm": ("dana", "trait")}, [])

    async def test_who_comes_while_it_is_found_out_that_they_are_unknown_is_given_the_role(
        self, client, hire, roles, drain, database, workspace, clock
    ):
        await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"csm": "eli@example.com"}})
        async with database.transaction(workspace) as db:
            taken = await marks.take(db, workspace, limit=10)
            await evaluate(db, workspace, sorted(taken.records), now=clock())
            coming = asyncio.create_task(hire("eli"))
            await asyncio.sleep(0.3)  # what the evaluation found is there for nobody yet
        await coming
        await drain()

        assert await roles("acme") == ({"csm": ("eli", "trait")}, [])

    async def test_who_is_evaluated_while_they_come_is_given_the_role(
        self, client, roles, drain, database, workspace, clock
    ):
        await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"csm": "eli@example.com"}})
        async with database.transaction(workspace) as db:
            await members.add(db, workspace, email="eli@example.com", name="eli", now=clock())
            evaluating = asyncio.create_task(drain())
            await asyncio.sleep(0.3)  # nobody can see them yet
        await evaluating
        await drain()

        assert await roles("acme") == ({"csm": ("eli", "trait")}, [])

    async def test_who_leaves_while_their_accounts_are_evaluated_has_left(
        self, client, account, hire, give, roles, drain, database, workspace, clock, monkeypatch
    ):
        dana = await hire("dana")
        await hire("eli")
        for name in ("acme", "hooli"):
            await account(name, csm="dana@example.com")
            await give(name, dana, "account_executive")
        await drain()
        for name in ("acme", "hooli"):
            traits = {"traits": {"csm": "eli@example.com"}}
            await client.post("/api/v1/accounts", json={"externalId": name, **traits})
        leaving, before = [], await deadlocks(database)
        assign = key_roles.assign

        async def assign_slowly(db, workspace_id, role, wanted, cause, **more):
            moved = {wanted_id: wanted[wanted_id] for wanted_id in sorted(wanted, reverse=True)}
            for account_id, member_id in moved.items():
                found = await assign(db, workspace_id, role, {account_id: member_id}, cause, **more)
                if not leaving:
                    leaving.append(asyncio.create_task(client.delete(f"/api/v1/members/{dana}")))
                    await asyncio.sleep(0.5)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(key_roles, "assign", assign_slowly)
            await drain()
        left = await leaving[0]
        await drain()

        assert left.status_code == 204
        assert (await client.get("/api/v1/audit-log", params={"limit": 1})).json()["data"][0][
            "action"
        ] == "removeMember"
        assert await roles("acme") == await roles("hooli") == ({"csm": ("eli", "trait")}, [])
        assert await deadlocks(database) == before  # they wait for each other in one order

    async def test_a_choice_of_somebody_who_leaves_is_void(self, client, account, hire, give, roles, drain):
        await hire("dana"), await hire("eli")
        await account("acme", csm="dana@example.com")
        await give("acme", "eli@example.com")
        await client.delete("/api/v1/members/eli@example.com")
        await drain()

        assert (await roles("acme"))[0] == {"csm": ("dana", "trait")}


async def test_every_role_says_why(client, account, hire, give, mapped):
    async def why(fact):
        answer = await client.get("/api/v1/accounts/acme/why", params={"fact": fact})
        assert answer.status_code == 200, answer.text
        return answer.json()

    dana = await hire("dana")
    await client.post("/api/v1/roles", json=SPECIALIST)
    await account("acme", csm=dana)
    await give("acme", dana, "implementation_specialist")

    by_trait, nobody = await why("csm"), await why("accountExecutive")
    own, anybody = await why("keyRoles.implementation_specialist"), await why("roleHolders")

    assert (by_trait["value"], by_trait["source"]) == (dana, "trait")
    assert by_trait["inputs"][0] == {"kind": "trait", "key": "csm", "value": dana, "problem": None}
    assert (nobody["value"], nobody["source"], nobody["inputs"]) == (None, None, [])
    assert (own["source"], own["inputs"][0]["member"]) == ("api", dana)
    assert [one["role"] for one in anybody["inputs"]] == ["implementation_specialist", "csm"]


async def names(client, path, **query):
    answer = await client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return [one.get("externalId") or one["account"]["externalId"] for one in answer.json()["data"]]


async def test_lists_narrow_to_the_accounts_of_a_member(client, hire, account, give, drain):
    dana = await hire("dana")
    await hire("eli")
    condition = {"field": "externalId", "op": "isSet"}
    await client.post("/api/v1/indicators", json={"name": "Any", "kind": "risk", "filter": condition})
    for name in ("acme", "hooli", "other"):
        await account(name)
        await client.post("/api/v1/users", json={"externalId": f"u-{name}", "accounts": [name], "traits": {}})
        organization = {"organizationId": f"o-{name}"}
        await client.put(f"/api/v1/accounts/{name}/organization", json=organization)
    await give("acme", dana)
    await give("hooli", dana, "accountExecutive")
    await give("hooli", "eli@example.com")
    await drain()

    assert await names(client, "accounts", holder=dana) == ["acme", "hooli"]
    assert await names(client, "accounts", holder="eli@example.com", externalId="acme") == []
    assert await names(client, "users", holder=dana) == ["u-acme", "u-hooli"]
    assert await names(client, "organizations", holder=dana) == ["o-hooli", "o-acme"]
    assert await names(client, "organizations", holder=dana, limit=1) == ["o-hooli"]
    assert await names(client, "alerts", holder="eli@example.com") == ["hooli"]
    assert await names(client, f"members/{dana}/accounts") == ["acme", "hooli"]


@pytest.mark.parametrize("path", ["accounts", "users", "organizations", "alerts"])
async def test_mine_is_asked_by_a_person(client, as_member, path):
    theirs = await as_member(MemberRole.LEADER)

    nobody = await client.get(f"/api/v1/{path}", params={"scope": "mine"})
    both = await theirs.get(f"/api/v1/{path}", params={"scope": "mine", "holder": "x@example.com"})
    mine = await theirs.get(f"/api/v1/{path}", params={"scope": "mine"})

    assert (nobody.status_code, nobody.json()["code"]) == (422, "needs_member")
    assert (both.status_code, both.json()["code"]) == (422, "ambiguous_scope")
    assert (mine.status_code, mine.json()["data"]) == (200, [])


async def test_capacity_counts_accounts_once_and_only_live_revenue(client, hire, account, give, drain):
    dana, eli = await hire("dana"), await hire("eli")
    await account("acme", mrr=100)
    await account("hooli", mrr=250.5)
    await account("gone", mrr=70, status="churned")
    for name in ("acme", "hooli", "gone"):
        await give(name, dana)
    await give("acme", dana, "accountExecutive")
    condition = {"field": "externalId", "op": "is", "value": "acme"}
    told = {"name": "Any", "kind": "risk", "filter": condition, "assignee": {"role": "csm"}}
    assert (await client.post("/api/v1/indicators", json=told)).status_code == 201
    await drain()

    team = (await client.get("/api/v1/capacity")).json()["data"]
    alone = (await client.get(f"/api/v1/members/{dana}/capacity")).json()

    assert team[0] == alone
    assert [one["member"]["id"] for one in team] == [dana, eli]
    assert {name: alone[name] for name in ("accounts", "activeAccounts", "mrr", "openAlerts")} == {
        "accounts": 3,
        "activeAccounts": 2,
        "mrr": 350.5,
        "openAlerts": 1,
    }
    assert alone["roles"] == [
        {"role": "accountExecutive", "accounts": 1, "activeAccounts": 1, "mrr": 100},
        {"role": "csm", "accounts": 3, "activeAccounts": 2, "mrr": 350.5},
    ]
    assert (team[1]["accounts"], team[1]["roles"]) == (0, [])


class TestDealingOut:
    @pytest.fixture
    async def office(self, hire, account):
        people = [await hire(name) for name in ("dana", "eli", "fay")]
        for number in range(6):
            await account(f"a{number}", mrr=100 * number)
        return people

    @pytest.fixture
    def deal(self, client):
        async def run(algorithm, role="csm", **body):
            return await client.post(f"/api/v1/roles/{role}/assign", json={"algorithm": algorithm, **body})

        return run

    async def test_everybody_gets_as_many(self, client, office, deal, drain):
        answer = await deal("fewestAccounts", candidates=office, filter={"all": []})
        await drain()
        team = (await client.get("/api/v1/capacity")).json()["data"]

        assert answer.status_code == 200, answer.text
        assert len(answer.json()["assigned"]) == 6
        assert [one["accounts"] for one in team] == [2, 2, 2]

    async def test_a_dry_run_changes_nothing(self, client, office, deal):
        answer = await deal("leastRevenue", candidates=office, accounts=["a3", "a1"], dryRun=True)
        held = (await client.get("/api/v1/accounts/a3/key-roles")).json()["data"]

        assert [one["changed"] for one in answer.json()["assigned"]] == [False, False]
        assert held == []

    async def test_holders_can_be_left_alone(self, office, deal, give):
        await give("a1", office[0])

        answer = (await deal("fewestAccounts", candidates=office, accounts=["a1", "a2"], doNotReplace=True)).json()

        assert len(answer["kept"]) == 1
        assert [one["member"] for one in answer["assigned"]] == [office[1]]

    async def test_who_left_is_skipped_and_who_remains_must_be_somebody(self, client, office, deal):
        await client.delete(f"/api/v1/members/{office[0]}")

        two = (await deal("roundRobin", candidates=office, accounts=["a0", "a1", "a2"])).json()["assigned"]
        nobody = await deal("roundRobin", candidates=office[:1], accounts=["a0"])

        assert [one["member"] for one in two] == [office[1], office[2], office[1]]
        assert (nobody.status_code, nobody.json()["code"]) == (422, "no_candidate")

    async def test_what_is_not_known_changes_nothing(self, client, office, deal):
        missing = await deal("roundRobin", candidates=office, accounts=["a0", "nowhere"])
        stranger = await deal("roundRobin", candidates=["ghost@example.com"], accounts=["a0"])
        no_role = await deal("roundRobin", "janitor", candidates=office, accounts=["a0"])
        both = await deal("roundRobin", candidates=office, accounts=["a0"], filter={"all": []})

        assert (missing.status_code, missing.json()["context"]["missing"]) == (404, ["nowhere"])
        assert [one.json()["code"] for one in (stranger, no_role)] == ["unknown_member", "unknown_role"]
        assert both.status_code == 422
        assert (await client.get("/api/v1/accounts/a0/key-roles")).json()["data"] == []
