"""The public door of surveys: links without a key, in browsers and from programs."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import httpx
import pytest

from app.api import survey_pages, surveying
from app.domain import ids, survey_links
from app.domain.survey_links import Pass
from tests.conftest import MASTER

API = "/api/v1"
NOW = datetime(2026, 5, 15, 12, tzinfo=UTC)
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
QUESTIONS = [
    {"key": "role", "label": "Your <role>?", "type": "choice", "options": ["Dev", 'O"ps'], "required": True},
    {"key": "tools", "label": "Tools?", "type": "choice", "options": ["a", "b"], "several": True},
    {"key": "seats", "label": "Seats?", "type": "number"},
]


@pytest.fixture(autouse=True)
def present(clock):
    clock.at = NOW


@pytest.fixture
async def stranger(app):
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://steward.test") as client:
        yield client


@pytest.fixture
def link(client):
    """The path of a user's link to a survey that asks these questions."""

    async def make(user="ada", days=30, **survey):
        body = {"externalId": user, "accounts": ["acme"]}
        assert (await client.post(f"{API}/users", json=body)).status_code < 300
        if (await client.get(f"{API}/surveys/nps")).status_code == 404:
            made = await client.post(f"{API}/surveys", json={"name": "NPS <b>", "slug": "nps", **survey})
            assert made.status_code == 201, made.text
        answer = await client.post(f"{API}/surveys/nps/links", json={"users": [user], "days": days})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"][0]["url"].removeprefix("http://steward.test")

    return make


@pytest.fixture
def said(client):
    async def show():
        found = (await client.get(f"{API}/surveys/nps/responses")).json()["data"]
        return [(one["user"]["externalId"], one["score"], one["feedback"], one["answers"]) for one in found]

    return show


async def test_links_are_made_for_those_who_are_known(client, link):
    await link()
    body = {"users": ["ada", "nobody"], "days": 10}
    known, unknown = (await client.post(f"{API}/surveys/nps/links", json=body)).json()["data"]

    assert known["expiresAt"] == "2026-05-25T12:00:00Z"
    assert (unknown["userId"], unknown["url"]) == (None, None)
    for users in ([], ["x"] * 1001):
        assert (await client.post(f"{API}/surveys/nps/links", json={"users": users})).status_code == 422


async def test_a_program_sees_the_survey_and_answers_it_without_a_key(stranger, link, said, client):
    path = await link()
    found = await stranger.get(path)
    assert found.status_code == 200, found.text
    assert (found.json()["name"], found.json()["ask"], found.json()["reason"]) == ("NPS <b>", True, "due")
    assert "ada" not in found.text
    assert found.headers["cache-control"] == "no-store"
    taken = await stranger.post(path, json={"score": 3})
    assert taken.status_code == 200, taken.text
    assert taken.json()["followUp"] == found.json()["texts"]["followUpDetractor"]
    more = await stranger.post(path, json={"feedback": "Slow"})
    assert more.json()["followUp"] is None
    assert await said() == [("ada", 3, "Slow", {})]
    await stranger.post(path, json={"score": 9})
    assert await said() == [("ada", 9, "Slow", {})]  # one link, one answer
    assert (await stranger.get(path)).json()["reason"] == "answered"
    (one,) = (await client.get(f"{API}/nps-responses")).json()["data"]
    assert (one["source"], one["group"]) == ("link", "promoter")


