"""What a receiver's answer means, and what a letter looks like."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.deliveries import EVENT_TYPES, Answer, Verdict, judge, wanted
from app.domain.ids import new_id
from app.domain.letters import LARGEST_LETTER, Person, Subject, example, letter

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=5)


@pytest.mark.parametrize(
    ("answer", "attempt", "failing_since", "expected"),
    [
        (Answer(200, None), 1, None, Verdict("delivered")),
        (Answer(204, None), 9, LONG_AGO, Verdict("delivered")),
        (Answer(500, None), 1, None, Verdict("pending", wait=timedelta(seconds=5))),
        (Answer(404, None), 2, NOW, Verdict("pending", wait=timedelta(minutes=5))),
        (Answer(301, "redirect_not_followed"), 3, None, Verdict("pending", wait=timedelta(minutes=30))),
        (Answer(None, "timed_out"), 9, None, Verdict("pending", wait=timedelta(hours=24))),
        (Answer(503, None, 60.0), 1, None, Verdict("pending", wait=timedelta(seconds=66))),
        (Answer(503, None, 10**6), 1, None, Verdict("pending", wait=timedelta(hours=1.1))),
        (Answer(503, None, 1.0), 3, None, Verdict("pending", wait=timedelta(minutes=30))),
        (Answer(500, None), 10, NOW, Verdict("failed")),
        (Answer(410, None), 1, None, Verdict("cancelled", disable="gone")),
        (Answer(None, "destination_not_allowed"), 1, None, Verdict("failed")),
        (Answer(500, None), 1, LONG_AGO, Verdict("pending", wait=timedelta(seconds=5), disable="failing")),
        (Answer(500, None), 10, LONG_AGO, Verdict("failed", disable="failing")),
    ],
)
def test_what_an_answer_means(answer, attempt, failing_since, expected):
    assert judge(answer, attempt=attempt, jitter=0.5, failing_since=failing_since, now=NOW) == expected


@pytest.mark.parametrize(
    ("types", "event_type", "expected"),
    [([], "a.b", True), (["a.b"], "a.b", True), (["a.b"], "a.c", False)],
)
def test_which_endpoints_want_what(types, event_type, expected):
    assert wanted(types, event_type) is expected


def subject(**changes):
    return Subject(
        **{
            "id": new_id(),
            "external_id": "acme",
            "name": None,
            "status": "trial",
            "mrr": None,
            "traits": {},
            "owner": None,
            "roles": {},
            **changes,
        }
    )


def keys(value):
    return {name: keys(inner) for name, inner in value.items() if name != "traits"} if isinstance(value, dict) else None


def test_a_letter_about_next_to_nothing_has_the_same_keys():
    bare = json.loads(letter(new_id(), "account.owner_changed", NOW, subject(), {}))
    full = json.loads(example("webhook.test"))
    assert bare["data"].keys() == full["data"].keys()
    assert keys(bare["data"]["account"]) == keys(full["data"]["account"])
    assert (bare["data"]["owner"], bare["data"]["csm"], bare["data"]["keyRoles"]) == (None, None, [])
    assert bare["timestamp"] == "2026-05-01T12:00:00Z"
    assert bare["id"].startswith("evt_")


def test_a_letter_names_who_looks_after_the_account():
    who = Person(new_id(), "Ana", "ana@example.com")
    data = json.loads(letter(new_id(), "x.y", NOW, subject(roles={"account_executive": who}, mrr=Decimal("9.5")), {}))
    shown = {"id": f"mem_{who.id.hex}", "name": "Ana", "email": "ana@example.com"}
    assert data["data"]["accountExecutive"] == shown
    assert data["data"]["keyRoles"] == [{"role": "account_executive", **shown}]
    assert data["data"]["account"]["mrr"] == 9.5


def test_a_letter_too_large_loses_its_largest_traits_and_says_so():
    traits = {"small": "ä" * 10, "big": "x" * 15_000, "bigger": "ü" * 8_000, "medium": "y" * 3_000}
    body = letter(new_id(), "x.y", NOW, subject(traits=traits), {})
    account = json.loads(body)["data"]["account"]
    assert len(body) <= LARGEST_LETTER
    assert account["traitsTruncated"] is True
    assert account["traits"] == {name: traits[name] for name in ("small", "big", "medium")}


def test_numbers_no_fast_writer_can_write_are_written():
    body = letter(new_id(), "x.y", NOW, subject(traits={"n": 10**300}), {})
    assert json.loads(body)["data"]["account"]["traits"]["n"] == 10**300


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_type_has_an_example(name):
    body = json.loads(example(name))
    assert body["type"] == name
    assert body["data"]["account"]["externalId"] == "acme"
