"""The 108 hostile inputs of the threat model: each gets the refusal it should, stores nothing, breaks nothing.

One parametrised test takes all that are requests, in every dialect they apply to; `test_hostile_wire.py` sends those
that are bytes on a socket; and a table accounts for the rest by number.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.api.hostile import ACCOUNTS, BATCH, DIALECTS, EVENTS, JSON, SPOKEN, nested
from tests.api.hostile_native import NATIVE, TEXT
from tests.api.test_hostile_wire import WIRE

ROOT = Path(__file__).parents[2]

# Where a number is tried that is neither a request of this test nor bytes of `test_hostile_wire.py`; or why nowhere.
ELSEWHERE = {
    13: "tests/api/test_hostile.py::test_composed_and_decomposed_ids_are_two",
    24: "not applicable: no slug is taken from outside; workspaces are named on the operator's command line",
    28: "tests/api/test_hostile.py::test_an_id_with_reserved_characters_round_trips",
    42: "tests/api/test_hostile.py::test_numbers_come_back_as_postgresql_numerics",
    56: "not applicable yet: nothing is scheduled in local times; days are UTC days",
    67: "tests/api/test_hostile.py::test_a_body_cut_at_any_byte_is_refused",
    68: "tests/api/test_hostile.py::test_five_hundred_bad_items_get_a_short_answer",
    72: "tests/domain/test_filters.py::test_limits_are_reachable",
    73: "not applicable: an owner is read from one trait of the account itself; mappings do not chain",
    78: "tests/api/test_hostile_wire.py::test_idle_connections_keep_nobody_out",
    93: "tests/api/test_hostile_wire.py::test_a_forged_client_address_is_not_believed",
    96: "tests/api/test_hostile_wire.py::test_leaving_at_any_moment_leaves_no_open_transaction",
    97: "not applicable: there is no Idempotency-Key; messages carry their own ids",
    99: "tests/outbound/test_destinations.py::test_anything_else_is_refused_with_the_same_code",
    100: "tests/outbound/test_addresses.py::test_only_the_strict_form_of_an_address_is_one",
    101: "tests/outbound/test_addresses.py::test_an_inward_address_is_refused",
    102: "tests/outbound/test_ssrf.py::test_no_trick_reaches_the_canary",
    103: "tests/outbound/test_ssrf.py::test_a_name_that_turns_inwards_is_refused_the_second_time",
    104: "tests/outbound/test_http.py::test_a_redirect_is_recorded_and_not_followed",
    105: "tests/outbound/test_destinations.py::test_anything_else_is_refused_with_the_same_code",
    106: "tests/outbound/test_destinations.py::test_anything_else_is_refused_with_the_same_code",
    107: "tests/outbound/test_http.py::test_a_slow_receiver_is_left_at_the_deadline",
    108: "tests/domain/test_retries.py::test_no_header_value_breaks_it",
}


def test_every_number_is_tried_or_its_absence_is_explained():
    on_sockets = {int(name.partition(" ")[0]) for _, name in WIRE}
    tried = {case.row for case in (*NATIVE, *SPOKEN)} | on_sockets | ELSEWHERE.keys()
    assert sorted(tried) == list(range(1, 109))
    for where in ELSEWHERE.values():
        path, _, name = where.partition("::")
        assert where.startswith("not applicable") or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), where


@pytest.fixture
def headers_for(client):
    """The headers of a case, with the key as clients of that dialect show it."""
    key = client.headers["authorization"].removeprefix("Bearer ")
    by_path = {path: dialect for dialect in DIALECTS for path in dialect.paths.values()}

    def made(case):
        dialect = by_path.get(case.path)
        shown = {} if dialect is None else {"authorization": dialect.authorization(key)}
        return {**shown, **case.headers}

    return made


CASES = [*NATIVE, *SPOKEN]
REFUSED = {row: [case for case in CASES if case.row == row and not case.stores] for row in range(1, 109)}


@pytest.mark.parametrize("case", [case for case in CASES if case.stores], ids=str)
async def test_hostile_requests_that_are_stored(case, client, rows, headers_for):
    before = await rows()
    await try_one(case, client, headers_for)
    assert await rows() > before
    assert (await client.get("/api/v1/me")).status_code == 200


@pytest.mark.parametrize("row", [row for row, cases in REFUSED.items() if cases])
async def test_hostile_requests_that_are_refused(row, client, rows, headers_for):
    """All of a row in one workspace, as none of them leaves anything there."""
    before = await rows()
    for case in REFUSED[row]:
        await try_one(case, client, headers_for)
        assert await rows() == before, str(case)
    assert (await client.get("/api/v1/me")).status_code == 200


async def try_one(case, client, headers_for):
    path = case.path.replace("KEY", client.headers["authorization"].removeprefix("Bearer "))
    answer = await client.request(case.method, path, content=case.body, headers=headers_for(case))

    said = answer.json() if answer.content and case.method != "HEAD" else {}
    code = said.get("code") if {code for _, code in case.wanted} - {None} or answer.is_success else None
    assert (answer.status_code, code) in case.wanted, (str(case), answer.text[:300])
    assert answer.is_success or said["code"], (str(case), "a refusal has a code")
    assert case.refuses is None or said[case.refuses] == 1, str(case)
    assert len(answer.content) < 32 * 1024, str(case)


async def test_texts_come_back_byte_for_byte(client):
    """Rows 13, 14, 16-22, 62-64: stored as they are, and nobody else's."""
    sent = {case.name: json.loads(case.body) for case in TEXT if case.stores and b"traits" in case.body}
    for number, (name, body) in enumerate(sent.items()):
        body["externalId"] = f"a{number}"
        answer = await client.post(ACCOUNTS, json=body)
        assert answer.json()["account"]["traits"] == body["traits"], name


