"""Reports through the API: columns, filters, order, pages, counts, and cursors that open nowhere else."""

from datetime import UTC, datetime, timedelta

import pytest

T0 = datetime(2026, 3, 1, 9, 0, 0, 123456, tzinfo=UTC)
PATH = "/api/v1/reports/accounts"


def wire(at):
    return at.isoformat().replace("+00:00", "Z")


@pytest.fixture(autouse=True)
def present(clock):
    clock.at = T0 + timedelta(hours=1)


@pytest.fixture
async def tell(client, drain):
    async def send(*messages):
        answer = await client.post("/api/v1/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text
        await drain()

    return send


@pytest.fixture
def report(client):
    async def ask(**body):
        answer = await client.post(PATH, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


async def test_the_story_of_the_seeds(client, tell, report):
    """Accounts above $100 MRR whose owner has been quiet for a week, with the owner's columns."""
    await client.put("/api/v1/trait-map", json={"owner": "ownerId"})
    dana = (await client.post("/api/v1/members", json={"email": "dana@example.com", "name": "Dana"})).json()
    for account, mrr, days in (("quiet", 250, 8), ("busy", 250, 2), ("small", 50, 30)):
        seen = T0 - timedelta(days=days)
        await tell(
            {"type": "account", "accountId": account, "traits": {"ownerId": f"u-{account}", "mrr": mrr, "plan": "pro"}},
            {
                "type": "user",
                "userId": f"u-{account}",
                "accountId": account,
                "traits": {"email": f"{account}@x.example", "createdAt": "2025-12-24T18:00:00Z"},
            },
            {
                "type": "event",
                "event": "Login",
                "userId": f"u-{account}",
                "accountId": account,
                "timestamp": wire(seen),
            },
        )
    await client.put("/api/v1/accounts/quiet/key-roles/csm", json={"member": dana["id"]})

    found = await report(
        columns=["mrr", "csm", "owner.email", "owner.joinedAt", "owner.lastSeenAt", "owner.sessions", "traits.plan"],
        filter={
            "all": [
                {"field": "mrr", "op": "greaterThan", "value": 100},
                {"field": "owner.lastSeenAt", "op": "moreThanDaysAgo", "value": 7},
            ]
        },
        count=True,
    )

    (row,) = found["data"]
    assert row.pop("id").startswith("acc_")
    assert row == {
        "externalId": "quiet",
        "mrr": 250,
        "csm": {"id": dana["id"], "name": "Dana", "email": "dana@example.com"},
        "owner.email": "quiet@x.example",
        "owner.joinedAt": "2025-12-24T18:00:00Z",
        "owner.lastSeenAt": wire(T0 - timedelta(days=8)),
        "owner.sessions": 1,
        "traits.plan": "pro",
    }
    assert (found["nextCursor"], found["hasMore"], found["count"], found["countCapped"]) == (None, False, 1, False)
    by_csm = await report(columns=[], filter={"field": "csm", "op": "is", "value": dana["id"]})
    assert [row["externalId"] for row in by_csm["data"]] == ["quiet"]


@pytest.fixture
async def ten(tell):
    await tell(
        *({"type": "account", "accountId": f"a{ix}", "traits": {"mrr": ix // 3} if ix % 4 else {}} for ix in range(10))
    )


async def test_pages_follow_one_another(ten, report):
    asked = {"columns": ["mrr"], "sort": [{"field": "mrr", "direction": "desc"}], "limit": 3}
    page, seen = await report(**asked), []
    while True:
        seen += page["data"]
        assert page["count"] is None
        if not page["hasMore"]:
            break
        page = await report(**asked, cursor=page["nextCursor"])

    assert sorted(row["externalId"] for row in seen) == [f"a{ix}" for ix in range(10)]
    assert [row["mrr"] for row in seen] == [3, 2, 2, 1, 1, 0, 0, None, None, None]


async def test_time_stands_still_while_paging(tell, report, clock):
    for ix in range(4):
        await tell(
            {"type": "event", "event": "Login", "userId": "u", "accountId": f"a{ix}", "timestamp": wire(T0)},
        )
    asked = {"filter": {"field": "lastSeenAt", "op": "lessThanDaysAgo", "value": 1}, "limit": 2, "count": True}
    first = await report(**asked)
    clock.at = T0 + timedelta(days=2)

    second = await report(**asked, cursor=first["nextCursor"])

    assert (len(first["data"]), len(second["data"]), second["count"]) == (2, 2, 4)
    assert (await report(**asked))["data"] == []


async def test_a_cursor_opens_only_its_own_report(ten, report, client, make_client, other_workspace):
    sort = [{"field": "mrr"}]
    cursor = (await report(limit=2, sort=sort))["nextCursor"]
    stranger = await make_client(other_workspace)

    others = [
        await client.post(PATH, json={"limit": 2, "cursor": cursor}),
        await client.post(PATH, json={"limit": 2, "cursor": cursor, "sort": [{"field": "mrr", "direction": "desc"}]}),
        await client.post(PATH, json={"cursor": cursor, "sort": sort, "filter": {"field": "mrr", "op": "isSet"}}),
        await client.post(PATH, json={"cursor": cursor[:-2] + "AA", "sort": sort}),
        await client.post(PATH, json={"cursor": "x", "sort": sort}),
        await stranger.post(PATH, json={"limit": 2, "cursor": cursor, "sort": sort}),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in others} == {(400, "invalid_cursor")}
    kept = await client.post(PATH, json={"limit": 5, "cursor": cursor, "sort": sort, "columns": ["name"]})
    assert kept.status_code == 200, "limit and columns may change from page to page"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"columns": ["nope"]}, "invalid_report", "#/columns/0"),
        ({"sort": [{"field": "nope"}]}, "invalid_report", "#/sort/0/field"),
        ({"sort": [{"field": "mrr"}, {"field": "mrr"}]}, "invalid_report", "#/sort"),
        ({"sort": [{"field": "mrr", "type": "text"}]}, "invalid_report", "#/sort/0/type"),
        ({"filter": {"field": "mrr", "op": "is", "value": "x"}}, "invalid_filter", "#/filter/value"),
        ({"filter": {"all": [{"field": "nope", "op": "is"}]}}, "invalid_filter", "#/filter/all/0/field"),
        ({"filter": []}, "invalid_request", "#/filter"),
        ({"limit": 0}, "invalid_request", "#/limit"),
        ({"limit": 201}, "invalid_request", "#/limit"),
        ({"asOf": "0001-01-01T00:00:00Z"}, "invalid_report", "#/asOf"),
        ({"updatedAfter": "9999-12-31T23:59:59.999999Z"}, "invalid_report", "#/updatedAfter"),
        ({"columns": ["id"] * 51}, "invalid_request", "#/columns"),
        ({"sort": [{"field": "mrr", "direction": "up"}]}, "invalid_request", "#/sort/0/direction"),
        ({"unknown": 1}, "unknown_field", "#/unknown"),
    ],
)
async def test_what_cannot_be_asked_is_pointed_at(client, body, code, pointer):
    answer = await client.post(PATH, json=body)

    assert answer.status_code == 422, answer.text
    assert (answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (code, pointer)


async def test_odd_but_legal_questions_are_answered(tell, report):
    awkward = {"a": "'; drop table accounts; --", "b": {"deep": [1]}, "c": "%_\\", "ключ": "é"}
    await tell({"type": "account", "accountId": "acme", "traits": awkward})

    for field, op, value in (
        ("traits.a", "is", awkward["a"]),
        ("traits.b", "isSet", None),
        ("traits.c", "contains", "_\\"),
        ("traits.ключ", "is", "É"),
        ("traits.no such '\" key", "isNotSet", None),
    ):
        condition = {"field": field, "op": op} | ({"value": value} if value else {})
        found = await report(columns=[field], filter=condition, sort=[{"field": field}])
        assert [row["externalId"] for row in found["data"]] == ["acme"], field


async def test_facts_list_the_catalogue_and_the_traits_seen(client, tell):
    await tell(
        {"type": "account", "accountId": "a", "traits": {"plan": "pro", "seats": 5, "renewsAt": "2026-05-01"}},
        {"type": "account", "accountId": "b", "traits": {"plan": 7}},
    )

    found = {fact["path"]: fact for fact in (await client.get("/api/v1/facts")).json()["data"]}

    assert found["owner.lastSeenAt"]["label"] == "Owner: Last seen"
    assert found["owner.lastSeenAt"]["type"] == "datetime"
    assert "moreThanDaysAgo" in found["owner.lastSeenAt"]["operators"]
    assert found["status"]["options"] == ["subscribed", "trial", "churned", "ignored"]
    assert found["traits.plan"]["observed"] == ["number", "text"]
    assert found["traits.seats"]["observed"] == ["number"]
    assert found["traits.renewsAt"]["observed"] == ["datetime"]
    assert next(path for path in found if path.startswith("traits.")) == "traits.plan", "the most common first"


async def test_the_longest_place_fits_into_a_cursor(tell, report):
    """Three keys of the most expensive characters."""
    traits = dict.fromkeys(("a", "b", "c"), "😀" * 500)
    await tell(*({"type": "account", "accountId": f"a{ix}", "traits": traits} for ix in range(2)))
    asked = {"columns": [], "sort": [{"field": f"traits.{key}"} for key in traits], "limit": 1}

    first = await report(**asked)
    second = await report(**asked, cursor=first["nextCursor"])

    assert [row["externalId"] for row in first["data"] + second["data"]] == ["a0", "a1"]


async def test_numbers_keep_their_kind(tell, report):
    for account, mrr in (("int", 250), ("cents", 99.95), ("text", " 12.50 "), ("vast", "9" * 30), ("none", "much")):
        await tell({"type": "account", "accountId": account, "traits": {"mrr": mrr}})

    found = await report(columns=["mrr"], sort=[{"field": "mrr", "direction": "asc"}])

    assert [(row["externalId"], row["mrr"]) for row in found["data"]] == [
        ("text", 12.5),
        ("cents", 99.95),
        ("int", 250),
        ("vast", int("9" * 30)),
        ("none", None),
    ]


async def test_what_changed_is_followed_without_gaps(tell, report, clock):
    for ix in range(5):
        clock.at = T0 + timedelta(hours=ix)
        await tell({"type": "account", "accountId": f"a{ix}", "traits": {"n": ix}})
    since = T0 + timedelta(hours=1, minutes=30)

    first = await report(updatedAfter=wire(since), columns=["updatedAt"], limit=2)
    clock.at = T0 + timedelta(hours=9)
    await tell({"type": "account", "accountId": "a2", "traits": {"n": 9}})
    rest = await report(updatedAfter=wire(since), columns=["updatedAt"], limit=2, cursor=first["nextCursor"])

    assert [row["externalId"] for row in first["data"]] == ["a2", "a3"]
    assert [row["externalId"] for row in rest["data"]] == ["a4", "a2"], "what changed meanwhile is met again"
    assert first["syncFrom"] == rest["syncFrom"] == wire(T0 + timedelta(hours=4) - timedelta(minutes=5))
    assert (await report(updatedAfter=wire(clock.at)))["data"] == []
    assert (await report())["syncFrom"] is None


@pytest.mark.parametrize("subject", ["users", "organizations"])
async def test_users_and_organizations_are_reported_alike(client, tell, subject):
    await tell(
        *(
            {"type": "user", "userId": f"u{ix}", "organizationId": f"o{ix}", "traits": {"name": f"N{ix}", "n": ix}}
            for ix in range(3)
        )
    )
    body = {"columns": ["externalId", "status", "traits.n"], "sort": [{"field": "createdAt", "direction": "desc"}]}

    answer = await client.post(f"/api/v1/reports/{subject}", json={**body, "limit": 2, "count": True})
    second = await client.post(
        f"/api/v1/reports/{subject}", json={**body, "cursor": answer.json()["nextCursor"], "limit": 2}
    )

    assert answer.status_code == 200, answer.text
    letter, prefix = subject[0], {"users": "usr_", "organizations": "org_"}[subject]
    rows = answer.json()["data"] + second.json()["data"]
    assert [row["externalId"] for row in rows] == [f"{letter}2", f"{letter}1", f"{letter}0"]
    assert all(row["id"].startswith(prefix) for row in rows)
    assert (answer.json()["count"], rows[0]["status"]) == (3, "active" if subject == "users" else "subscribed")


async def test_there_are_no_reports_on_anything_else(client):
    for path, body in (("planets", {}), ("planets/summary", {}), ("planets/export", {})):
        answer = await client.post(f"/api/v1/reports/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_report")


async def test_a_key_has_no_accounts_of_its_own(client):
    answer = await client.post(PATH, json={"scope": "mine"})

    assert (answer.status_code, answer.json()["code"]) == (422, "needs_member")


@pytest.fixture
def query(client):
    async def get(subject="accounts", **params):
        answer = await client.get(f"/api/v1/reports/{subject}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return get


async def test_a_report_fits_into_an_address(ten, query, report):
    body = {
        "columns": ["name", "mrr", "traits.mrr"],
        "filter": {"field": "mrr", "op": "atLeast", "value": 1},
        "sort": [
            {"field": "traits.mrr", "direction": "desc", "type": "number"},
            {"field": "externalId", "direction": "asc"},
        ],
        "limit": 3,
        "count": True,
    }
    params = {
        "columns": "name, mrr,traits.mrr",
        "filter": "mrr >= 1",
        "sort": "-traits.mrr:number,externalId",
        "limit": 3,
        "count": "true",
    }
    asked, written = await report(**body), await query(**params)

    assert written == asked
    assert [row["mrr"] for row in written["data"]] == [3, 2, 2]
    rest = await report(**body, cursor=written["nextCursor"])
    assert rest == await query(**params, cursor=asked["nextCursor"]), "one cursor opens both"


async def test_a_path_with_a_comma_stands_in_quotation_marks(tell, query):
    await tell({"type": "account", "accountId": "a", "traits": {"x,y": 1}})

    found = await query(columns='"traits.x,y",name')

    assert found["data"][0]["traits.x,y"] == 1


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"filter": "mrr >"}, "invalid_filter"),
        ({"filter": "nope = 1"}, "invalid_filter"),
        ({"columns": "nope"}, "invalid_report"),
        ({"columns": '"nope'}, "invalid_report"),
        ({"sort": "-nope"}, "invalid_report"),
        ({"sort": "mrr:text"}, "invalid_report"),
        ({"sort": "a,b,c,d"}, "invalid_request"),
        ({"scope": "ours"}, "invalid_request"),
        ({"asOf": "yesterday"}, "invalid_request"),
        ({"view": "acme"}, "invalid_request"),
        ({"limit": "0"}, "invalid_request"),
    ],
)
async def test_what_an_address_cannot_ask_is_refused(client, params, code):
    answer = await client.get(PATH, params=params)

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_a_number_of_any_size_may_be_asked_for(client):
    condition = {"field": "mrr", "op": "greaterThan", "value": 10**25}
    answer = await client.post("/api/v1/reports/accounts", json={"filter": condition})
    assert answer.status_code in {200, 422}, answer.text
