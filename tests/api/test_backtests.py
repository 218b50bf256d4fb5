"""Backtests: the days on which a filter would have held are those on which a segment with it had the record."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from app.api.routes import backtests as route
from app.services import backtests as service

T0 = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
RICH = {"field": "mrr", "op": "greaterThan", "value": 100}
ACTIVE = {"event": "Login", "op": "atLeast", "count": 2, "inLastDays": 3}
QUIET = {"event": "Login", "op": "none", "inLastDays": 4}
LOYAL = {"event": "Login", "op": "atLeast", "count": 4}
RENEWING = {"field": "traits.renewsAt", "op": "inNextDays", "value": 4}
FILTERS = {
    "rich": RICH,
    "active": ACTIVE,
    "quiet": QUIET,
    "loyal": LOYAL,
    "exactly": {"event": "Login", "op": "exactly", "count": 1, "inLastDays": 5},
    "renewing": RENEWING,
    "pro": {"field": "traits.plan", "op": "is", "value": "pro"},
    "counted": {"field": "eventCount.Login", "op": "between", "value": [2, 4]},
    "first": {"field": "eventFirstAt.Login", "op": "inLastDays", "value": 3},
    "all": {"all": [{"any": [RICH, ACTIVE]}, {"not": RENEWING}]},
    "grown": {"field": "mrr", "op": "increasedBy", "value": {"by": 50, "unit": "percent", "days": 3}},
}


def day(number, hour=9):
    return T0 + timedelta(days=number, hours=hour)


def dawn(number):
    return (T0 + timedelta(days=number)).date().isoformat()


def wire(at):
    return at.isoformat().replace("+00:00", "Z")


def account(account_id, /, organization=None, **traits):
    parent = {} if organization is None else {"organizationId": organization}
    return {"type": "account", "accountId": account_id, **parent, "traits": traits}


def login(name, **more):
    return {"type": "event", "event": "Login", "userId": f"u-{name}", "accountId": name, **more}


STORY = {
    0: [account("acme", name="Acme", plan="free", mrr=10, renewsAt="2026-03-09"), login("acme")],
    1: [login("acme"), login("acme")],
    2: [account("acme", mrr=200)],
    3: [account("globex", name="Globex", plan="pro", mrr=500), login("globex")],
    5: [account("globex", mrr=50), login("acme"), login("globex")],
    6: [account("acme", plan="pro", renewsAt="2026-03-20")],
    8: [account("late", name="Late", plan="pro", mrr=700, organization="group")],
    9: [login("globex"), login("globex"), account("globex", plan="free")],
    10: [account("acme", mrr=90), login("late")],
}
DAYS = 12


@pytest.fixture
def tell(client, drain, clock):
    async def send(at, *messages):
        clock.at = at
        if messages:
            stamped = [{"timestamp": wire(at), **one} for one in messages]
            answer = await client.post("/api/v1/batch", json={"messages": stamped})
            assert answer.status_code == 202, answer.text
        await drain()

    return send


@pytest.fixture
async def story(tell):
    """Twelve days as they happened."""
    for number, messages in STORY.items():
        await tell(day(number), *messages)
    await tell(day(DAYS - 1))


@pytest.fixture
async def watched(client, tell, clock):
    """The same, with segments that watched all the while."""
    clock.at = T0
    made = {}
    for name, source in FILTERS.items():
        answer = await client.post("/api/v1/segments", json={"name": name, "filter": source})
        assert answer.status_code == 201, answer.text
        made[name] = f"/api/v1/segments/{answer.json()['id']}"
    for number in range(DAYS):
        await tell(day(number), *STORY.get(number, []))
        if number < DAYS - 1:
            await tell(T0 + timedelta(days=number + 1) - TICK)
    return made


@pytest.fixture
def backtest(client):
    async def ask(source, days=DAYS, subject="accounts", **more):
        answer = await client.post(f"/api/v1/reports/{subject}/backtest", json={"filter": source, "days": days, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


async def recorded(client, segment):
    """Who was in the segment at the end of each day, from what was written down at the time."""
    changes = (await client.get(f"{segment}/history", params={"limit": 200})).json()["data"]
    inside, days = set(), []
    waiting = sorted(changes, key=lambda one: one["at"])
    for number in range(DAYS):
        end = wire(T0 + timedelta(days=number + 1) - TICK)
        while waiting and waiting[0]["at"] <= end:
            one = waiting.pop(0)
            (inside.add if one["change"] == "entered" else inside.discard)(one["externalId"])
        days.append(set(inside))
    return days


def told(found):
    """The same from a backtest's answer."""
    days = [one["day"] for one in found["days"]]
    return [
        {one["externalId"] for one in found["data"] if any(span["from"] <= at <= span["to"] for span in one["spans"])}
        for at in days
    ]


