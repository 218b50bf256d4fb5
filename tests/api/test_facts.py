"""The catalogue of facts as the API lists it."""

import pytest

from app.domain.fields import CATALOGUES, RELATIONS, Subject


@pytest.mark.parametrize("subject", Subject)
async def test_each_subject_has_its_catalogue(client, subject):
    listed = (await client.get("/api/v1/facts", params={"subject": subject.value})).json()

    paths = [one["path"] for one in listed["data"]]
    assert [path for path in paths if path in CATALOGUES[subject]] == list(CATALOGUES[subject])
    assert [one["name"] for one in listed["related"]] == list(RELATIONS[subject])


async def test_accounts_are_listed_unless_others_are_asked_for(client):
    listed = (await client.get("/api/v1/facts")).json()["data"]
    by_path = {one["path"]: one for one in listed}

    assert by_path["keyRoles.csm"]["type"] == "person"
    assert by_path["segments"] == {
        "path": "segments",
        "label": "Segments",
        "type": "multi",
        "operators": ["isAnyOf", "isNoneOf", "isAllOf", "isSet", "isNotSet"],
        "options": [],
        "prefix": "seg",
        "nullable": False,
        "sortable": False,
        "observed": [],
    }


async def test_an_unknown_subject_is_refused(client):
    assert (await client.get("/api/v1/facts", params={"subject": "deals"})).status_code == 422


async def test_traits_of_users_are_seen(client):
    await client.post(
        "/api/v1/users", json={"externalId": "u-1", "traits": {"role": "admin", "seen": "2026-01-01", "tags": ["a"]}}
    )
    listed = (await client.get("/api/v1/facts", params={"subject": "users"})).json()["data"]

    assert {one["path"]: one["observed"] for one in listed if one["type"] == "trait"} == {
        "traits.role": ["text"],
        "traits.seen": ["datetime"],
        "traits.tags": ["array"],
    }