class Page(HTMLParser):
    """What a page has, for those who cannot see it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.fors, self.fields = [], set(), set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.ids |= {found["id"]} if "id" in found else set()
        self.fors |= {found["for"]} if "for" in found else set()
        if tag in {"input", "textarea"}:
            self.fields.append(found)
        assert not any(name.startswith("on") for name in found)


async def test_a_person_sees_a_page_that_works_without_scripts(stranger, link, said):
    path = await link(questions=QUESTIONS)
    answer = await stranger.get(path, headers=BROWSER)
    page = Page(answer.text)

    assert answer.headers["content-type"].startswith("text/html")
    assert '<html lang="en">' in answer.text
    assert not {"script", "img", "iframe", "link"} & set(page.tags)
    assert "<b>" not in answer.text
    assert "&lt;role&gt;" in answer.text
    assert 'value="O&quot;ps"' in answer.text
    scores = [field for field in page.fields if field.get("name") == "score"]
    assert [field["value"] for field in scores] == [str(n) for n in range(11)]
    assert page.fors <= page.ids
    assert page.tags.count("legend") == 3  # each group of buttons has a name
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)[1]
    assert style == survey_pages.STYLE
    chosen = await stranger.get(f"{path}?score=7", headers=BROWSER)
    assert 'value="7" required checked' in chosen.text
    assert await said() == []  # looking changes nothing: mail scanners look, too


async def test_a_form_is_taken_and_asked_on(stranger, link, said):
    path = await link(questions=QUESTIONS)
    wrong = await stranger.post(path, data={"score": "9"}, headers=BROWSER)
    assert (wrong.status_code, "wants an answer" in wrong.text, 'role="alert"' in wrong.text) == (422, True, True)
    data = {"score": "6", "q.role": "Dev", "q.tools": ["a", "b"], "q.seats": "3.5"}
    taken = await stranger.post(path, data=data, headers=BROWSER)
    assert taken.status_code == 200, taken.text
    assert 'name="feedback"' in taken.text
    done = await stranger.post(path, data={"score": "6", "feedback": "Slow <i>"}, headers=BROWSER)
    assert "feedback" not in Page(done.text).ids
    answers = {"role": "Dev", "tools": ["a", "b"], "seats": 3.5}
    assert await said() == [("ada", 6, "Slow <i>", answers)]


@pytest.mark.parametrize(
    "data",
    [
        {"score": "11"},
        {"score": "x"},
        {"score": "\u0663"},
        {"score": ""},
        {"other": "1"},
        {"score": "9", "feedback": "a\0b"},
        {"score": "9", "feedback": "x" * 5_001},
        {"score": "9", "q.role": "Boss"},
    ],
)
async def test_a_form_that_does_not_fit_is_shown_again_and_nothing_is_stored(stranger, link, said, data):
    path = await link(questions=[{**QUESTIONS[0], "required": False}])
    answer = await stranger.post(path, data=data, headers=BROWSER)

    assert answer.status_code == 422, answer.text
    assert 'role="alert"' in answer.text
    assert await said() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"score": 9.5}',
        b'{"score": "9"}',
        b'{"score": 1e300}',
        b'{"score": NaN}',
        b'{"score": 9, "userId": "bob"}',
        b'{"answers": {"x": 1}, "score": 9}',
        b'{"score": 9, "feedback": "\\u0000"}',
        b'{"score": 9, "score": 3}',
        b"\xff\xfe",
    ],
)
async def test_hostile_bodies_are_refused_with_a_problem(stranger, link, said, body):
    path = await link()
    answer = await stranger.post(path, content=body, headers={"content-type": "application/json"})

    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await said() == []


async def test_who_answered_answers_again_when_the_questions_are_others(stranger, link, said, client):
    path = await link(questions=QUESTIONS)
    answers = {"role": "Dev", "seats": 3}
    assert (await stranger.post(path, json={"score": 9, "answers": answers})).status_code == 200
    others = [{"key": "role", "label": "Role?", "type": "choice", "options": ["Lead"]}, QUESTIONS[2]]
    assert (await client.patch(f"{API}/surveys/nps", json={"questions": others})).status_code == 200

    again = await stranger.post(path, json={"score": 3})

    assert again.status_code == 200, again.text
    assert await said() == [("ada", 3, None, {"seats": 3})]


async def test_an_empty_form_after_an_answer_keeps_the_score(stranger, link, said):
    path = await link()
    await stranger.post(path, data={"score": "6"}, headers=BROWSER)
    again = await stranger.post(path, data={"feedback": ""}, headers=BROWSER)
    hidden = [(one["name"], one["value"]) for one in Page(again.text).fields if one.get("type") == "hidden"]
    told = await stranger.post(path, data={**dict(hidden), "feedback": "Slow"}, headers=BROWSER)

    assert (again.status_code, hidden, told.status_code) == (200, [], 200)
    assert await said() == [("ada", 6, "Slow", {})]


@pytest.mark.parametrize("text", ["2026-W01-1", "1_0", "\u0663", "2026-02-30", "20260201", "nan", "1e999"])
async def test_days_and_numbers_are_written_in_one_way(text, stranger, link, said):
    kinds = [{"key": kind, "label": "?", "type": kind} for kind in ("date", "number")]
    path = await link(questions=kinds)
    for kind in ("date", "number"):
        if (kind, text) != ("number", "20260201"):
            answer = await stranger.post(path, data={"score": "9", f"q.{kind}": text}, headers=BROWSER)
            assert answer.status_code == 422, (kind, answer.text)
    assert await said() == []


async def test_a_body_of_a_stranger_is_bounded(stranger, link):
    path = await link()
    answer = await stranger.post(path, json={"score": 9, "feedback": "x" * 70_000})
    assert answer.status_code == 413


async def test_a_link_ends_with_its_time_its_survey_its_user_and_when_links_are_rotated(
    stranger, link, client, clock, said
):
    path, other = await link(), await link("bob", days=400)
    clock.at = NOW + timedelta(days=30)
    late = await stranger.get(path)
    assert (late.status_code, late.json()["code"]) == (404, "invalid_survey_link")
    assert "time is over" in late.json()["detail"]
    assert (await stranger.get(other)).status_code == 200
    rotated = await client.post(f"{API}/surveys/nps/links/rotate")
    assert rotated.status_code == 200
    for method, body in (("GET", None), ("POST", {"score": 9})):
        assert (await stranger.request(method, other, json=body)).status_code == 404
    fresh = await link("bob")
    assert (await stranger.get(fresh)).status_code == 200
    assert (await client.delete(f"{API}/users/bob")).status_code == 202
    assert (await stranger.get(fresh)).status_code == 404
    assert (await stranger.post(fresh, json={"score": 1})).status_code == 404
    last = await link("cy")
    await client.delete(f"{API}/surveys/nps")
    assert (await stranger.post(last, json={"score": 1})).status_code == 404
    page = await stranger.get(last, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert await said() == []


async def test_no_token_of_anybody_elses_making_opens_anything(stranger, link, workspace, other_workspace):
    path = await link()
    token = path.rpartition("/")[2]
    key = survey_links.key(MASTER)
    found = survey_links.read(token, key=key, now=NOW)
    forged = [
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token.lower(),
        token + "=",
        "x" * len(token),
        survey_links.write(found, key=survey_links.key("a guess")),
        survey_links.write(Pass(other_workspace, found.link_id, found.user_id, found.expires_at), key=key),
        survey_links.write(Pass(workspace, ids.new_id(), found.user_id, found.expires_at), key=key),
        survey_links.write(Pass(workspace, found.link_id, ids.new_id(), found.expires_at), key=key),
        "%20",
        "a%2Fb",
        "..%2F..%2Fapi%2Fv1%2Faccounts",
    ]

    for one in forged:
        for method in ("GET", "POST"):
            answer = await stranger.request(method, f"/surveys/{one}", json={"score": 9} if method == "POST" else None)
            assert answer.status_code == 404, (one, answer.text)


async def test_a_front_end_says_that_it_was_shown_or_closed(stranger, link, client, clock):
    path = await link(display={"mostSessions": 1, "againMonths": 1})
    assert (await stranger.post(f"{path}/shown")).status_code == 204
    assert (await stranger.post(f"{path}/shown")).status_code == 204
    clock.at = NOW + timedelta(days=1)
    assert (await stranger.get(path)).json()["reason"] == "shown_enough"
    assert (await stranger.post(f"{path}/dismissal")).status_code == 204
    assert (await stranger.get(path)).json()["reason"] == "dismissed"
    assert (await stranger.post(path, json={"score": 10})).status_code == 200
    assert (await stranger.post(f"{path}/dismissal")).status_code == 204
    assert (await stranger.get(path)).json()["reason"] == "answered"
    (one,) = (await client.get(f"{API}/surveys/nps/responses", params={"dismissed": True})).json()["data"]
    assert (one["score"], one["dismissedAt"]) == (10, None)


async def test_pages_of_other_sites_may_answer(stranger, link):
    path = await link()
    asked = {"origin": "https://app.acme.test", "access-control-request-method": "POST"}
    preflight = await stranger.options(path, headers=asked)
    taken = await stranger.post(path, json={"score": 9}, headers={"origin": "https://app.acme.test"})

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == taken.headers["access-control-allow-origin"] == "*"


async def test_who_comes_too_often_waits(stranger, link, monkeypatch):
    path = await link()
    monkeypatch.setattr(surveying, "PER_LINK", surveying.buckets.rate(1, 2))
    answers = [await stranger.get(path) for _ in range(4)]
    page = await stranger.get(path, headers=BROWSER)

    assert [one.status_code for one in answers][:2] == [200, 200]
    assert answers[-1].status_code == page.status_code == 429
    assert int(page.headers["retry-after"]) > 0


async def test_a_links_token_stays_out_of_the_log(stranger, link, capsys):
    path = await link()
    capsys.readouterr()
    await stranger.get(path)
    logged = capsys.readouterr()

    assert path.rpartition("/")[2] not in logged.out + logged.err
    assert "/surveys/…" in logged.out + logged.err
