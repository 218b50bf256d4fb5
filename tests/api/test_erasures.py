"""Deleting a user or an account leaves nothing of them anywhere, and keeps them from coming back."""

import json
from collections import Counter

import pytest
from sqlalchemy import text

from app.domain.erasures import HOLDINGS
from app.domain.models import Base
from tests.receivers import Receiver

USER, ACCOUNT = "zqcanary-user", "zqcanary-account"
PERSON = {"name": "Zqcanary Person", "email": "zqcanary@person.test", "phone": "zqcanary 555"}
COMPANY = {"name": "Zqcanary Company", "plan": "zqcanary plan"}

BYTES = """
select c.table_name, string_agg(format('encode(t.%I, ''escape'')', c.column_name), ' || ')
from information_schema.columns c
join pg_class r on r.relname = c.table_name and r.relkind = 'r' and r.relnamespace = 'public'::regnamespace
where c.table_schema = 'public' and c.data_type = 'bytea'
group by 1
"""
TABLES = """
select c.relname from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> 'alembic_version'
"""


async def traces(database, workspace, *needles):
    """Where in the whole database any of these texts stands: table -> rows. Other tests' workspaces do not count."""
    found = Counter()
    async with database.engine.connect() as db:
        raw = dict((await db.execute(text(BYTES))).all())
        for table in (await db.scalars(text(TABLES))).all():
            told = f"t::text || coalesce({raw[table]}, '')" if table in raw else "t::text"
            for needle in needles:
                query = text(
                    f"select count(*) from {table} t where strpos(lower({told}), lower(:needle)) > 0 "
                    "and coalesce(to_jsonb(t) ->> 'workspace_id', :workspace) = :workspace"
                )
                found[table] += await db.scalar(query, {"needle": needle, "workspace": str(workspace)})
    return +found


def at(minute):
    return f"2026-03-01T09:{minute:02}:00Z"


def event(user, account, minute, name="Login", **more):
    item = {"type": "event", "event": name, "userId": user, "accountId": account, "timestamp": at(minute)}
    return {name: value for name, value in (item | more).items() if value is not None}