async def test_numbers_come_back_as_postgresql_numerics(client):
    """Rows 42-44: exact for integers of 64 bits and for every finite double; huge ones are written out in digits."""
    numbers = [2**53 + 1, 0.1 + 0.2, 5e-324, 1e308, -0.0, 1.5]

    answer = await client.post(ACCOUNTS, json={"externalId": "a", "traits": {"n": numbers}})

    assert [float(number) for number in answer.json()["account"]["traits"]["n"]] == [float(n) for n in numbers]


async def test_composed_and_decomposed_ids_are_two(client):
    """Row 13: an id is bytes; nothing is normalised."""
    for name in ("caf\u00e9", "cafe\u0301"):
        assert (await client.post(ACCOUNTS, json={"externalId": name})).status_code == 200

    assert len((await client.get(ACCOUNTS)).json()["data"]) == 2


@pytest.mark.parametrize("name", ["a/b", "..", "../x", "%2e%2e", "?", "#", "100%", "%2F", "a b", "é", "acc_1", "%252F"])
async def test_an_id_with_reserved_characters_round_trips(client, name):
    """Row 28."""
    from urllib.parse import quote

    await client.post(ACCOUNTS, json={"externalId": name})
    answer = await client.get(f"{ACCOUNTS}/{quote(name, safe='')}".replace("/..", "/%2E%2E"))

    assert answer.status_code == 200, answer.text
    assert answer.json()["externalId"] == name


async def test_a_body_cut_at_any_byte_is_refused(client, rows):
    """Row 67."""
    whole = json.dumps({"messages": [{"type": "event", "messageId": "m", "userId": "u", "event": "E\u00e9"}]}).encode()
    before = await rows()
    for end in range(len(whole)):
        answer = await client.post(BATCH, content=whole[:end], headers=JSON)
        assert answer.status_code == 400, whole[:end]
    assert await rows() == before


async def test_every_kind_of_bad_item_is_judged_alone(client, rows):
    """Rows 1, 2, 32, 36, 57, 60, 68: in a batch a bad item is a verdict, and stops nobody."""
    good = {"type": "account", "messageId": "good", "accountId": "a"}
    bad = {
        "nul_character": {**good, "messageId": "1", "accountId": "a\0"},
        "out_of_range": {**good, "messageId": "2", "traits": {"x": 2**63}},
        "too_deep": {**good, "messageId": "3", "traits": {"x": json.loads(nested(40))}},
        "limit_exceeded": {**good, "messageId": "4", "traits": {"x": "y" * 9000}},
        "unknown_type": {**good, "type": "company"},
        "unknown_field": {**good, "workspaceId": "w"},
        "blank_id": {**good, "accountId": " "},
        "timestamp_out_of_range": {**good, "timestamp": "1970-01-01T00:00:00Z"},
    }
    body = {"messages": [*bad.values(), good, 7, None, []]}

    answer = (await client.post(BATCH, json=body)).json()

    assert answer["accepted"] == 1
    assert answer["results"] == ["rejected"] * len(bad) + ["accepted"] + ["rejected"] * 3
    found = {fault["code"]: fault["indexes"] for fault in answer["faults"]}
    assert {code: found.get(code, [None])[0] for code in bad} == {code: index for index, code in enumerate(bad)}


async def test_five_hundred_bad_items_get_a_short_answer(client):
    """Row 68."""
    answer = await client.post(BATCH, json={"messages": [{"type": "account", "accountId": "\n", "x": "canary"}] * 500})

    assert answer.status_code == 202
    assert answer.json()["rejected"] == 500
    assert len(answer.content) < 16 * 1024
    assert "canary" not in answer.text


async def test_five_hundred_items_are_taken(client):
    """Row 69."""
    items = [{"type": "event", "messageId": f"m{n}", "userId": "u", "event": "E"} for n in range(500)]

    assert (await client.post(BATCH, json={"messages": items})).json()["accepted"] == 500


async def test_the_future_begins_a_day_from_now(client):
    """Row 55."""
    for hours, status in ((23, 202), (25, 422)):
        at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
        assert (await client.post(EVENTS, json={"event": "E", "userId": "u", "timestamp": at})).status_code == status


async def test_a_trait_may_change_its_type(client):
    """Row 71."""
    for value in ("text", {"a": 1}, 5, [1], None, True):
        answer = await client.post(ACCOUNTS, json={"externalId": "a", "traits": {"t": value}})
        assert answer.status_code == 200


async def test_a_tampered_or_shortened_cursor_is_refused(client):
    """Row 98."""
    for name in ("a", "b"):
        await client.post(ACCOUNTS, json={"externalId": name})
    cursor = (await client.get(ACCOUNTS, params={"limit": 1})).json()["nextCursor"]

    for changed in (cursor[:-1], cursor[1:], cursor[:20], cursor[:-4] + "AAAA", cursor * 2):
        answer = await client.get(ACCOUNTS, params={"limit": 1, "cursor": changed})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    elsewhere = await client.get("/api/v1/users", params={"limit": 1, "cursor": cursor})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (400, "invalid_cursor")
