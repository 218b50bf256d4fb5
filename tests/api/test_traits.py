"""Traits through the API: declared, seen, in conflict; custom ones; edited; as they were."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import trait_history
from app.services import trait_definitions

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAN = {
    "label": "Plan",
    "type": "select",
    "options": [{"value": "pro", "label": "Professional"}, {"value": "free", "label": "Free"}],
}


@pytest.fixture(autouse=True)
def _noon(clock):
    clock.at = NOW


@pytest.fixture
def tell(client, drain):
    async def send(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text
        await drain()
        return answer.json()

    return send


def about(account, hours_ago=0.0, **traits):
    at = (NOW - timedelta(hours=hours_ago)).isoformat()
    return {"type": "account", "accountId": account, "timestamp": at, "traits": traits}


async def traits_of(client, path="accounts/acme", **params):
    answer = await client.get(f"/api/v1/{path}/traits", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["traits"]


async def edit(client, path="accounts/acme", **traits):
    return await client.patch(f"/api/v1/{path}/traits", json={"traits": traits})


class TestDeclared:
    async def test_the_types_of_values_are_detected(self, client, tell):
        await tell(
            about(
                "acme",
                seats=5,
                plan="pro",
                site="https://acme.test",
                mail="a@acme.test",
                day="2026-01-31",
                at="2026-01-31T09:00:00Z",
                on=True,
                tags=["a", "b"],
                address={"city": "Oslo"},
                note="x" * 300,
            )
        )

        found = (await client.get("/api/v1/traits/accounts")).json()["data"]

        assert {one["key"]: one["seen"]["type"] for one in found} == {
            "seats": "number",
            "plan": "text",
            "site": "url",
            "mail": "email",
            "day": "date",
            "at": "datetime",
            "on": "boolean",
            "tags": "multiSelect",
            "address": None,
            "note": "longText",
        }
        assert all(one["declared"] is None for one in found)

    async def test_a_declaration_stands_beside_what_is_seen_and_refuses_no_data(self, client, tell):
        await client.put("/api/v1/traits/accounts/plan", json=PLAN)
        told = await tell(about("acme", plan="pro"), about("globex", plan="gold"), about("initech", seats=4))

        found = (await client.get("/api/v1/traits/accounts/plan")).json()
        disagreeing = (await client.get("/api/v1/traits/accounts/plan/conflicts")).json()

        assert told["accepted"] == 3
        assert (found["label"], found["declared"]["type"], found["seen"]["type"]) == ("Plan", "select", "text")
        assert found["declared"]["options"] == PLAN["options"]
        assert found["agreement"] == {"lookedAt": 3, "records": 2, "conflicts": 1}
        assert found["seen"]["conflicts"] == 1
        assert [(one["externalId"], one["value"]) for one in disagreeing["data"]] == [("globex", "gold")]
        assert disagreeing["data"][0]["saidAt"] == "2026-06-01T12:00:00Z"

    @pytest.mark.parametrize(
        ("type_", "good", "bad"),
        [
            ("text", ["a", 5, True], [[], {}]),
            ("longText", ["a"], [{"a": 1}]),
            ("number", [1, "2.5", -3.5], ["many", True]),
            ("currency", [99.9], ["9 EUR"]),
            ("date", ["2026-01-31"], ["31.1.2026", 5, "2026-02-30"]),
            ("datetime", ["2026-01-31T10:00:00Z"], ["soon"]),
            ("boolean", [True, "false"], [0, "yes"]),
            ("select", ["pro"], ["gold", ["pro"], {}]),
            ("multiSelect", [["pro", "free"], "pro", []], [["pro", "gold"], [["pro"]]]),
            ("email", ["a@acme.test"], ["a@acme", "acme.test", 5]),
            ("url", ["https://acme.test/x", "HTTP://acme.test"], ["acme.test", "ftp://acme.test"]),
        ],
    )
    async def test_every_type_reads_some_values_and_not_others(self, client, tell, type_, good, bad):
        body = {"label": "X", "type": type_, "options": PLAN["options"] if "elect" in type_ else []}
        assert (await client.put("/api/v1/traits/accounts/x", json=body)).status_code == 200
        await tell(*(about(f"account-{n}", x=value) for n, value in enumerate([*good, *bad])))

        found = (await client.get("/api/v1/traits/accounts/x/conflicts")).json()
        edits = [(await edit(client, "accounts/account-0", x=value)).status_code for value in [*good, *bad]]

        assert sorted(repr(one["value"]) for one in found["data"]) == sorted(map(repr, bad))
        assert edits == [200] * len(good) + [422] * len(bad)

    async def test_keys_may_hold_dots_slashes_and_odd_characters(self, client, tell):
        key, encoded = "stripe.plan/ö %?", "stripe.plan%2F%C3%B6%20%25%3F"
        await tell({**about("acme"), "traits": {key: "pro"}})

        put = await client.put(f"/api/v1/traits/accounts/{encoded}", json=PLAN)
        history = await client.get(f"/api/v1/accounts/acme/traits/{encoded}/history")

        assert (put.status_code, put.json()["key"]) == (200, key)
        assert [one["value"] for one in history.json()["data"]] == ["pro"]
        assert (await client.delete(f"/api/v1/traits/accounts/{encoded}")).status_code == 204
        assert (await client.get(f"/api/v1/traits/accounts/{encoded}")).json()["declared"] is None

    async def test_lists_are_searched_and_paged(self, client, tell):
        await client.put("/api/v1/traits/users/seats", json={"label": "Plätze", "type": "number"})
        await tell({"type": "user", "userId": "u", "traits": {"a": 1, "b": 2, "Seats left": 3}})

        pages, cursor = [], None
        while cursor is not None or not pages:
            params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            found = (await client.get("/api/v1/traits/users", params=params)).json()
            pages.append([one["key"] for one in found["data"]])
            cursor = found["nextCursor"]
        by_label = (await client.get("/api/v1/traits/users", params={"search": "plätze"})).json()["data"]

        assert pages == [["Seats left", "a", "b"], ["seats"]]
        assert [one["key"] for one in by_label] == ["seats"]

    @pytest.mark.parametrize(
        "body",
        [
            {"label": "X", "type": "select"},
            {"label": "X", "type": "number", "options": PLAN["options"]},
            {"label": "X", "type": "select", "options": [PLAN["options"][0]] * 2},
            {"label": "X", "type": "formula"},
            {"label": " ", "type": "text"},
        ],
    )
    async def test_what_cannot_be_declared(self, client, body):
        assert (await client.put("/api/v1/traits/accounts/x", json=body)).status_code == 422

    async def test_what_is_not_there(self, client):
        assert (await client.get("/api/v1/traits/accounts/x")).json()["code"] == "unknown_trait"
        assert (await client.get("/api/v1/traits/accounts/x/conflicts")).status_code == 404
        assert (await client.delete("/api/v1/traits/accounts/x")).status_code == 404
        assert (await client.get("/api/v1/traits/tickets")).status_code == 404

    async def test_there_is_an_end_to_declaring(self, client, monkeypatch):
        monkeypatch.setattr(trait_definitions, "MOST_DEFINITIONS", 1)
        await client.put("/api/v1/traits/accounts/plan", json=PLAN)

        again = await client.put("/api/v1/traits/accounts/plan", json=PLAN)
        more = await client.put("/api/v1/traits/accounts/other", json=PLAN)

        assert (again.status_code, more.status_code, more.json()["code"]) == (200, 422, "too_many_definitions")


class TestCustom:
    async def test_the_key_follows_from_the_label(self, client):
        made = await client.post("/api/v1/traits/accounts", json={"label": "Next steps, 2nd try", "type": "text"})
        again = await client.post("/api/v1/traits/accounts", json={"label": "next Steps 2nd Try", "type": "text"})
        nameless = await client.post("/api/v1/traits/accounts", json={"label": "…", "type": "text"})
        elsewhere = await client.put("/api/v1/traits/accounts/custom.new", json={"label": "New", "type": "text"})

        assert (made.status_code, made.json()["key"]) == (201, "custom.nextSteps2ndTry")
        assert made.json()["custom"] is True
        assert made.json()["declared"]["editableBy"] == "all_but_observers"
        assert (again.status_code, again.json()["code"]) == (409, "trait_exists")
        assert nameless.status_code == 422
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "unknown_trait")

    async def test_what_is_sent_from_outside_is_ignored_and_says_so(self, client, tell):
        await client.post("/api/v1/traits/accounts", json={"label": "Next", "type": "text"})
        await tell(about("acme", plan="pro"))
        await edit(client, **{"custom.next": "call them"})

        told = await tell(
            {**about("acme"), "traits": {"custom.next": "theirs", "seats": 4}},
            {"type": "user", "userId": "u", "traits": {"custom.x": 1}},
            {"type": "organization", "organizationId": "o", "traits": {"custom.x": 1}},
        )

        assert told["accepted"] == 3
        assert [(one["code"], one["status"], one["indexes"]) for one in told["faults"]] == [
            ("custom_traits_ignored", "accepted", [0, 1, 2])
        ]
        assert await traits_of(client) == {"plan": "pro", "seats": 4, "custom.next": "call them"}
        assert await traits_of(client, "users/u") == await traits_of(client, "organizations/o") == {}

    async def test_one_that_was_not_made_cannot_be_edited(self, client, tell):
        await tell(about("acme", plan="pro"))

        refused = await edit(client, **{"custom.next": "x"})

        assert (refused.status_code, refused.json()["code"]) == (422, "unusable_value")
        assert refused.json()["context"]["key"] == "custom.next"


class TestEditing:
    async def test_an_edit_is_stored_shown_and_evaluated(self, client, tell, drain):
        await tell(about("acme", 1, plan="pro", mrr=10, gone=1))

        edited = await edit(client, mrr=250, gone=None, fresh=[1])
        await drain()

        assert edited.json()["traits"] == {"plan": "pro", "mrr": 250, "fresh": [1]}
        assert (await client.get("/api/v1/accounts/acme")).json()["mrr"] == 250
        lines = (await client.get("/api/v1/accounts/acme/traits/mrr/history")).json()["data"]
        assert [(one["value"], one["source"][:4]) for one in lines] == [(250, "key_"), (10, "data")]

    @pytest.mark.parametrize(
        ("kind", "path"), [("user", "users/one"), ("organization", "organizations/one"), ("account", "accounts/one")]
    )
    async def test_every_subject_is_edited_alike(self, client, tell, kind, path):
        await tell({"type": kind, f"{kind}Id": "one", "traits": {"name": "One"}})

        edited = await edit(client, path, name="Two", plan="pro")
        history = await client.get(f"/api/v1/{path}/traits/plan/history")

        assert edited.json()["traits"] == {"name": "Two", "plan": "pro"}
        assert len(history.json()["data"]) == 1
        assert (await client.get(f"/api/v1/{path}")).json()["name"] == "Two"

    async def test_the_last_writer_wins_whoever_it_is(self, client, tell):
        await tell(about("acme", 1, plan="old", ahead=1), about("acme", -5, ahead=2))
        await edit(client, plan="edited", ahead=3)
        after_the_edit = await traits_of(client)
        await tell(about("acme", 0.5, plan="late"), about("acme", -1, plan="new"))

        assert after_the_edit == {"plan": "edited", "ahead": 3}
        assert await traits_of(client) == {"plan": "new", "ahead": 3}

    async def test_a_fault_stops_the_whole_edit(self, client, tell):
        await client.put("/api/v1/traits/accounts/seats", json={"label": "Seats", "type": "number"})
        await tell(about("acme", plan="pro"))

        refused = await edit(client, plan="free", seats="many")

        assert (refused.status_code, refused.json()["code"]) == (422, "unusable_value")
        assert refused.json()["context"] == {"key": "seats", "type": "number"}
        assert await traits_of(client) == {"plan": "pro"}

    async def test_a_mapped_owner_may_be_edited(self, client, tell, drain):
        await client.put("/api/v1/trait-map", json={"owner": "boss"})
        await tell({"type": "user", "userId": "u", "accountId": "acme"})

        await edit(client, boss="u")
        await drain()

        assert (await client.get("/api/v1/accounts/acme/owner")).json()["owner"]["externalId"] == "u"

    async def test_who_was_deleted_is_not_named_again(self, client, tell, drain):
        await client.put("/api/v1/trait-map", json={"owner": "boss"})
        await tell({"type": "user", "userId": "u", "accountId": "acme"}, about("acme", 1, boss="u"))
        await client.delete("/api/v1/users/u")
        await drain()

        refused = await edit(client, boss="u")
        lines = (await client.get("/api/v1/accounts/acme/traits/boss/history")).json()["data"]

        assert (refused.status_code, refused.json()["code"]) == (409, "suppressed")
        assert [one["value"] for one in lines] == [None]
        assert await traits_of(client, asOf="2026-06-01T12:00:00Z") == {}

    async def test_what_is_declared_to_be_edited_by_nobody(self, client, tell):
        body = {"label": "Plan", "type": "text", "editableBy": "nobody"}
        await client.put("/api/v1/traits/accounts/plan", json=body)
        await tell(about("acme", plan="pro"))

        refused = await edit(client, plan="free")

        assert (refused.status_code, refused.json()["code"]) == (403, "trait_not_editable")

    @pytest.mark.parametrize("body", [{}, {"traits": {}}, {"traits": [1]}, {"traits": {"": 1}}, {"traits": {" ": 1}}])
    async def test_edits_that_say_nothing_usable(self, client, tell, body):
        await tell(about("acme", plan="pro"))
        assert (await client.patch("/api/v1/accounts/acme/traits", json=body)).status_code == 422

    async def test_members_edit_what_the_declaration_lets_them(self, client, tell, as_member):
        for key, who in (("open", "all_but_observers"), ("led", "admins_and_leaders")):
            await client.put(f"/api/v1/traits/accounts/{key}", json={"label": key, "type": "text", "editableBy": who})
        await tell(about("acme", 1, plan="pro"))

        statuses = {}
        for role in ("admin", "leader", "team_member", "observer"):
            member = await as_member(role)
            keys = ("open", "led", "undeclared")
            statuses[role] = [(await edit(member, **{key: role})).status_code for key in keys]
        source = (await client.get("/api/v1/accounts/acme/traits/open/history")).json()["data"][0]["source"]

        assert statuses == {
            "admin": [200, 200, 200],
            "leader": [200, 200, 200],
            "team_member": [200, 403, 403],
            "observer": [403, 403, 403],
        }
        assert source.startswith("mem_")

    async def test_readers_do_not_edit(self, make_client, workspace):
        reader = await make_client(workspace, "read", "ingest")

        assert (await edit(reader, plan="x")).status_code == 403
        assert (await reader.post("/api/v1/traits/accounts", json={"label": "A", "type": "text"})).status_code == 403


class TestHistory:
    async def test_traits_as_they_were(self, client, tell):
        await tell(about("acme", 3, plan="free", seats=1), about("acme", 2, plan="pro"), about("acme", 1, plan=None))
        await tell(about("acme", 2.5, plan="late"))

        then = [
            await traits_of(client, asOf=(NOW - timedelta(hours=hours)).isoformat())
            for hours in (3.1, 3, 2.5, 2, 1.5, 1, 0)
        ]

        assert [one.get("plan") for one in then] == [None, "free", "late", "pro", "pro", None, None]
        assert [one.get("seats") for one in then] == [None, 1, 1, 1, 1, 1, 1]
        lines = (await client.get("/api/v1/accounts/acme/traits/plan/history", params={"limit": 3})).json()
        rest = (
            await client.get(
                "/api/v1/accounts/acme/traits/plan/history", params={"limit": 3, "cursor": lines["nextCursor"]}
            )
        ).json()
        assert [one["value"] for one in [*lines["data"], *rest["data"]]] == [None, "pro", "late", "free"]
        assert not rest["hasMore"]

    async def test_values_from_before_history_was_kept_are_known_as_far_as_they_stand(
        self, client, tell, database, workspace
    ):
        await tell(about("acme", 3, plan="free"), about("acme", 1, plan="pro"))
        async with database.transaction(workspace) as db:
            await db.execute(text("delete from trait_history"))

        assert await traits_of(client, asOf="2026-06-01T11:30:00Z") == {"plan": "pro"}
        assert await traits_of(client, asOf="2026-06-01T10:30:00Z") == {}
        lines = (await client.get("/api/v1/accounts/acme/traits/plan/history")).json()["data"]
        assert [(one["at"], one["value"], one["source"]) for one in lines] == [("2026-06-01T11:00:00Z", "pro", None)]

    async def test_runs_of_a_value_are_thinned_to_their_ends(self, tell, database, workspace, client):
        days = [("a", 9), ("a", 8), ("a", 7), ("a", 6), ("b", 5), ("a", 4), ("a", 3)]
        await tell(*(about("acme", 24 * ago, plan=value, moving=ago) for value, ago in days))
        moments = [(NOW - timedelta(hours=12 * n)).isoformat() for n in range(22)]
        before = [await traits_of(client, asOf=at) for at in moments]

        async def sweep(**given):
            async with database.pump_transaction() as db:
                beyond = await trait_history.pages(db)
                return await trait_history.thin(db, first=0, beyond=beyond, **given)

        long_ago = NOW - timedelta(days=4000)
        too_early = await sweep(oldest=long_ago, now=NOW + timedelta(hours=1))
        await sweep(oldest=long_ago, now=NOW + timedelta(days=2))
        lines = (await client.get("/api/v1/accounts/acme/traits/plan/history")).json()["data"]
        after = [await traits_of(client, asOf=at) for at in moments]

        assert too_early == 0
        assert [one["value"] for one in lines] == ["a", "a", "b", "a", "a"]
        assert after == before

    async def test_history_ends_where_the_installation_says(self, tell, database, workspace, client):
        await tell(about("acme", 72, plan="a", gone=1), about("acme", 48, plan="b"), about("acme", 1, plan="c"))
        async with database.pump_transaction() as db:
            beyond = await trait_history.pages(db)
            await trait_history.thin(db, first=0, beyond=beyond, oldest=NOW - timedelta(hours=24), now=NOW)

        then = [await traits_of(client, asOf=(NOW - timedelta(hours=h)).isoformat()) for h in (60, 24, 2, 0)]

        assert [one.get("plan") for one in then] == [None, "b", "b", "c"]
        assert {one.get("gone") for one in then} == {1}

    async def test_nothing_is_kept_where_history_is_off(self, database, workspace):
        from app.domain.memory import Memory
        from app.domain.messages import AccountMessage, Envelope, OrganizationMessage
        from app.services import ingest

        said = (AccountMessage(NOW, "acme", {"plan": "pro"}), OrganizationMessage(NOW, "group", {"plan": "pro"}))
        async with database.transaction(workspace) as db:
            memory = Memory(keeps_history=False)
            await ingest.record(db, workspace, [Envelope(said, None, 0)], memory, now=NOW)
            assert await db.scalar(text("select count(*) from trait_history")) == 0

    async def test_deleting_an_account_or_user_takes_its_history_along(self, client, tell, drain, database, workspace):
        await tell(about("acme", plan="pro"), {"type": "user", "userId": "u", "traits": {"plan": "pro"}})
        await client.delete("/api/v1/accounts/acme")
        await client.delete("/api/v1/users/u")
        await drain()

        async with database.transaction(workspace) as db:
            assert await db.scalar(text("select count(*) from trait_history")) == 0

    async def test_an_unknown_record(self, client):
        for path in ("accounts/x/traits", "users/x/traits", "organizations/x/traits", "accounts/x/traits/y/history"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 404


def requests_of(document):
    """Every `api METHOD PATH [BODY]` of the shell examples, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    words = [shlex.split(block[block.index("\napi ") :] if "curl" in block else block) for block in blocks]
    starts = [(some, n) for some in words for n, word in enumerate(some) if word == "api"]
    for some, n in starts:
        body = some[n + 3] if len(some) > n + 3 and some[n + 3] != "api" else None
        yield some[n + 1], some[n + 2], body


async def test_the_examples_of_the_documentation_work(client, drain, clock):
    clock.at = None
    told = list(requests_of(Path(__file__).parents[2] / "docs" / "traits.md"))
    for method, path, body in told:
        content = None if body is None else json.loads(body)
        answer = await client.request(method, f"/api/v1{path}", json=content)
        assert answer.status_code < 300, (method, path, answer.text)
        await drain()

    assert len(told) > 10
    assert answer.json()["source"] == "traits.contract.endsOn"
