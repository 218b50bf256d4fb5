"""Refusals: one form for all, nothing repeated of what was sent, nothing told of what is inside."""

import pytest

from app.api import problems, refusals
from app.db.base import DatabaseUnavailable, Outpaced
from app.domain import errors
from app.domain.keys import UnknownKey


def every(kind):
    """All kinds of refusal the application has."""
    return {kind}.union(*(every(child) for child in kind.__subclasses__()))


def test_every_kind_has_a_status_a_code_and_a_title():
    for kind in every(errors.DomainError):
        assert 400 <= problems.status_of(kind) <= 503
        assert kind.code.replace("_", "").isalnum(), kind
        assert kind.title(), kind
        assert not kind.title().endswith("."), kind


async def test_a_problem_has_the_members_of_every_client_we_know_of(client):
    answer = await client.get("/api/v1/keys/nope", headers={"x-request-id": "r-9"})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "type": "urn:steward:problem:unknown_key",
        "title": "There is no such API key",
        "status": 404,
        "detail": "This workspace has no such key.",
        "instance": "/api/v1/keys/nope",
        "code": "unknown_key",
        "error": "unknown_key",
        "message": "This workspace has no such key.",
        "requestId": "r-9",
    }


async def test_validation_points_at_each_place(client):
    answer = await client.post("/api/v1/keys", json={"name": 5, "scopes": ["read", "root"]})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/name", "#/scopes/1"]


async def test_query_parameters_are_pointed_at_too(client):
    answer = await client.get("/api/v1/keys", params={"limit": 201})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "query:limit"


async def test_at_most_twenty_places_and_nothing_of_the_input(client):
    answer = await client.post(
        "/api/v1/keys",
        json={"name": "canary-1" * 50, "scopes": ["canary-2"] * 3, **{f"f{i}": "canary-3" for i in range(200)}},
    )

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
    assert "canary" not in answer.text
    assert len(answer.content) < 16 * 1024


async def test_an_unexpected_error_tells_its_request_id_and_nothing_else(app, client, monkeypatch):
    def explode(_):
        raise RuntimeError("canary: a secret of the inside")

    monkeypatch.setattr(app.state.steward.callers, "identify", explode)
    answer = await client.get("/api/v1/me", headers={"x-request-id": "r-5"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["requestId"] == "r-5"
    assert "canary" not in answer.text


async def test_a_database_outage_is_a_503_with_patience(app, client, monkeypatch):
    def gone(*_):
        raise DatabaseUnavailable("The database did not answer in time.")

    monkeypatch.setattr(app.state.steward.callers, "identify", gone)
    answer = await client.get("/api/v1/me")

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 5


def test_responses_are_grouped_by_status():
    found = problems.problems(UnknownKey, refusals.InvalidRequest, errors.Rejected)

    assert list(found) == [404, 422]
    assert set(found[422]["content"][problems.MEDIA_TYPE]["examples"]) == {"invalid_request", "rejected"}


@pytest.mark.parametrize(
    ("loc", "pointer"),
    [
        (("body",), "#"),
        (("body", "a", 0, "b/c~d"), "#/a/0/b~1c~0d"),
        (("query", "limit"), "query:limit"),
        (("path", "key"), "path:key"),
    ],
)
def test_pointers(loc, pointer):
    problem = problems.from_validation([{"loc": loc, "msg": "Value error, must not", "type": "value_error"}])

    assert problem.context["errors"] == [{"pointer": pointer, "detail": "must not"}]


async def test_who_lost_a_race_in_the_database_may_ask_again(app, client, monkeypatch):
    def hindered(*_):
        raise Outpaced

    monkeypatch.setattr(app.state.steward.callers, "identify", hindered)
    answer = await client.get("/api/v1/me")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
