"""Surveys through the API: definitions, whether to ask somebody, responses with questions."""

from datetime import UTC, datetime, timedelta

import pytest

API = "/api/v1"
NOW = datetime(2026, 5, 15, 12, tzinfo=UTC)
ONBOARDING = {
    "kind": "custom",
    "name": "Onboarding",
    "questions": [
        {"key": "goal", "label": "Goal?", "type": "choice", "options": ["Report", "Share"], "required": True},
        {"key": "seats", "label": "Seats?", "type": "number"},
        {"key": "by", "label": "By when?", "type": "date"},
    ],
}


@pytest.fixture(autouse=True)
def present(clock):
    clock.at = NOW


@pytest.fixture
def make(client):
    async def post(**body):
        answer = await client.post(f"{API}/surveys", json={"name": "NPS", **body})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return post


@pytest.fixture
def asked(client):
    async def ask(user="ada", survey="nps"):
        answer = await client.get(f"{API}/users/{user}/surveys/{survey}")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return found["ask"], found["reason"], found["since"]

    return ask


@pytest.fixture
def ada(client):
    async def be(**traits):
        body = {"externalId": "ada", "accounts": ["acme"], "traits": traits}
        assert (await client.post(f"{API}/users", json=body)).status_code < 300

    return be


async def test_a_survey_is_made_read_changed_and_archived(client, make):
    made = await make(slug="relationship", texts={"question": "Would you?"})
    assert (made["slug"], made["kind"], made["version"]) == ("relationship", "nps", 1)
    assert made["texts"]["question"] == "Would you?"
    assert made["texts"]["thanks"]  # words of ours where there are none of yours
    assert (await client.get(f"{API}/surveys/relationship")).json() == made
    changed = await client.patch(f"{API}/surveys/{made['id']}", json={"display": {"minimumSessions": 3}})
    assert changed.json()["display"]["minimumSessions"] == 3
    assert (changed.json()["version"], changed.json()["texts"]) == (2, made["texts"])
    assert [one["slug"] for one in (await client.get(f"{API}/surveys")).json()["data"]] == ["relationship"]
    assert (await client.delete(f"{API}/surveys/relationship")).status_code == 204
    assert (await client.delete(f"{API}/surveys/relationship")).status_code == 204
    assert (await client.get(f"{API}/surveys")).json()["data"] == []
    archived = await client.patch(f"{API}/surveys/{made['id']}", json={"name": "x"})
    assert archived.json()["code"] == "survey_archived"
    again = await make(slug="relationship")
    assert again["id"] != made["id"]
    assert (await client.get(f"{API}/surveys/relationship")).json()["id"] == again["id"]


async def test_slugs_are_made_of_names_and_each_is_taken_once(client, make):
    assert (await make(name="Über uns, 2026!"))["slug"] == "uber_uns_2026"
    for body in ({"name": "uber uns 2026"}, {"name": "other", "slug": "uber_uns_2026"}):
        answer = await client.post(f"{API}/surveys", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "survey_exists")
    kept = await client.post(f"{API}/surveys", json={**ONBOARDING, "slug": "nps"})
    assert kept.json()["code"] == "survey_exists"


@pytest.mark.parametrize(
    "body",
    [
        {"name": " "},
        {"slug": "Big"},
        {"kind": "other"},
        {"display": {"againMonths": -1}},
        {"display": {"mostSessions": 0}},
        {"display": {"minimumAgeDays": 1e300}},
        {"texts": {"question": ""}},
        {"questions": [{"key": "a", "label": "A", "type": "choice"}]},
        {"questions": [{"key": "a", "label": "A", "type": "text"}] * 2},
        {"questions": [{"key": "A", "label": "A", "type": "text"}]},
        {"questions": [{"key": "a", "label": "A", "type": "essay"}]},
    ],
)
async def test_what_is_no_survey_is_refused(client, body):
    assert (await client.post(f"{API}/surveys", json={"name": "N", **body})).status_code == 422
    assert (await client.get(f"{API}/surveys")).json()["data"] == []


async def test_a_workspace_has_a_hundred_surveys_at_most(client, make):
    for n in range(100):
        await make(name=f"s{n}")
    full = await client.post(f"{API}/surveys", json={"name": "one more"})
    assert full.json()["code"] == "too_many_surveys"


async def test_answers_to_a_custom_survey_fit_its_questions(client, make, ada):
    await make(**ONBOARDING)
    await ada()
    path = f"{API}/surveys/onboarding/responses"
    good = await client.post(path, json={"userId": "ada", "answers": {"goal": "Share", "seats": 3}})
    assert good.status_code == 201, good.text
    made = good.json()
    assert (made["answers"], made["score"], made["survey"]) == ({"goal": "Share", "seats": 3}, None, "onboarding")
    assert (await client.get(f"{path}/{made['id']}")).json() == made
    assert [one["id"] for one in (await client.get(path)).json()["data"]] == [made["id"]]
    for answers in ({}, {"goal": "x"}, {"goal": "Share", "by": "soon"}, {"goal": "Share", "other": 1}):
        wrong = await client.post(path, json={"userId": "ada", "answers": answers})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_answer")
        assert wrong.json()["errors"][0]["pointer"].startswith("#/answers/")
    scored = await client.post(path, json={"userId": "ada", "score": 9, "answers": {"goal": "Share"}})
    assert scored.json()["code"] == "invalid_answer"
    # Answers to custom surveys are no NPS.
    assert (await client.get(f"{API}/nps-responses")).json()["data"] == []
    assert (await client.get(f"{API}/nps-responses/{made['id']}")).status_code == 404
    wrong = await client.post(f"{API}/nps-responses", json={"userId": "ada", "score": 9, "survey": "onboarding"})
    assert wrong.json()["code"] == "wrong_survey_kind"
    assert (await client.delete(f"{path}/{made['id']}")).status_code == 204
    assert (await client.get(path)).json()["data"] == []


