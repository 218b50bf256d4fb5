"""Elements: defined, counted from what was sent before and after, shown, explained, filtered by, and retired."""

import pytest

from app.api.routing import PREFIX

API = PREFIX
INTEGRATIONS = {
    "name": "Integrations",
    "create": {"event": "Connected"},
    "update": {"event": "Synced"},
    "disable": {"event": "Removed"},
    "instanceProperty": "integrationId",
}
DASHBOARDS = {"name": "Dashboards", "create": {"event": "Dashboard Added"}, "disable": {"event": "Dashboard Deleted"}}


@pytest.fixture
def define(client):
    async def post(body, status=201):
        answer = await client.post(f"{API}/elements", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    return post


@pytest.fixture
def tell(client):
    """Send events: `await tell("acme", ("Connected", "crm", 3), …)`, each with an instance and days ago."""

    async def post(account, *events, organization=None):
        messages = [
            {
                "type": "event",
                "event": name,
                "timestamp": f"2026-05-{20 - days:02}T12:00:00Z",
                "properties": {} if instance is None else {"integrationId": instance, "kind": "crm"},
                **({"accountId": account} if account else {"organizationId": organization}),
            }
            for name, instance, days in events
        ]
        answer = await client.post(f"{API}/batch", json={"messages": messages})
        assert answer.json()["accepted"] == len(events), answer.text

    return post


@pytest.fixture
def have(client, drain):
    """What a record has, once all is evaluated: slug -> (count, first day, last day)."""

    async def get(ref, kind="accounts"):
        await drain()
        answer = (await client.get(f"{API}/{kind}/{ref}/elements")).json()
        assert answer["elementsUsed"] == sum(row["count"] > 0 for row in answer["data"])
        return {
            row["slug"]: (row["count"], *(row[key] and int(row[key][8:10]) for key in ("firstAt", "lastAt")))
            for row in answer["data"]
        }

    return get


async def names(client, path, **params):
    answer = await client.get(f"{API}/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return [row["instance"] for row in answer.json()["data"]]


async def test_instances_are_counted_from_what_comes_later(define, tell, have):
    await define(INTEGRATIONS)
    await tell("acme", ("Connected", "crm", 5), ("Connected", "mail", 4), ("Removed", "mail", 3), ("Synced", "crm", 1))

    assert await have("acme") == {"integrations": (1, 15, 19)}


async def test_instances_are_counted_from_what_came_before(define, tell, have):
    await tell("acme", ("Connected", "crm", 5), ("Connected", 7, 4), ("Removed", "7", 3), ("Synced", "crm", 1))
    await tell("globex", ("Other", "crm", 5))
    await have("acme")
    await define(INTEGRATIONS)

    assert await have("acme") == {"integrations": (1, 15, 19)}
    assert await have("globex") == {"integrations": (0, None, None)}


@pytest.mark.parametrize("later", [False, True])
async def test_without_instances_it_is_as_many_as_creations_exceed_disablings(define, tell, have, later):
    if not later:
        await define(DASHBOARDS)
    added = [("Dashboard Added", None, n) for n in range(10)]
    await tell("acme", *[("Dashboard Deleted", None, n) for n in range(10)], *added)
    await tell("globex", *added[3:6])
    await tell("initech", ("Dashboard Deleted", None, 1))
    if later:
        await define(DASHBOARDS)

    assert await have("acme") == {"dashboards": (0, 11, 20)}
    assert await have("globex") == {"dashboards": (3, 15, 17)}
    assert await have("initech") == {"dashboards": (0, None, None)}


async def test_only_events_whose_properties_fit_count(define, tell, have):
    crm = {"property": "kind", "op": "is", "value": "CRM"}
    where = {"create": {"event": "Connected", "where": crm}, "disable": {"event": "Connected", "where": {"not": crm}}}
    await tell("acme", ("Connected", "a", 3), ("Connected", None, 2))
    await define({"name": "By instance", "instanceProperty": "integrationId", **where})
    await define({"name": "By total", **where})
    await tell("acme", ("Connected", "b", 1))

    assert await have("acme") == {"by_instance": (2, 17, 19), "by_total": (1, 17, 19)}


async def test_an_organization_has_its_own_and_what_its_accounts_have(client, define, tell, have):
    await define(INTEGRATIONS)
    await tell("acme", ("Connected", "crm", 5), ("Connected", "mail", 4))
    await tell(None, ("Connected", "sso", 6), organization="group")
    await client.put(f"{API}/accounts/acme/organization", json={"organizationId": "group"})

    assert await have("group", "organizations") == {"integrations": (3, 14, 16)}
    listed = await client.get(f"{API}/organizations/group/elements/integrations/instances")
    assert {(row["instance"], row["account"] is None) for row in listed.json()["data"]} == {
        ("crm", False),
        ("mail", False),
        ("sso", True),
    }


async def test_instances_are_listed_a_page_at_a_time(client, define, tell, drain):
    await define(INTEGRATIONS)
    await tell("acme", *[("Connected", f"i{n}", 5) for n in range(7)], ("Removed", "i3", 1), ("Synced", "never", 1))
    await drain()
    path = "accounts/acme/elements/integrations/instances"

    first = (await client.get(f"{API}/{path}", params={"limit": 5})).json()
    rest = await names(client, path, limit=5, cursor=first["nextCursor"])

    assert [row["instance"] for row in first["data"]] == ["i0", "i1", "i2", "i3", "i4"]
    assert rest == ["i5", "i6", "never"]
    assert [row["enabled"] for row in first["data"]] == [True, True, True, False, True]
    assert await names(client, path, enabled=False) == ["i3", "never"]
    assert await names(client, path, enabled=True) == ["i0", "i1", "i2", "i4", "i5", "i6"]


async def test_any_text_names_an_instance_and_a_long_one_goes_by_its_hash(client, define, tell, drain):
    await define(INTEGRATIONS)
    odd = ["\x1e", "a\x1eb", "x" * 200, '"', "ü"]
    await tell("acme", *[("Connected", one, 5) for one in [*odd, "y" * 201, "", True, 1.5, {"a": 1}]])
    await drain()

    found = set(await names(client, "accounts/acme/elements/integrations/instances"))

    assert found >= {*odd, "true", "1.5"}
    (rest,) = found - {*odd, "true", "1.5"}
    assert rest.startswith("sha256:")


async def test_its_facts_are_in_the_catalogue_and_in_filters(client, define, tell, drain):
    await define(INTEGRATIONS)
    await tell("acme", ("Connected", "crm", 5))
    await tell("globex", ("Removed", "crm", 5))
    await drain()

    facts = {row["path"]: row["label"] for row in (await client.get(f"{API}/facts")).json()["data"]}
    asked = {
        "columns": ["externalId", "elements.integrations", "elementFirstAt.integrations", "elementsUsed"],
        "filter": {"field": "elements.integrations", "op": "atLeast", "value": 1},
    }
    found = (await client.post(f"{API}/reports/accounts", json=asked)).json()["data"]
    none = {**asked, "filter": {"field": "elements.integrations", "op": "is", "value": 0}}

    assert facts["elements.integrations"] == "Element: Integrations"
    assert facts["elementLastAt.integrations"] == "Element: Last: Integrations"
    assert [(row["externalId"], row["elements.integrations"], row["elementsUsed"]) for row in found] == [("acme", 1, 1)]
    assert found[0]["elementFirstAt.integrations"] == "2026-05-15T12:00:00Z"
    assert [row["externalId"] for row in (await client.post(f"{API}/reports/accounts", json=none)).json()["data"]] == [
        "globex"
    ]


async def test_why_shows_what_was_counted(client, define, tell, drain):
    await define(INTEGRATIONS)
    await define(DASHBOARDS)
    await tell("acme", ("Connected", "crm", 5), ("Dashboard Added", None, 2), ("Dashboard Added", None, 1))
    await drain()

    async def why(fact):
        return (await client.get(f"{API}/accounts/acme/why", params={"fact": fact})).json()

    assert (await why("elements.integrations"))["inputs"][0]["instance"] == "crm"
    totals = await why("elements.dashboards")
    assert (totals["value"], totals["source"]) == (2, "events")
    assert [(one["role"], one["count"]) for one in totals["inputs"]] == [("create", 2), ("disable", 0)]
    assert (await why("elementsUsed"))["value"] == 2


async def test_why_of_an_organization_shows_what_its_accounts_have(client, define, tell, drain):
    await define(INTEGRATIONS)
    await define(DASHBOARDS)
    account = {"type": "account", "accountId": "acme", "organizationId": "group"}
    await client.post(f"{API}/batch", json={"messages": [account]})
    await tell("acme", ("Connected", "crm", 5), ("Dashboard Added", None, 2))
    await tell(None, ("Connected", "erp", 5), ("Dashboard Added", None, 3), organization="group")
    await drain()

    async def why(fact):
        return (await client.get(f"{API}/organizations/group/why", params={"fact": fact})).json()

    instances, totals = await why("elements.integrations"), await why("elements.dashboards")
    found = {one["instance"]: one["account"] for one in instances["inputs"]}
    assert (instances["value"], set(found), found["erp"]) == (2, {"crm", "erp"}, None)
    assert found["crm"].startswith("acc_")
    assert (totals["value"], [one["count"] for one in totals["inputs"]]) == (2, [1, 0, 1])
    assert (await why("elementsUsed"))["value"] == 2
    assert (await why("elementLastAt.dashboards"))["value"] == "2026-05-18T12:00:00Z"


async def test_another_definition_counts_everything_anew(client, define, tell, have, drain):
    made = await define(INTEGRATIONS)
    await tell("acme", ("Connected", "crm", 5), ("Installed", "a", 4), ("Installed", "b", 3))
    assert await have("acme") == {"integrations": (1, 15, 15)}

    changed = await client.patch(f"{API}/elements/{made['id']}", json={"create": {"event": "Installed"}})

    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert changed.json()["reprocessing"].startswith("rep_")
    assert await have("acme") == {"integrations": (2, 16, 17)}
    assert await names(client, "accounts/acme/elements/integrations/instances") == ["a", "b"]
    await client.patch(f"{API}/elements/integrations", json={"instanceProperty": None})
    assert await have("acme") == {"integrations": (2, 16, 17)}
    assert await names(client, "accounts/acme/elements/integrations/instances") == []


@pytest.mark.parametrize(
    "body",
    [INTEGRATIONS, {**DASHBOARDS, "create": {"event": "Connected", "where": {"property": "kind", "op": "isSet"}}}],
)
async def test_it_says_while_stored_events_are_still_being_counted(client, define, tell, drain, body):
    await tell("acme", ("Connected", "crm", 5))
    await drain()
    made = await define(body)
    await drain()

    after = (await client.get(f"{API}/elements/{made['id']}")).json()

    assert (made["counting"], after["counting"]) == (True, False)
    assert [row["counting"] for row in (await client.get(f"{API}/elements")).json()["data"]] == [False]


async def test_another_name_counts_nothing_anew(client, define):
    made = await define(INTEGRATIONS)

    changed = (await client.patch(f"{API}/elements/integrations", json={"name": "Connections"})).json()
    same = (await client.patch(f"{API}/elements/integrations", json={"name": "Connections"})).json()

    assert (changed["name"], changed["slug"], changed["reprocessing"]) == ("Connections", "integrations", None)
    assert same["version"] == changed["version"] == made["version"] + 1


async def test_an_archived_element_is_gone_from_records_and_frees_its_slug(client, define, tell, have, rows_left):
    made = await define(INTEGRATIONS)
    await tell("acme", ("Connected", "crm", 5))
    assert (await have("acme"))["integrations"][0] == 1

    assert (await client.delete(f"{API}/elements/integrations")).status_code == 204
    assert (await client.delete(f"{API}/elements/{made['id']}")).status_code == 204

    assert await have("acme") == {}
    assert await rows_left() == 0
    assert (await client.get(f"{API}/elements/integrations")).status_code == 404
    shown = (await client.get(f"{API}/elements/{made['id']}")).json()
    assert shown["archivedAt"] is not None
    refused = await client.patch(f"{API}/elements/{made['id']}", json={"name": "X"})
    assert (refused.status_code, refused.json()["code"]) == (409, "element_archived")
    assert (await client.get(f"{API}/elements")).json()["data"] == []
    assert len((await client.get(f"{API}/elements", params={"archived": True})).json()["data"]) == 1
    await define(INTEGRATIONS)
    assert (await have("acme"))["integrations"][0] == 1


@pytest.fixture
def rows_left(database, workspace):
    from sqlalchemy import text

    async def count():
        async with database.transaction(workspace) as db:
            return await db.scalar(text("select count(*) from element_instances"))

    return count


async def test_deleting_the_account_deletes_its_instances(client, define, tell, drain, rows_left):
    await define(INTEGRATIONS)
    await tell("acme", ("Connected", "crm", 5))
    await drain()
    assert await rows_left() == 1

    await client.delete(f"{API}/accounts/acme")
    await drain()

    assert await rows_left() == 0


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"name": "A", "create": {"event": "X"}, "disable": {"event": "X"}}, "unusable_element", "#/disable"),
        (
            {"name": "A", "create": {"event": "X", "where": {"property": "p"}}},
            "unusable_property_filter",
            "#/create/where/op",
        ),
    ],
)
async def test_what_cannot_be_counted_is_refused_and_nothing_is_written(client, define, body, code, pointer):
    refused = await define(body, status=422)

    assert (refused["code"], refused["errors"][0]["pointer"]) == (code, pointer)
    assert (await client.get(f"{API}/elements")).json()["data"] == []


async def test_a_slug_is_taken_once(client, define):
    await define(INTEGRATIONS)

    assert (await define({**INTEGRATIONS, "name": "integrations!"}, status=409))["code"] == "element_exists"
    assert (await define({**INTEGRATIONS, "slug": "other"}))["slug"] == "other"
    assert (await define({**INTEGRATIONS, "slug": "Other"}, status=422))["code"] == "invalid_request"
