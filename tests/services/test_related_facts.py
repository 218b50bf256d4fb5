"""Indicators that ask about users, organizations and the past hear of every change there, and of the clock."""

from datetime import UTC, datetime, timedelta

import pytest

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def story(client, drain, clock):
    """Says things to the API and lets everything that follows happen."""

    class Story:
        async def say(self, path, **body):
            answer = await client.post(f"/api/v1/{path}", json=body)
            assert answer.status_code < 300, answer.text
            return answer.json()

        async def define(self, condition):
            found = await self.say("indicators", name="x", kind="risk", filter=condition)
            await drain()
            return found["id"]

        async def alerts(self, at=None):
            clock.at = at
            await drain()
            found = (await client.get("/api/v1/alerts")).json()["data"]
            return sorted(one["state"] for one in found)

    return Story()


async def test_users_who_do_not_own_the_account_are_heard_of(story, clock):
    clock.at = NOW
    await story.say("accounts", externalId="acme", traits={})
    await story.say("users", externalId="owner", accounts=["acme"], traits={})
    await story.say("users", externalId="ada", accounts=["acme"], traits={"role": "user"})
    admins = {"field": "traits.role", "op": "is", "value": "admin"}
    await story.define({"related": "users", "op": "atLeast", "count": 1, "where": admins})
    assert await story.alerts(NOW) == []

    clock.at = NOW + timedelta(seconds=1)
    await story.say("users", externalId="ada", traits={"role": "admin"})
    assert await story.alerts(NOW + timedelta(seconds=5)) == ["active"]

    await story.say("users", externalId="ada", traits={"role": "user"})
    assert await story.alerts(NOW + timedelta(seconds=9)) == ["resolved"]


async def test_the_clock_of_users_is_heard(story, clock):
    clock.at = NOW
    await story.say("accounts", externalId="acme", traits={})
    ends = (NOW + timedelta(days=3)).isoformat()
    await story.say("users", externalId="ada", accounts=["acme"], traits={"passEnds": ends})
    soon = {"field": "traits.passEnds", "op": "inNextDays", "value": 1}
    await story.define({"related": "users", "op": "atLeast", "count": 1, "where": soon})

    assert await story.alerts(NOW + timedelta(days=1)) == []
    assert await story.alerts(NOW + timedelta(days=2)) == ["active"]
    assert await story.alerts(NOW + timedelta(days=3)) == ["resolved"]


async def test_what_organizations_say_is_heard(story, client, clock):
    clock.at = NOW
    await story.say("organizations", externalId="group", traits={"tier": "silver"})
    await story.say("accounts", externalId="acme", traits={})
    await client.put("/api/v1/accounts/acme/organization", json={"organizationId": "group"})
    await story.define({"field": "organization.traits.tier", "op": "is", "value": "gold"})
    assert await story.alerts(NOW) == []

    clock.at = NOW + timedelta(seconds=1)
    await story.say("organizations", externalId="group", traits={"tier": "gold"})
    assert await story.alerts(NOW + timedelta(seconds=5)) == ["active"]


async def test_a_fall_of_mrr_is_heard_and_forgotten(story, clock):
    clock.at = NOW
    await story.say("accounts", externalId="acme", traits={"mrr": 100})
    assert await story.alerts(NOW) == []
    fell = {"by": 20, "unit": "percent", "days": 30}
    await story.define({"field": "mrr", "op": "decreasedBy", "value": fell})

    clock.at = NOW + timedelta(days=10)
    await story.say("accounts", externalId="acme", traits={"mrr": 70})
    assert await story.alerts(NOW + timedelta(days=10)) == ["active"]
    assert await story.alerts(NOW + timedelta(days=39)) == ["active"]
    assert await story.alerts(NOW + timedelta(days=41)) == ["resolved"]


async def test_nobody_is_me_to_an_indicator(client):
    body = {"name": "x", "kind": "risk", "filter": {"field": "csm", "op": "isMe"}}
    answer = await client.post("/api/v1/indicators", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "needs_member")


async def test_indicators_do_not_ask_about_one_another(client):
    """They would flip with every look."""
    alike = {"field": "indicators", "op": "isNotSet"}
    for condition in (
        alike,
        {"related": "users", "op": "none", "where": {"related": "accounts", "op": "none", "where": alike}},
    ):
        answer = await client.post("/api/v1/indicators", json={"name": "x", "kind": "risk", "filter": condition})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_filter")


async def test_an_alert_says_how_many_there_were(story, client, clock):
    clock.at = NOW
    await story.say("accounts", externalId="acme", traits={})
    await story.say("users", externalId="ada", accounts=["acme"], traits={})
    await story.define({"related": "users", "op": "exactly", "count": 1})
    assert await story.alerts(NOW) == ["active"]

    (alert,) = (await client.get("/api/v1/alerts")).json()["data"]
    told = (await client.get(f"/api/v1/alerts/{alert['id']}")).json()
    assert [(one["field"], one["op"], one["saw"]) for one in told["why"]] == [("users", "exactly", 1)]
    assert told["holds"] is True


async def test_users_hear_of_their_accounts(story, client, drain, clock):
    clock.at = NOW
    await story.say("accounts", externalId="acme", traits={"mrr": 10})
    await story.say("users", externalId="ada", accounts=["acme"], traits={})
    rich = {
        "related": "accounts",
        "op": "atLeast",
        "count": 1,
        "where": {"field": "mrr", "op": "atLeast", "value": 100},
    }
    segment = await story.say("segments", subject="users", name="Of the rich", filter=rich)
    await drain()

    clock.at = NOW + timedelta(seconds=5)
    await story.say("accounts", externalId="acme", traits={"mrr": 100})
    await drain()

    wanted = {"field": "segments", "op": "isAnyOf", "value": [segment["id"]]}
    found = await story.say("reports/users", columns=[], filter=wanted)
    assert [one["externalId"] for one in found["data"]] == ["ada"]


async def test_what_sums_up_over_an_organization_is_heard_by_its_accounts(story, client, clock):
    clock.at = NOW
    for name, mrr in (("acme", 10), ("subsidiary", 20)):
        await story.say("accounts", externalId=name, traits={"mrr": mrr})
        await client.put(f"/api/v1/accounts/{name}/organization", json={"organizationId": "group"})
    await story.define(
        {
            "all": [
                {"field": "organization.mrr", "op": "atLeast", "value": 100},
                {"field": "mrr", "op": "is", "value": 10},
            ]
        }
    )
    assert await story.alerts(NOW + timedelta(seconds=1)) == []

    await story.say("accounts", externalId="subsidiary", traits={"mrr": 90})
    assert await story.alerts(NOW + timedelta(seconds=5)) == ["active"]