@pytest.fixture
def say(client, drain):
    """Send messages and let them be evaluated; the answer."""

    async def send(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text
        await drain()
        return answer.json()

    return send


@pytest.fixture
async def hook():
    """A receiver that repeats in its answers what it is told."""
    async with Receiver() as hook:
        yield hook


@pytest.fixture
async def furnished(client, drain, say, hook):
    """A workspace in which a user, who owns an account, and an account have left traces wherever that is possible."""
    echo = json.dumps({**PERSON, **COMPANY, "ids": [USER, ACCOUNT]})
    async with Receiver() as broken:
        hook.answer(200, body=echo)
        broken.answer(500, body=echo)
        await client.put("/api/v1/trait-map", json={"owner": "ownerId"})
        for url in (hook.url, broken.url):
            await client.post("/api/v1/webhooks", json={"url": url})
        for field in ("owner.email", "owner", "name"):
            condition = {"field": field, "op": "isSet"}
            await client.post("/api/v1/indicators", json={"name": f"Has {field}", "kind": "risk", "filter": condition})
        await say(
            {"type": "user", "userId": "other", "accountId": "acme", "traits": {"name": "Other"}, "timestamp": at(0)},
            {"type": "user", "userId": USER, "accountId": "acme", "traits": PERSON, "timestamp": at(1)},
            {"type": "user", "userId": USER, "accountId": ACCOUNT, "timestamp": at(1)},
            {"type": "account", "accountId": "acme", "traits": {"ownerId": USER, "name": "Acme"}, "timestamp": at(2)},
            {"type": "account", "accountId": "pending", "traits": {"ownerId": USER}, "timestamp": at(2)},
            {"type": "account", "accountId": ACCOUNT, "traits": {**COMPANY, "ownerId": "nobody"}, "timestamp": at(2)},
            event(USER, "acme", 3, properties={"ip": "zqcanary ip"}),
            event(USER, ACCOUNT, 4, properties={"page": "zqcanary page"}),
            event(USER, None, 5, properties={"page": "zqcanary page"}),
            event(None, ACCOUNT, 6, properties={"page": "zqcanary page"}),
            event("other", "acme", 7),
        )
        await client.put("/api/v1/accounts/zqcanary-account/owner", json={"user": USER, "source": "manual"})
        await client.post(
            "/api/v1/batch",
            json={
                "messages": [
                    {
                        "type": "user",
                        "userId": USER,
                        "traits": {"a\u0000": "zqcanary refused"},
                        "messageId": "zq-refused",
                    },
                    {"type": "account", "accountId": ACCOUNT, "traits": 7},
                ]
            },
        )
        await drain()
        hook.answer(200)


@pytest.fixture
def erase(client, drain):
    async def run(path):
        answer = await client.delete(f"/api/v1/{path}")
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/api/v1/erasures/{answer.json()['id']}"
        await drain()
        found = (await client.get(answer.headers["location"])).json()
        assert found["state"] == "done", found
        return found

    return run


async def test_nothing_is_left_of_a_user_and_an_account(client, database, furnished, erase, workspace):
    before = await traces(database, workspace, "zqcanary")
    for table in ("users", "accounts", "events", "owner_claims", "owner_changes", "account_facts", "alerts"):
        assert before[table] or before[f"{table}_2026_03"], (table, before)
    for table in ("deliveries", "delivery_attempts", "rejected_messages"):
        assert before[table], (table, before)

    user = await erase(f"users/{USER}")
    account = await erase(f"accounts/{ACCOUNT}")

    assert await traces(database, workspace, "zqcanary") == {}
    assert user["counts"]["users"] == account["counts"]["accounts"] == 1
    assert user["counts"]["events"] == 3
    assert account["counts"]["events"] == 1
    assert user["finishedAt"] is not None


async def test_the_ids_of_ours_go_too(client, database, furnished, erase, workspace):
    user = (await client.get(f"/api/v1/users/{USER}")).json()["id"].partition("_")[2]
    account = (await client.get(f"/api/v1/accounts/{ACCOUNT}")).json()["id"].partition("_")[2]
    dashed = [f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}" for one in (user, account)]

    await erase(f"users/{USER}")
    await erase(f"accounts/{ACCOUNT}")

    left = await traces(database, workspace, user, account, *dashed)
    assert left.keys() <= {"account_changes"}, "for an hour: copies in memory learn from it that the account is gone"


def test_every_table_of_a_workspace_says_what_becomes_of_the_deleted():
    owned = {name for name, table in Base.metadata.tables.items() if "workspace_id" in table.c}
    assert HOLDINGS.keys() ^ (owned - {"key_secrets", "member_lookups"}) == set()


async def test_they_are_gone_at_once(client, furnished):
    """Before any worker has looked."""
    for path, kind in ((f"users/{USER}", "user"), (f"accounts/{ACCOUNT}", "account")):
        answer = await client.delete(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["kind"], answer.json()["state"]) == (202, kind, "waiting")
        assert (await client.get(f"/api/v1/{path}")).status_code == 404

    columns = ["externalId", "name", "owner", "owner.name", "owner.email"]
    for shown in (
        await client.get("/api/v1/users"),
        await client.get("/api/v1/accounts/acme"),
        await client.get("/api/v1/accounts/acme/users"),
        await client.get("/api/v1/accounts/acme/events"),
        await client.get("/api/v1/accounts/acme/owner"),
        await client.post("/api/v1/reports/accounts", json={"columns": columns}),
    ):
        assert shown.status_code == 200, shown.text
        assert USER not in shown.text
        assert "zqcanary@" not in shown.text
    listed = (await client.get("/api/v1/accounts")).json()["data"]
    assert [one["externalId"] for one in listed] == ["acme", "pending"]
    assert [one["owner"] for one in listed] == [None, None]


async def test_deleting_again_answers_with_the_same_deletion(client, furnished, erase):
    first = await erase(f"users/{USER}")
    again = await erase(f"users/{USER}")

    assert again == first
    assert (await client.delete("/api/v1/users/never-heard-of")).status_code == 404
    assert [one["id"] for one in (await client.get("/api/v1/erasures")).json()["data"]] == [first["id"]]


async def test_another_owner_takes_over_and_the_trait_stays_cleared(client, furnished, erase, say):
    await client.patch("/api/v1/workspace", json={"ownerDefaultPolicy": "first_user"})
    await erase(f"users/{USER}")

    account = (await client.get("/api/v1/accounts/acme")).json()
    assert account["traits"] == {"name": "Acme"}
    assert (account["owner"]["externalId"], account["users"]) == ("other", 1)
    pending = (await client.get("/api/v1/accounts/pending")).json()
    assert (pending["ownerState"], pending["traits"]) == ("none", {})

    late = {"type": "account", "accountId": "acme", "traits": {"ownerId": USER, "name": "Acme"}, "timestamp": at(2)}
    newer = {"type": "account", "accountId": "acme", "traits": {"ownerId": USER, "plan": "pro"}, "timestamp": at(30)}
    assert (await say(late, newer))["accepted"] == 2

    account = (await client.get("/api/v1/accounts/acme")).json()
    assert account["traits"] == {"name": "Acme", "plan": "pro"}
    assert account["owner"]["externalId"] == "other"


async def test_history_and_letters_stay_without_the_user(client, furnished, erase, hook):
    webhooks = (await client.get("/api/v1/webhooks")).json()["data"]

    async def letters():
        for one in webhooks:
            for row in (await client.get(f"/api/v1/webhooks/{one['id']}/deliveries")).json()["data"]:
                yield row["state"], (await client.get(f"/api/v1/deliveries/{row['id']}")).json()["body"]

    before = [letter async for letter in letters()]
    assert any(USER in body for _, body in before)
    assert {state for state, _ in before} == {"pending", "delivered"}

    await erase(f"users/{USER}")

    after = [letter async for letter in letters()]
    assert len(after) >= len(before)
    assert not any(USER in body for _, body in after)
    history = (await client.get("/api/v1/accounts/acme/owner/history")).json()["data"]
    assert [line["reason"] for line in history] == ["The owner was deleted.", "The user this was about was deleted."]


async def test_late_messages_are_dropped(client, furnished, erase, say, database, workspace):
    retry = {
        "type": "user",
        "userId": USER,
        "accountId": "acme",
        "traits": PERSON,
        "timestamp": at(1),
        "messageId": "r",
    }
    await say(retry)
    await erase(f"users/{USER}")
    await erase(f"accounts/{ACCOUNT}")

    answer = await say(
        retry,
        event(USER, "acme", 3),
        event(USER, None, 40, messageId="new"),
        {"type": "unlink", "userId": USER, "accountId": "acme"},
        {"type": "user", "userId": "other", "accountId": ACCOUNT},
        {"type": "account", "accountId": ACCOUNT, "traits": COMPANY},
        event("other", "acme", 41),
    )
    assert answer["results"] == ["suppressed"] * 6 + ["accepted"]
    assert answer["suppressed"] == 6
    for path, body in (
        ("users", {"externalId": USER, "traits": PERSON}),
        ("users", {"externalId": "other", "accounts": [ACCOUNT]}),
        ("accounts", {"externalId": ACCOUNT}),
        ("events", {"event": "Login", "userId": USER}),
    ):
        answer = await client.post(f"/api/v1/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "suppressed"), answer.text
    assert await traces(database, workspace, "zqcanary") == {}


async def test_a_suppression_can_be_lifted(client, furnished, erase, say):
    erasure = (await client.delete(f"/api/v1/users/{USER}")).json()
    lift = {"kind": "user", "externalId": USER}
    early = await client.request("DELETE", "/api/v1/suppressions", json=lift)
    assert (early.status_code, early.json()["code"]) == (409, "erasure_under_way")
    assert early.json()["context"] == {"erasure": erasure["id"]}
    await erase(f"users/{USER}")
    listed = (await client.get("/api/v1/suppressions")).json()["data"]
    assert [sorted(one) for one in listed] == [["createdAt", "kind"]]

    lifted = await client.request("DELETE", "/api/v1/suppressions", json=lift)
    assert lifted.status_code == 204, lifted.text
    assert (await say(event(USER, "acme", 50)))["accepted"] == 1
    assert (await client.get(f"/api/v1/users/{USER}")).json()["sessions"] == 1
    again = await client.request("DELETE", "/api/v1/suppressions", json=lift)
    assert (again.status_code, again.json()["code"]) == (404, "unknown_suppression")
    assert (await client.get("/api/v1/suppressions")).json()["data"] == []


async def test_other_workspaces_have_the_same_ids_untouched(client, make_client, other_workspace, furnished, erase):
    theirs = await make_client(other_workspace)
    await theirs.post("/api/v1/users", json={"externalId": USER, "accounts": [ACCOUNT], "traits": PERSON})

    await erase(f"users/{USER}")

    assert (await theirs.get(f"/api/v1/users/{USER}")).json()["traits"] == PERSON
    assert (await theirs.post("/api/v1/users", json={"externalId": USER})).status_code == 200
