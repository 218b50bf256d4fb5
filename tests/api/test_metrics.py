"""Metrics through the API: defined, worked out for the past and the present, moved by the clock, explained."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

NOW = datetime(2026, 3, 31, 9, tzinfo=UTC)
DAY = timedelta(days=1)
API = "/api/v1"
SHARE = {
    "name": "Share of users who report",
    "slug": "reporting",
    "numerator": {"events": ["Report"], "count": "users", "days": 7},
    "denominator": {"field": "users"},
    "percent": True,
}
REPORTS = {"name": "Reports", "numerator": {"events": ["Report"], "days": 7}}


def wire(at):
    return at.isoformat().replace("+00:00", "Z")


@pytest.fixture(autouse=True)
def present(clock):
    clock.at = NOW


@pytest.fixture
def tell(client, drain):
    async def send(*messages):
        answer = await client.post(f"{API}/batch", json={"messages": list(messages)})
        assert answer.status_code == 202, answer.text
        assert answer.json()["rejected"] == 0, answer.text
        await drain()

    return send


def report(user, days_ago=0, account="acme", name="Report", **properties):
    at = wire(NOW - days_ago * DAY)
    return {
        "type": "event",
        "event": name,
        "userId": user,
        "accountId": account,
        "timestamp": at,
        "properties": properties,
    }


@pytest.fixture
async def acme(tell):
    """An account with four users, of whom two reported this week and one the week before."""
    await tell({"type": "account", "accountId": "acme", "traits": {"name": "Acme", "mrr": 400, "seats": "8"}})
    for user in ("ann", "ben", "cid", "dot"):
        await tell({"type": "user", "userId": user, "accountId": "acme", "traits": {"level": len(user) + ord(user[0])}})
    await tell(report("ann", 0), report("ann", 2), report("ben", 6), report("cid", 7), report("cid", 8))


@pytest.fixture
def define(client, drain):
    async def make(**wanted):
        answer = await client.post(f"{API}/metrics", json=wanted)
        assert answer.status_code == 201, answer.text
        await drain()
        return answer.json()

    return make


@pytest.fixture
def shown(client):
    async def find(path="accounts/acme"):
        answer = await client.get(f"{API}/{path}/metrics")
        assert answer.status_code == 200, answer.text
        return {one["slug"]: (one["value"], one["change"]) for one in answer.json()["data"]}

    return find


@pytest.fixture
def days(client):
    async def find(metric, path="accounts/acme", **asked):
        answer = await client.get(f"{API}/{path}/metrics/{metric}/history", params=asked)
        assert answer.status_code == 200, answer.text
        return {one["day"]: (one["value"], one["source"]) for one in answer.json()["data"]}

    return find


async def test_a_metric_is_worked_out_at_once_with_its_change(acme, define, shown):
    metric = await define(**SHARE)

    assert metric["facts"] == ["metrics.reporting", "metricChanges.reporting"]
    assert metric["formula"] == 'users with events "Report" in the last 7 days / users, in percent'
    assert await shown() == {"reporting": (50, None)}


async def test_the_change_is_against_the_same_number_of_days_before(acme, define, shown):
    await define(**REPORTS)

    assert await shown() == {"reports": (3, 50)}


async def test_an_event_moves_it_and_the_clock_moves_it(acme, define, shown, tell, drain, clock):
    await define(**REPORTS)
    await tell(report("dot"))
    assert (await shown())["reports"][0] == 4

    clock.at = NOW.replace(hour=0) + DAY - timedelta(microseconds=1)
    await drain()
    assert (await shown())["reports"] == (4, 100)
    clock.at = NOW.replace(hour=0) + DAY
    await drain()
    assert (await shown())["reports"] == (3, 0)
    clock.at = NOW + 30 * DAY
    await drain()
    assert (await shown())["reports"] == (0, None)


async def test_the_past_is_worked_out_of_stored_events(acme, define, days, clock, drain):
    metric = await define(**REPORTS, historyDays=20)
    assert (await days("reports"))["2026-03-31"] == (3, "seen")

    found = await days(metric["id"], **{"from": "2026-03-10", "to": "2026-03-31"})
    assert len(found) == 22
    assert found["2026-03-10"] == (None, None)
    assert found["2026-03-22"] == (None, None), "acme was not heard of before its first event"
    assert found["2026-03-23"] == (1, "workedOut")
    assert found["2026-03-24"] == (2, "workedOut")
    assert found["2026-03-25"] == found["2026-03-28"] == (3, "workedOut")
    assert found["2026-03-30"] == (3, "workedOut")

    clock.at = NOW + 6 * DAY
    await drain()
    assert (await days("reports", **{"from": "2026-04-04"}))["2026-04-06"] == (1, "seen")


async def test_filters_on_properties_are_counted_for_the_past_and_from_now_on(acme, define, shown, tell, days):
    await tell(report("ann", 3, kind="pdf"), report("ann", 2, kind="csv"))
    where = {"property": "kind", "op": "is", "value": "pdf"}

    await define(name="PDF", numerator={"events": ["Report"], "where": where, "days": 30})
    assert (await shown())["pdf"][0] == 1
    await tell(report("ben", 0, kind="pdf"), report("ben", 0, kind="csv"))

    assert (await shown())["pdf"][0] == 2
    assert (await days("pdf"))["2026-03-28"] == (1, "workedOut")


async def test_formulas_over_facts_and_users_are_heard_of(acme, define, shown, tell, client, drain):
    await define(
        name="Per seat",
        slug="per_seat",
        subjects=["accounts"],
        numerator={"op": "divide", "args": [{"field": "mrr"}, {"field": "traits.seats"}]},
    )
    level = {"users": {"aggregate": "max", "field": "traits.level"}}
    await define(name="Top level", slug="top", numerator=level)
    assert await shown() == {"per_seat": (50, None), "top": (103, None)}

    await tell({"type": "account", "accountId": "acme", "traits": {"seats": 3}})
    await tell({"type": "user", "userId": "ann", "accountId": "acme", "traits": {"level": 1000}})

    assert await shown() == {"per_seat": (133.333333, None), "top": (1000, None)}


async def test_the_clock_of_users_in_a_filter_moves_it(acme, define, shown, clock, drain):
    lately = {"field": "lastSeenAt", "op": "inLastDays", "value": 3}
    await define(name="Lately", numerator={"users": {"aggregate": "count", "where": lately}})
    assert (await shown())["lately"][0] == 1

    clock.at = NOW + 3 * DAY
    await drain()
    assert (await shown())["lately"][0] == 0


async def test_what_has_no_windows_is_compared_with_its_history(acme, define, shown, clock, drain, tell):
    await define(name="MRR", slug="revenue", numerator={"field": "mrr"})
    clock.at = NOW + 10 * DAY
    await tell({"type": "account", "accountId": "acme", "traits": {"mrr": 500}})
    assert (await shown())["revenue"] == (500, None)
    await tell({"type": "account", "accountId": "acme", "traits": {"other": 1}})  # looked at twice on one day

    clock.at = NOW.replace(hour=0) + 30 * DAY
    await drain()
    assert (await shown())["revenue"] == (500, 25)
    clock.at = NOW.replace(hour=0) + 40 * DAY
    await drain()
    assert (await shown())["revenue"] == (500, 0)


async def test_all_there_ever_was_is_compared_with_what_was_worked_out(acme, define, shown):
    await define(name="Ever", numerator={"events": ["Report"]}, historyDays=90)
    assert (await shown())["ever"] == (5, None)


async def test_organizations_count_their_accounts_and_each_user_once(acme, define, shown, tell, client, drain):
    await client.post(f"{API}/organizations", json={"externalId": "group", "traits": {}})
    await tell({"type": "account", "accountId": "beta", "traits": {}})
    for name in ("acme", "beta"):
        await client.put(f"{API}/accounts/{name}/organization", json={"organizationId": "group"})
    await tell(report("ann", 0, account="beta"), report("eva", 1, account="beta"))
    await drain()

    await define(name="Reporters", numerator={"events": ["Report"], "count": "users", "days": 7})
    await define(name="Report days", numerator={"events": ["Report"], "count": "days", "days": 7})
    await define(**REPORTS)
    await define(name="People", numerator={"users": {"aggregate": "count"}})

    found = await shown("organizations/group")
    assert {slug: value for slug, (value, _) in found.items()} == {
        "reporters": 3,
        "report_days": 4,
        "reports": 5,
        "people": 5,
    }


async def test_an_unknown_event_counts_nothing_until_it_is_seen(acme, define, shown, tell):
    await define(name="New", numerator={"events": ["Never seen"], "days": 30})
    assert (await shown())["new"] == (0, None)

    await tell(report("ann", 0, name="Never seen"))
    assert (await shown())["new"][0] == 1


async def test_a_changed_metric_is_worked_out_anew_and_keeps_what_was_seen(
    acme, define, shown, days, client, drain, clock
):
    metric = await define(**REPORTS)
    clock.at = NOW + DAY
    await drain()
    weeks = {"numerator": {"events": ["Report"], "count": "users", "days": 14}}

    answer = await client.patch(f"{API}/metrics/reports", json=weeks)
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert len(answer.json()["reprocessings"]) == 2
    await drain()

    assert (await client.get(f"{API}/metrics/{metric['id']}")).json()["historyReady"] is True
    assert (await shown())["reports"][0] == 3
    found = await days("reports")
    assert found["2026-03-31"] == (3, "seen"), "three reports"
    assert found["2026-03-30"] == (3, "workedOut"), "three users"
    assert found["2026-03-24"] == (1, "workedOut")


async def test_a_name_changes_nothing_that_is_worked_out(acme, define, client):
    await define(**REPORTS)

    answer = await client.patch(f"{API}/metrics/reports", json={"name": "Reports a week"})

    assert (answer.json()["version"], answer.json()["reprocessings"]) == (1, [])


async def test_an_archived_metric_leaves_records_and_its_slug_is_free(acme, define, shown, client, drain, days):
    old = await define(**REPORTS)
    assert (await client.delete(f"{API}/metrics/reports")).status_code == 204
    again = await client.post(f"{API}/metrics", json=REPORTS)
    assert again.status_code == 201, again.text
    await drain()
    assert (await days("reports"))["2026-03-31"] == (3, "seen")

    assert (await client.delete(f"{API}/metrics/{again.json()['id']}")).status_code == 204
    assert (await client.delete(f"{API}/metrics/{again.json()['id']}")).status_code == 204
    await drain()

    assert await shown() == {}
    assert (await days(old["id"]))["2026-03-31"] == (3, "seen")
    listed = (await client.get(f"{API}/metrics", params={"archived": True})).json()["data"]
    assert [one["slug"] for one in listed] == ["reports", "reports"]
    assert (await client.get(f"{API}/metrics")).json()["data"] == []
    answer = await client.patch(f"{API}/metrics/{old['id']}", json={"name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "metric_archived")


async def test_it_is_a_column_a_filter_and_a_fact(acme, define, client, drain):
    await define(**SHARE)
    wanted = {
        "columns": ["externalId", "metrics.reporting", "metricChanges.reporting"],
        "filter": {"field": "metrics.reporting", "op": "atLeast", "value": 50},
        "sort": [{"field": "metrics.reporting"}],
    }
    answer = await client.post(f"{API}/reports/accounts", json=wanted)
    assert answer.json()["data"][0]["metrics.reporting"] == 50

    then = {"columns": ["externalId", "metrics.reporting"], "asOf": wire(NOW - 3 * DAY)}
    answer = await client.post(f"{API}/reports/accounts", json=then)
    assert answer.status_code == 200, answer.text

    paths = {one["path"]: one["label"] for one in (await client.get(f"{API}/facts")).json()["data"]}
    assert paths["metrics.reporting"] == "Metric: Share of users who report"
    assert "metricChanges.reporting" in paths


async def test_reports_as_of_a_day_show_what_it_was(acme, define, client, clock, drain):
    await define(**REPORTS)
    clock.at = NOW + 9 * DAY
    await drain()
    clock.at = NOW + 20 * DAY
    for later, value in ((1, 3), (8, 3), (9, 0), (10, 0)):
        wanted = {"columns": ["metrics.reports"], "asOf": wire(NOW + later * DAY)}
        answer = await client.post(f"{API}/reports/accounts", json=wanted)
        assert answer.status_code == 200, answer.text
        assert [one["metrics.reports"] for one in answer.json()["data"]] == [value], later


async def test_why_shows_every_term_with_its_days(acme, define, client):
    await define(**SHARE)

    found = (await client.get(f"{API}/accounts/acme/why", params={"fact": "metrics.reporting"})).json()

    assert found["value"] == 50
    assert found["rule"].startswith('users with events "Report" in the last 7 days / users, in percent.')
    assert found["inputs"] == [
        {
            "part": "numerator",
            "term": 'users with events "Report" in the last 7 days',
            "value": 2,
            "firstDay": "2026-03-25",
            "lastDay": "2026-03-31",
        },
        {"part": "denominator", "term": "users", "value": 4},
    ]
    assert found["source"] == "metric reporting, version 1"


async def test_why_a_change_shows_both_windows(acme, define, client):
    await define(**REPORTS)

    found = (await client.get(f"{API}/accounts/acme/why", params={"fact": "metricChanges.reports"})).json()

    assert found["value"] == 50
    assert [(one["value"], one["firstDay"]) for one in found["inputs"]] == [(3, "2026-03-25"), (2, "2026-03-18")]


async def test_a_preview_stores_nothing_and_counts_what_is_not_counted_yet(acme, tell, client, database, workspace):
    await tell(report("ann", 3, kind="pdf"), report("ben", 9, kind="pdf"))
    where = {"property": "kind", "op": "is", "value": "pdf"}
    wanted = {"numerator": {"events": ["Report"], "where": where, "days": 7}, "records": ["acme"]}

    answer = await client.post(f"{API}/metrics/preview", json=wanted)

    assert answer.status_code == 200, answer.text
    assert [(one["externalId"], one["value"], one["change"]) for one in answer.json()["data"]] == [("acme", 1, 0)]
    assert answer.json()["complete"] is True
    async with database.transaction(workspace) as db:
        assert await db.scalar(text("select count(*) from measures where filter is not null")) == 0
        assert await db.scalar(text("select count(*) from metrics")) == 0


async def test_a_preview_takes_the_first_records_and_refuses_unknown_ones(acme, client):
    wanted = {"numerator": {"field": "mrr"}}
    assert len((await client.post(f"{API}/metrics/preview", json=wanted)).json()["data"]) == 1
    answer = await client.post(f"{API}/metrics/preview", json={**wanted, "records": ["nobody"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_account")


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"numerator": {"field": "name"}}, "#/numerator/field"),
        ({"numerator": {"field": "keyRoles.csm"}}, "#/numerator/field"),
        ({"numerator": {"field": "organization.mrr"}}, "#/numerator/field"),
        ({"numerator": {"field": "metrics.other"}}, "#/numerator/field"),
        ({"numerator": 5}, "#/numerator"),
        ({"numerator": {"op": "divide", "args": [1, {"field": "nope"}]}}, "#/numerator/args/1/field"),
        ({"numerator": {"op": "divide", "args": [1]}}, "#/numerator/args"),
        ({"numerator": {"events": []}}, "#/numerator/events"),
        ({"numerator": {"events": ["x"], "days": 401}}, "#/numerator/days"),
        ({"numerator": {"events": ["x"], "where": {"property": "a", "op": "xx"}}}, "#/numerator/where/op"),
        ({"numerator": {"users": {"aggregate": "sum"}}}, "#/numerator/users/field"),
        (
            {"numerator": {"users": {"where": {"all": [{"field": "nope", "op": "isSet"}]}}}},
            "#/numerator/users/where/all/0/field",
        ),
        ({"numerator": {"field": "mrr"}, "denominator": {"field": "mrr", "days": 3}}, "#/denominator"),
    ],
)
async def test_what_cannot_be_understood_is_pointed_at(client, wanted, pointer):
    answer = await client.post(f"{API}/metrics", json={"name": "x", **wanted})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_expression")
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.get(f"{API}/metrics")).json()["data"] == []


async def test_names_and_slugs_are_unique_among_live_metrics(define, client):
    await define(**REPORTS)
    same_name = await client.post(f"{API}/metrics", json={**REPORTS, "name": "REPORTS"})
    same_slug = await client.post(f"{API}/metrics", json={**REPORTS, "name": "Other", "slug": "reports"})

    assert {same_name.status_code, same_slug.status_code} == {409}
    assert (await define(**{**REPORTS, "name": "Reports!"}))["slug"] == "reports_2"


async def test_days_of_history_have_limits(acme, define, client):
    await define(**REPORTS)
    path = f"{API}/accounts/acme/metrics/reports/history"
    for asked in ({"from": "2026-04-01"}, {"from": "2020-01-01"}, {"to": "0001-01-01"}, {"from": "x"}):
        assert (await client.get(path, params=asked)).status_code == 422, asked
    found = (await client.get(path, params={"from": "2025-02-25", "to": "2999-01-01"})).json()["data"]
    assert (len(found), found[-1]["day"]) == (400, "2026-03-31")


async def test_what_is_stored_of_a_deleted_account_goes(acme, define, client, database, workspace, drain):
    await define(**REPORTS)
    await client.delete(f"{API}/accounts/acme")
    await drain()
    async with database.transaction(workspace) as db:
        assert await db.scalar(text("select count(*) from metric_days")) == 0
