"""NPS through the API: responses, scores of accounts, organizations, users and views, by month, as of, and why."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

API = "/api/v1"
NOW = datetime(2026, 5, 15, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def present(clock):
    clock.at = NOW


def at(**ago):
    return (NOW - timedelta(**ago)).isoformat()


@pytest.fixture
def send(client):
    async def post(path, **body):
        answer = await client.post(f"{API}/{path}", json=body)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json()

    return post


@pytest.fixture
def answers(send):
    """A user answers."""

    async def say(user, score, **more):
        return await send("nps-responses", userId=user, score=score, **more)

    return say


@pytest.fixture
def facts(client, drain):
    """What a report shows of one record, when all work is done."""

    async def show(subject, ref, *paths, **more):
        await drain()
        body = {"columns": list(paths), "filter": {"field": "externalId", "op": "is", "value": ref}, **more}
        answer = await client.post(f"{API}/reports/{subject}", json=body)
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()["data"]
        found = [row["values"][path] if "values" in row else row[path] for path in paths]
        return found[0] if len(paths) == 1 else found

    return show


async def test_an_answer_is_a_fact_of_its_user_their_accounts_and_their_organizations(send, answers, facts, client):
    await send("users", externalId="ada", accounts=["acme"])
    await send("users", externalId="bob", accounts=["acme", "globex"], organizations=["group"])
    await client.put(f"{API}/accounts/acme/organization", json={"organizationId": "group"})
    made = await answers("ada", 10, feedback="Lovely", respondedAt=at(days=2), externalId="a-1")
    await answers("bob", 6, respondedAt=at(days=1))

    assert made["group"] == "promoter"
    assert (made["user"]["externalId"], made["survey"], made["source"]) == ("ada", "nps", "api")
    assert await facts("users", "ada", "npsScore", "npsGroup") == [10, "promoter"]
    assert await facts("users", "bob", "npsScore", "npsGroup") == [6, "detractor"]
    assert await facts("accounts", "acme", "nps", "npsResponses", "npsPromoters", "npsDetractors") == [0, 2, 1, 1]
    assert await facts("accounts", "globex", "nps", "npsResponses") == [-100, 1]
    assert await facts("organizations", "group", "nps", "npsResponses") == [0, 2]  # bob once
    assert await facts("accounts", "acme", "organization.nps") == 0
    assert (await facts("accounts", "acme", "npsLastAt")).startswith("2026-05-14T12:00:00")


async def test_the_latest_answer_counts_whatever_arrives_when(answers, facts, send):
    await send("users", externalId="ada", accounts=["acme"])
    await answers("ada", 10, respondedAt=at(days=1))
    assert await facts("accounts", "acme", "nps") == 100
    await answers("ada", 2, respondedAt=at(days=30))
    assert await facts("accounts", "acme", "nps", "npsResponses") == [100, 1]
    assert await facts("users", "ada", "npsScore") == 10
    await answers("ada", 7, respondedAt=at(hours=1))
    assert await facts("accounts", "acme", "nps", "npsPassives") == [0, 1]


async def test_two_answers_of_one_instant_have_one_winner(answers, facts, send, client):
    await send("users", externalId="ada", accounts=["acme"])
    moment = at(days=1)
    made = await asyncio.gather(*(answers("ada", score, respondedAt=moment) for score in (9, 3, 7, 10)))
    winner = max(made, key=lambda one: one["id"])

    assert await facts("users", "ada", "npsScore") == winner["score"]
    assert (await client.get(f"{API}/accounts/acme/nps")).json()["responses"] == 1


async def test_an_external_id_is_one_response_and_an_older_one_does_not_replace_it(client, answers, send):
    first = await answers("ada", 9, externalId="x", respondedAt=at(days=2), feedback="Good")
    again = await answers("ada", 3, externalId="x", respondedAt=at(days=1))
    late = await answers("ada", 8, externalId="x", respondedAt=at(days=5))

    assert {one["id"] for one in (first, again, late)} == {first["id"]}
    assert (again["score"], again["feedback"]) == (3, None)
    assert late["score"] == 3
    taken = await client.post(f"{API}/nps-responses", json={"userId": "bob", "score": 1, "externalId": "x"})
    assert (taken.status_code, taken.json()["code"]) == (409, "response_taken")


@pytest.mark.parametrize("turn", range(3))
async def test_one_external_id_sent_twice_at_once_ends_as_the_later_one_says(turn, client, answers):
    await answers("ada", 0, respondedAt=at(days=9))
    told = [(n, at(hours=10 - n)) for n in range(8)]
    await asyncio.gather(*(answers("ada", n, externalId="x", respondedAt=moment) for n, moment in told))

    found = (await client.get(f"{API}/nps-responses", params={"user": "ada"})).json()["data"]
    assert [one["score"] for one in found] == [7, 0]


async def test_a_user_nobody_sent_is_made_and_one_of_ours_must_exist(client, answers, facts):
    made = await answers("nobody-yet", 9)
    by_id = await answers(made["userId"], 4, respondedAt=at(days=3))
    unknown = await client.post(f"{API}/nps-responses", json={"userId": f"usr_{'0' * 32}", "score": 1})

    assert (await client.get(f"{API}/users/nobody-yet")).json()["id"] == made["userId"] == by_id["userId"]
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_user")
    assert await facts("users", "nobody-yet", "npsScore") == 9


async def test_a_deleted_users_answers_go_and_they_do_not_come_back(client, answers, facts, send, drain):
    for name, score in (("ada", 10), ("bob", 0)):
        await send("users", externalId=name, accounts=["acme"])
        await answers(name, score, feedback=f"I am {name}")
    made = (await client.get(f"{API}/nps-responses")).json()["data"]
    assert (await client.delete(f"{API}/users/ada")).status_code == 202
    assert await facts("accounts", "acme", "nps", "npsResponses") == [-100, 1]
    back = await client.post(f"{API}/nps-responses", json={"userId": "ada", "score": 10})
    left = (await client.get(f"{API}/nps-responses")).json()["data"]

    assert (back.status_code, back.json()["code"]) == (409, "suppressed")
    assert [one["user"]["externalId"] for one in left] == ["bob"]
    gone = next(one["id"] for one in made if one["user"]["externalId"] == "ada")
    assert (await client.get(f"{API}/nps-responses/{gone}")).status_code == 404
    log = await client.get(f"{API}/audit-log")
    assert "I am ada" not in log.text


async def test_what_a_user_answered_is_in_their_export(client, answers):
    await answers("ada", 10, feedback="All of it", externalId="a-1")

    lines = (await client.get(f"{API}/users/ada/export")).text

    assert '"type": "survey_responses"' in lines
    assert "All of it" in lines


async def test_a_response_is_corrected_and_deleted(client, answers, facts, send):
    await send("users", externalId="ada", accounts=["acme"])
    older = await answers("ada", 9, respondedAt=at(days=9))
    wrong = await answers("ada", 2, feedback="oops")
    path = f"{API}/nps-responses/{wrong['id']}"

    changed = await client.patch(path, json={"score": 8, "feedback": None})
    assert (changed.json()["score"], changed.json()["feedback"]) == (8, None)
    assert await facts("accounts", "acme", "npsPassives") == 1
    assert (await client.get(path)).json()["score"] == 8
    assert (await client.delete(path)).status_code == 204
    assert await facts("accounts", "acme", "nps", "npsResponses") == [100, 1]
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path)).status_code == 404
    assert (await client.delete(f"{API}/nps-responses/{older['id']}")).status_code == 204
    assert await facts("accounts", "acme", "nps", "npsResponses", "npsLastAt") == [None, 0, None]
    assert await facts("users", "ada", "npsScore", "npsGroup", "npsRespondedAt") == [None, None, None]


async def test_moving_an_answer_in_time_may_make_another_one_count(client, answers, facts):
    await answers("ada", 9, respondedAt=at(days=9))
    late = await answers("ada", 2, respondedAt=at(days=1))
    assert await facts("users", "ada", "npsScore") == 2
    await client.patch(f"{API}/nps-responses/{late['id']}", json={"respondedAt": at(days=20)})
    assert await facts("users", "ada", "npsScore") == 9


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"score": 11}, 422),
        ({"score": -1}, 422),
        ({"score": 9.5}, 422),
        ({"score": "9"}, 422),
        ({"score": True}, 422),
        ({"score": None}, 422),
        ({"score": 9, "respondedAt": "1999-12-31T23:59:59Z"}, 422),
        ({"score": 9, "respondedAt": "2026-05-17T12:00:00Z"}, 422),
        ({"score": 9, "respondedAt": "9999-12-31T23:59:59Z"}, 422),
        ({"score": 9, "feedback": "x" * 5_001}, 422),
        ({"score": 9, "feedback": "a\0b"}, 422),
        ({"score": 9, "externalId": ""}, 422),
        ({"score": 9, "userId": " "}, 422),
        ({"score": 9, "survey": "other"}, 404),
        ({"score": 9, "dismissedAt": "2026-05-15T12:00:00Z"}, 422),
    ],
)
async def test_what_is_no_response_is_refused_and_nothing_of_it_is_stored(client, body, status):
    answer = await client.post(f"{API}/nps-responses", json={"userId": "ada", **body})

    assert answer.status_code == status, answer.text
    assert (await client.get(f"{API}/nps-responses")).json()["data"] == []
    assert (await client.get(f"{API}/users/ada")).status_code == 404


async def test_responses_are_listed_the_latest_first_by_page_and_by_filter(client, answers, send):
    await send("users", externalId="u1", accounts=["acme"])
    await send("users", externalId="u2", organizations=["group"])
    for n in range(7):
        await answers(f"u{n % 3}", n + 3, respondedAt=at(days=n))
    seen, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(f"{API}/nps-responses", params=query)).json()
        seen += [one["score"] for one in page["data"]]
        cursor = page["nextCursor"]
        if not page["hasMore"]:
            break
    assert seen == [3, 4, 5, 6, 7, 8, 9]

    async def found(**query):
        answer = await client.get(f"{API}/nps-responses", params=query)
        assert answer.status_code == 200, answer.text
        return sorted(one["score"] for one in answer.json()["data"])

    assert await found(user="u0") == [3, 6, 9]
    assert await found(account="acme") == [4, 7]
    assert await found(organization="group") == [5, 8]
    assert await found(group="promoter") == [9]
    assert await found(group="passive") == [7, 8]
    assert await found(since=at(days=2), until=at(days=0)) == [4, 5]
    assert await found(survey="nps", group="detractor", user="u1") == [4]
    for query in ({"user": "x"}, {"account": "x"}, {"organization": "x"}, {"survey": "x"}):
        assert (await client.get(f"{API}/nps-responses", params=query)).status_code == 404
    assert (await client.get(f"{API}/nps-responses", params={"group": "x"})).status_code == 422
    other = await client.get(f"{API}/nps-responses", params={"cursor": "x"})
    assert other.json()["code"] == "invalid_cursor"


async def test_the_score_of_everybody_of_a_filter_and_of_one_account_by_month(client, answers, send, drain):
    assert (await client.get(f"{API}/nps")).json()["score"] is None
    for name, account in (("ada", "acme"), ("bob", "acme"), ("cy", "globex")):
        await send("users", externalId=name, accounts=[account])
    await send("accounts", externalId="acme", traits={"plan": "pro"})
    await answers("ada", 10, respondedAt="2026-02-10T00:00:00Z")
    await answers("bob", 0, respondedAt="2026-03-10T00:00:00Z")
    await answers("ada", 7, respondedAt="2026-04-30T23:59:59Z")
    await answers("cy", 9, respondedAt="2026-05-01T00:00:00Z")
    await answers("cy", 8, respondedAt="2026-05-01T00:00:00Z")
    await drain()

    everybody = (await client.get(f"{API}/nps", params={"months": 4})).json()
    assert (everybody["score"], everybody["responses"], everybody["passives"]) == (-33.33, 3, 2)
    assert [one["month"] for one in everybody["trend"]] == ["2026-02", "2026-03", "2026-04", "2026-05"]
    assert [one["answered"]["score"] for one in everybody["trend"]] == [100, -100, 0, 0]
    assert [one["standing"]["score"] for one in everybody["trend"]] == [100, 0, -50, -33.33]
    pro = {"field": "traits.plan", "op": "is", "value": "pro"}
    some = (await client.post(f"{API}/nps", json={"subject": "accounts", "filter": pro, "months": 0})).json()
    assert (some["score"], some["responses"], some["trend"]) == (-50, 2, [])
    users = {"field": "externalId", "op": "isAnyOf", "value": ["ada", "cy"]}
    some = (await client.post(f"{API}/nps", json={"filter": users})).json()
    assert (some["score"], some["responses"]) == (0, 2)
    until = {"filter": users, "until": "2026-03-01T00:00:00Z"}
    some = (await client.post(f"{API}/nps", json=until)).json()
    assert (some["score"], some["responses"]) == (100, 1)
    one = (await client.get(f"{API}/accounts/globex/nps", params={"months": 1})).json()
    assert (one["score"], one["responses"], len(one["trend"])) == (0, 1, 1)
    view = await send("views", name="Pro", subject="accounts", filter=pro, columns=["name"])
    some = (await client.post(f"{API}/nps", json={"subject": "accounts", "view": view["id"]})).json()
    assert some["score"] == -50
    wrong = await client.post(f"{API}/nps", json={"subject": "users", "view": view["id"]})
    assert wrong.json()["code"] == "unknown_view"
    for path in ("accounts/nobody/nps", "organizations/nobody/nps"):
        assert (await client.get(f"{API}/{path}")).status_code == 404


async def test_a_filter_a_segment_and_an_order_use_the_scores(client, answers, send, drain):
    for n, score in enumerate((1, 8, 10)):
        await send("users", externalId=f"u{n}", accounts=[f"a{n}"])
        await answers(f"u{n}", score)
    low = {"field": "nps", "op": "lessThan", "value": 0}
    segment = await send("segments", subject="accounts", name="Unhappy", filter=low)
    angry = {"field": "npsGroup", "op": "is", "value": "detractor"}
    people = await send("segments", subject="users", name="Angry", filter=angry)
    await drain()

    async def members(made):
        return [one["externalId"] for one in (await client.get(f"{API}/segments/{made['id']}/members")).json()["data"]]

    assert (await members(segment), await members(people)) == (["a0"], ["u0"])
    await answers("u0", 9)
    await answers("u2", 0)
    await drain()
    assert (await members(segment), await members(people)) == (["a2"], ["u2"])
    body = {"columns": ["externalId", "nps"], "sort": [{"field": "nps", "direction": "desc"}]}
    rows = (await client.post(f"{API}/reports/accounts", json=body)).json()["data"]
    assert "a2" in str(rows[-1])


async def test_scores_are_known_as_of_an_instant(clock, answers, facts, send):
    clock.at = NOW - timedelta(days=100)
    await send("users", externalId="ada", accounts=["acme"], organizations=["group"])
    await send("users", externalId="bob", accounts=["acme"])
    clock.at = NOW
    await answers("ada", 10, respondedAt=at(days=60))
    await answers("bob", 8, respondedAt=at(days=40))
    await answers("ada", 0, respondedAt=at(days=20))

    async def then(subject, ref, *paths, days):
        return await facts(subject, ref, *paths, asOf=at(days=days))

    assert await then("accounts", "acme", "nps", "npsResponses", days=90) == [None, 0]
    assert await then("accounts", "acme", "nps", "npsResponses", days=60) == [100, 1]
    assert await then("accounts", "acme", "nps", "npsResponses", "npsPassives", days=30) == [50, 2, 1]
    assert await then("accounts", "acme", "nps", "npsDetractors", days=20) == [-50, 1]
    assert await then("organizations", "group", "nps", "npsPromoters", days=30) == [100, 1]
    assert await then("users", "ada", "npsScore", "npsGroup", days=30) == [10, "promoter"]
    assert await then("users", "ada", "npsScore", "npsGroup", days=10) == [0, "detractor"]
    assert await then("users", "ada", "npsScore", "npsRespondedAt", days=70) == [None, None]
    assert await facts("accounts", "acme", "nps", "npsResponses") == [-50, 2]


async def test_why_a_score_is_what_it_is(client, answers, send, drain):
    await send("users", externalId="ada", accounts=["acme"], organizations=["group"])
    await answers("ada", 10)
    await drain()

    for path in ("accounts/acme", "organizations/group"):
        found = (await client.get(f"{API}/{path}/why", params={"fact": "nps"})).json()
        assert found["value"] == 100, found
        assert "latest answer" in found["rule"]
        assert [one["kind"] for one in found["inputs"]] == ["sum", "answer"]
        assert found["inputs"][1]["score"] == 10
        count = (await client.get(f"{API}/{path}/why", params={"fact": "npsPromoters"})).json()
        assert count["value"] == 1


async def test_who_may_not_see_a_user_sees_none_of_their_answers(client, answers, send, drain, as_member):
    await send("users", externalId="open", accounts=["acme"])
    await send("users", externalId="hidden", accounts=["secret"])
    await answers("open", 10)
    hidden = await answers("hidden", 0, feedback="unseen words")
    await drain()
    group = await send("access-groups", name="Few")
    assert (await client.put(f"{API}/access-groups/{group['id']}/accounts/secret")).status_code == 204
    await drain()
    outsider = await as_member("leader")

    listed = await outsider.get(f"{API}/nps-responses")
    assert [one["user"]["externalId"] for one in listed.json()["data"]] == ["open"]
    assert (await outsider.get(f"{API}/nps-responses/{hidden['id']}")).status_code == 404
    assert (await outsider.get(f"{API}/nps")).json()["score"] == 100
    assert (await outsider.post(f"{API}/nps", json={"subject": "accounts"})).json()["responses"] == 1
    assert (await outsider.get(f"{API}/nps-responses", params={"user": "hidden"})).status_code == 404
    assert (await outsider.get(f"{API}/users/hidden/surveys/nps")).status_code == 404
    assert "unseen" not in listed.text
    assert (await client.get(f"{API}/nps")).json()["score"] == 0