async def test_the_days_are_those_on_which_it_really_held(client, watched, backtest):
    """The story is told by the clock: segments wrote down every transition, and history says the same."""
    moved = 0
    for name, segment in watched.items():
        found = await backtest(FILTERS[name])
        really = await recorded(client, segment)

        assert told(found) == really, name
        assert [one["day"] for one in found["days"]] == [dawn(number) for number in range(DAYS)]
        assert [one["holding"] for one in found["days"]] == [len(inside) for inside in really]
        flips = sum(len(before ^ after) for before, after in pairwise(really))
        assert (found["flips"], found["records"]) == (flips, len(set().union(*really)))
        moved += flips
    assert moved > 20


async def test_spans_first_and_last(story, backtest):
    found = await backtest(ACTIVE)

    acme = found["data"][0]
    assert (acme["externalId"], acme["name"]) == ("acme", "Acme")
    assert acme["spans"] == [{"from": dawn(1), "to": dawn(3)}]
    assert (acme["first"], acme["last"], acme["days"]) == (dawn(1), dawn(3), 3)
    assert found["assumptions"] == []
    assert found["at"] == wire(day(DAYS - 1))


async def test_a_record_that_was_not_there_yet_satisfies_nothing(story, backtest):
    found = await backtest({"all": []})

    assert [one["first"] for one in found["data"]] == [dawn(0), dawn(3), dawn(8)]
    assert [one["holding"] for one in found["days"]][-1] == 3


async def test_pages_add_up_and_the_sums_come_first(story, backtest):
    whole = await backtest({"all": []})
    first = await backtest({"all": []}, limit=2)
    second = await backtest({"all": []}, limit=2, cursor=first["nextCursor"])

    assert first["data"] + second["data"] == whole["data"]
    assert (first["days"], first["flips"], first["records"]) == (whole["days"], whole["flips"], 3)
    assert (second["days"], second["flips"], second["records"], second["hasMore"]) == (None, None, None, False)


async def test_later_pages_are_judged_when_the_first_was(story, backtest, tell):
    first = await backtest({"all": []}, limit=2)
    await tell(day(20), account("new"))
    second = await backtest({"all": []}, limit=2, cursor=first["nextCursor"])

    assert second["at"] == first["at"]
    assert [one["externalId"] for one in second["data"]] == ["late"]


async def test_organizations_and_users_have_a_past_too(story, backtest, tell):
    await tell(day(12), login("late"))
    event = {"event": "Login", "op": "atLeast", "count": 1, "inLastDays": 1}
    groups = await backtest(event, 6, "organizations")
    users = await backtest({"field": "status", "op": "is", "value": "active"}, 6, "users")

    assert [one["spans"] for one in groups["data"]] == [
        [{"from": dawn(10), "to": dawn(10)}, {"from": dawn(12), "to": dawn(12)}]
    ]
    assert {one["externalId"] for one in users["data"]} == {"u-acme", "u-globex", "u-late"}


async def test_what_has_no_history_is_named_and_may_be_assumed(client, story, backtest):
    unknown = {
        "any": [
            {"field": "users", "op": "atLeast", "value": 1},
            {"field": "externalId", "op": "is", "value": "acme"},
            {"related": "users", "op": "atLeast", "count": 1},
        ]
    }
    refused = await client.post("/api/v1/reports/accounts/backtest", json={"filter": unknown})
    found = await backtest(unknown, assumeUnchanged=True)

    assert (refused.status_code, refused.json()["code"]) == (422, "no_history")
    assert refused.json()["context"]["lacking"] == ["users", "related users"]
    assert {"status", "mrr", "traits.*"} <= set(refused.json()["context"]["known"])
    assert found["assumptions"] == [{"kind": "fact", "name": "users"}, {"kind": "related", "name": "users"}]
    assert [one["days"] for one in found["data"]] == [12, 9, 4]


