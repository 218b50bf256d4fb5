"""Asking why: every fact has an answer, and the mapped ones say which trait decided."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.fields import CATALOGUES, Subject

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
async def acme(client, drain, clock):
    clock.at = NOW
    await client.put(
        "/api/v1/trait-map",
        json={"owner": "boss", "name": ["title", "name"], "mrr": ["stripe", "mrr", "old"], "renewal": ["renews"]},
    )
    steps = [
        (3, {"mrr": 250, "boss": "one", "name": "acme inc", "renews": "2027-01-01", "old": 1}),
        (2, {"mrr": 250, "stripe": "n/a"}),
        (1, {"gone": None}),
    ]
    told = [
        {
            "type": "account",
            "accountId": "acme",
            "timestamp": (NOW - timedelta(hours=ago)).isoformat(),
            "traits": traits,
        }
        for ago, traits in steps
    ]
    user = {"type": "user", "userId": "one", "accountId": "acme", "traits": {"email": "one@acme.test"}}
    await client.post("/api/v1/batch", json={"messages": [*told, user]})
    await drain()


@pytest.fixture
def why(client):
    async def ask(fact):
        answer = await client.get("/api/v1/accounts/acme/why", params={"fact": fact})
        assert answer.status_code == 200, (fact, answer.text)
        return answer.json()

    return ask


async def test_which_mapped_trait_decides(acme, why):
    found = await why("mrr")

    assert (found["value"], found["source"], found["since"]) == (250, "traits.mrr", "2026-06-01T09:00:00Z")
    assert [(one["key"], one["value"], one["verdict"]) for one in found["inputs"]] == [
        ("stripe", "n/a", "unusable"),
        ("mrr", 250, "decides"),
        ("old", 1, "not looked at"),
    ]
    assert found["inputs"][1]["saidAt"] == "2026-06-01T10:00:00Z"


async def test_dates_and_names(acme, why):
    renewal, trial, name = [await why(fact) for fact in ("renewsAt", "trialEndsAt", "name")]

    assert (renewal["value"], renewal["source"]) == ("2027-01-01T00:00:00Z", "traits.renews")
    assert (trial["value"], trial["inputs"]) == (None, [])
    assert trial["rule"].startswith("No trait is mapped.")
    assert (name["value"], name["source"]) == ("acme inc", "traits.name")


async def test_a_trait_says_when_and_by_whom(acme, why, client):
    said = await why("traits.mrr")
    await client.patch("/api/v1/accounts/acme/traits", json={"traits": {"mrr": 300}})
    edited, cleared, never = [await why(f"traits.{key}") for key in ("mrr", "gone", "nobody")]

    assert (said["value"], said["since"], said["source"]) == (250, "2026-06-01T09:00:00Z", "data")
    assert (edited["value"], edited["since"], edited["source"][:4]) == (300, "2026-06-01T12:00:00Z", "key_")
    assert "cleared" in cleared["rule"]
    assert never["rule"].startswith("Nothing was ever said")


async def test_the_owner_is_explained_by_its_own_rule(acme, why):
    owner, email = await why("owner"), await why("owner.email")

    assert (owner["value"], owner["source"]) == ("one", "trait")
    assert owner["inputs"][0]["verdict"] == "decides"
    assert (email["value"], email["rule"].startswith("A copy of what is known of the owner.")) == (
        "one@acme.test",
        True,
    )


async def test_every_fact_has_an_answer(acme, why):
    for path in CATALOGUES[Subject.ACCOUNTS]:
        assert (await why(path))["rule"], path


async def test_what_nobody_knows(acme, client):
    unknown = await client.get("/api/v1/accounts/acme/why", params={"fact": "nonsense"})
    unsaid = await client.get("/api/v1/accounts/acme/why")
    nobody = await client.get("/api/v1/accounts/x/why", params={"fact": "mrr"})

    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_fact")
    assert (unsaid.status_code, nobody.status_code) == (422, 404)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("9999-12-31T23:59:59-10:00", "9999-12-31T23:59:59.999999Z"),
        ("9999-12-31T24:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00Z"),
    ],
)
async def test_dates_beyond_the_calendar_are_answered_as_its_ends(client, drain, said, read):
    await client.put("/api/v1/trait-map", json={"renewal": ["ends"]})
    told = {"type": "account", "accountId": "acme", "traits": {"ends": said}}
    await client.post("/api/v1/batch", json={"messages": [told]})
    await drain()

    asked = {"columns": ["renewsAt"], "sort": [{"field": "traits.ends", "type": "datetime"}]}
    found = await client.post("/api/v1/reports/accounts", json=asked)
    why = await client.get("/api/v1/accounts/acme/why", params={"fact": "renewsAt"})

    assert [row["renewsAt"] for row in found.json()["data"]] == [read]
    assert why.json()["value"] == read