async def test_a_response_is_found_under_its_own_survey_only(client, make, ada):
    await make(slug="one")
    await make(slug="two")
    body = {"userId": "ada", "score": 5}
    made = (await client.post(f"{API}/surveys/one/responses", json=body)).json()["id"]
    for method in ("GET", "DELETE"):
        assert (await client.request(method, f"{API}/surveys/two/responses/{made}")).status_code == 404
    assert (await client.get(f"{API}/nps", params={"survey": "two"})).json()["responses"] == 0
    assert (await client.get(f"{API}/nps", params={"survey": "one"})).json()["responses"] == 1


async def test_who_is_asked_depends_on_age_sessions_and_what_they_did(client, make, ada, asked, clock):
    await make(slug="nps", display={"minimumAgeDays": 30, "minimumSessions": 2, "againMonths": 3})
    await ada(createdAt=(NOW - timedelta(days=29)).isoformat())
    assert await asked() == (False, "too_young", "2026-05-16T12:00:00Z")
    clock.at = NOW + timedelta(days=1)
    assert await asked() == (False, "too_few_sessions", None)
    for day in (0, 1):
        event = {"event": "Used", "userId": "ada", "timestamp": (NOW + timedelta(days=day)).isoformat()}
        assert (await client.post(f"{API}/events", json=event)).status_code < 300
    assert await asked() == (True, "due", None)
    dismissal = await client.post(f"{API}/users/ada/surveys/nps/dismissal")
    assert dismissal.status_code == 201
    assert (dismissal.json()["dismissedAt"], dismissal.json()["score"]) == ("2026-05-16T12:00:00Z", None)
    assert await asked() == (False, "dismissed", "2026-08-16T12:00:00Z")
    clock.at = datetime(2026, 8, 16, 12, tzinfo=UTC)
    assert await asked() == (True, "due", None)
    await client.post(f"{API}/nps-responses", json={"userId": "ada", "score": 9})
    assert await asked() == (False, "answered", "2026-11-16T12:00:00Z")
    # A dismissal is listed when it is asked for, and is no answer.
    listed = (await client.get(f"{API}/surveys/nps/responses")).json()["data"]
    with_dismissals = (await client.get(f"{API}/surveys/nps/responses", params={"dismissed": True})).json()["data"]
    assert (len(listed), len(with_dismissals)) == (1, 2)
    assert (await client.get(f"{API}/nps")).json()["responses"] == 1


async def test_a_survey_is_shown_in_so_many_sessions_and_rests(client, make, ada, asked, clock):
    await make(slug="nps", display={"mostSessions": 2, "againMonths": 1})
    await ada()

    async def show():
        answer = await client.post(f"{API}/users/ada/surveys/nps/shown")
        assert answer.status_code == 200, answer.text
        return answer.json()["ask"]

    assert (await show(), await show()) == (True, True)  # one day is one session
    clock.at = NOW + timedelta(days=3)
    assert (await asked())[0]
    assert await show()
    clock.at = NOW + timedelta(days=4)
    assert await asked() == (False, "shown_enough", "2026-06-19T00:00:00Z")
    clock.at = datetime(2026, 6, 19, tzinfo=UTC)
    assert (await asked())[0]


async def test_an_archived_or_gated_survey_asks_nobody(client, make, ada, asked):
    await make(slug="gated", display={"gated": True})
    await make(slug="over")
    await ada()
    await client.delete(f"{API}/surveys/over")
    assert await asked(survey="gated") == (False, "not_enrolled", None)
    assert await asked(survey="over") == (False, "archived", None)
    shown = await client.post(f"{API}/users/ada/surveys/over/shown")
    assert shown.json()["code"] == "survey_archived"
    for path in ("users/nobody/surveys/gated", "users/ada/surveys/nothing"):
        assert (await client.get(f"{API}/{path}")).status_code == 404


@pytest.mark.parametrize("joined", ["9999-12-31T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
async def test_a_user_from_the_end_of_time_is_asked_about_like_others(client, joined):
    """Products send such dates for "never": they are not ours to choose."""
    body = {"name": "NPS", "slug": "nps", "display": {"minimumAgeDays": 30}}
    assert (await client.post(f"{API}/surveys", json=body)).status_code == 201
    await client.post(f"{API}/users", json={"externalId": "ada", "traits": {"createdAt": joined}})

    asked = await client.get(f"{API}/users/ada/surveys/nps")

    assert asked.status_code == 200, asked.text
    assert asked.json()["reason"] == ("too_young" if joined > "9" else "due")