async def test_events_of_related_accounts_are_of_then(story, backtest, tell):
    await tell(day(12))
    inside = {"event": "Login", "op": "atLeast", "count": 1}
    found = await backtest(
        {"related": "accounts", "op": "atLeast", "count": 1, "where": inside}, 6, "organizations", assumeUnchanged=True
    )

    assert [one["first"] for one in found["data"]] == [dawn(10)]


async def test_reports_as_of_a_day_count_its_events(client, story):
    async def names(**more):
        answer = await client.post("/api/v1/reports/accounts", json={"columns": [], "filter": ACTIVE, **more})
        assert answer.status_code == 200, answer.text
        return [one["externalId"] for one in answer.json()["data"]]

    assert await names(asOf=wire(day(2))) == ["acme"]
    assert await names(asOf=wire(day(9, 23))) == ["globex"]
    assert await names(asOf=wire(day(7))) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"days": 30}, "invalid_request"),
        ({"filter": {"all": []}, "days": 0}, "invalid_request"),
        ({"filter": {"all": []}, "days": 366}, "invalid_request"),
        ({"filter": {"all": []}, "cursor": "x"}, "invalid_cursor"),
        ({"filter": {"event": "x", "op": "none", "inLastDays": 401}}, "invalid_filter"),
        ({"filter": {"field": "csm", "op": "isMe"}}, "needs_member"),
    ],
)
async def test_what_cannot_be_run_is_refused(client, body, code):
    answer = await client.post("/api/v1/reports/accounts/backtest", json=body)

    assert answer.status_code in {400, 422}
    assert answer.json()["code"] == code


async def test_who_may_not_see_an_account_hears_nothing_of_it(client, story, backtest, drain, as_member):
    group = (await client.post("/api/v1/access-groups", json={"name": "Few"})).json()["id"]
    assert (await client.put(f"/api/v1/access-groups/{group}/accounts/acme")).status_code == 204
    await drain()
    outsider = await as_member("team_member")

    answer = await outsider.post("/api/v1/reports/accounts/backtest", json={"filter": {"all": []}, "days": DAYS})

    assert [one["externalId"] for one in answer.json()["data"]] == ["globex", "late"]
    assert answer.json()["days"][-1]["holding"] == 2
    assert len((await backtest({"all": []}))["data"]) == 3


async def test_an_empty_workspace_has_empty_days(backtest):
    found = await backtest(RICH, 365)

    assert len(found["days"]) == 365
    assert {one["holding"] for one in found["days"]} == {0}
    assert (found["data"], found["flips"], found["records"]) == ([], 0, 0)


async def test_what_takes_too_long_is_refused_with_advice(client, story, monkeypatch):
    monkeypatch.setattr(service, "MOST_SECONDS", -1)
    answer = await client.post("/api/v1/reports/accounts/backtest", json={"filter": RICH})

    assert (answer.status_code, answer.json()["code"]) == (422, "backtest_too_large")
    assert "fewer days, such as 1;" in answer.json()["detail"]
    assert answer.json()["context"]["days"] == 1


async def test_only_some_run_at_a_time(client, monkeypatch):
    monkeypatch.setattr(route.TURNS, "taken", route.TURNS.most)
    answer = await client.post("/api/v1/reports/accounts/backtest", json={"filter": RICH})

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_backtests")


async def test_slices_add_up(story, backtest, monkeypatch):
    whole = await backtest(FILTERS["all"])
    monkeypatch.setattr(service._Pace, "__init__", lambda self: setattr(self, "records", 1))
    monkeypatch.setattr(service._Pace, "took", lambda self, seconds: None)

    assert await backtest(FILTERS["all"]) == whole
