"""Health where it is derived: written only when it differs, in two passes of segments, and the same however it came."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.fields import Subject
from app.services import evaluation, health

API = "/api/v1"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
RICH = {
    "name": "Revenue",
    "conditions": [
        {
            "healthy": {"field": "mrr", "op": "atLeast", "value": 100},
            "poor": {"field": "mrr", "op": "lessThan", "value": 100},
        }
    ],
}


@pytest.fixture
def send(client, drain):
    async def post(path, body, *, method="POST"):
        answer = await client.request(method, f"{API}/{path}", json=body)
        assert answer.status_code < 300, answer.text
        await drain()
        return answer.json() if answer.content else None

    return post


@pytest.fixture
def query(database, workspace):
    async def run(sql):
        async with database.transaction(workspace) as db:
            return [tuple(row) for row in await db.execute(text(sql))]

    return run


@pytest.fixture
def again(database, workspace):
    """Evaluates every account once more; what it wrote."""

    async def run(now):
        async with database.transaction(workspace) as db:
            accounts = list(await db.scalars(text("select id from accounts")))
            await evaluation.evaluate(db, workspace, accounts, now=now)

    return run


HELD = "select health, health_label, health_scores::text, health_labels::text from account_facts order by account_id"


async def test_what_has_not_changed_is_not_written_again(send, query, again, database, workspace):
    await send("accounts", {"externalId": "acme", "traits": {"mrr": 5}})
    await send("health-scores", RICH)
    before = await query("select xmin::text, day, at from health_days")

    async with database.transaction(workspace) as db:
        accounts = list(await db.scalars(text("select id from accounts")))
        stood = (await db.execute(text("select xmin::text from account_facts"))).scalar_one()
        await health.apply(db, workspace, Subject.ACCOUNTS, accounts, now=datetime.now(UTC))
        stands = (await db.execute(text("select xmin::text from account_facts"))).scalar_one()

    assert stood == stands
    assert await query("select xmin::text, day, at from health_days") == before


async def test_workspaces_without_scores_pay_one_question(database, workspace, send):
    await send("accounts", {"externalId": "acme", "traits": {"mrr": 5}})

    async with database.transaction(workspace) as db:
        accounts = list(await db.scalars(text("select id from accounts")))
        assert await health.apply(db, workspace, Subject.ACCOUNTS, accounts, now=NOW) == {}


async def test_health_goes_by_the_segments_of_the_same_evaluation(send, query):
    big = await send("segments", {"name": "Big", "filter": {"field": "traits.seats", "op": "greaterThan", "value": 10}})
    await send(
        "health-scores",
        {
            **RICH,
            "variants": [
                {
                    "segment": big["id"],
                    "conditions": [
                        {
                            "healthy": {"field": "mrr", "op": "atLeast", "value": 1000},
                            "poor": {"field": "mrr", "op": "lessThan", "value": 1000},
                        }
                    ],
                }
            ],
        },
    )
    await send("accounts", {"externalId": "acme", "traits": {"mrr": 500, "seats": 5}})
    small = await query("select health from account_facts")

    await send("accounts", {"externalId": "acme", "traits": {"seats": 50}})

    assert (small, await query("select health from account_facts")) == ([(10,)], [(0,)])


async def test_segments_and_indicators_that_ask_about_health_hear_of_it_in_the_same_evaluation(send, query, client):
    poor = {"field": "healthScores.revenue", "op": "lessThan", "value": 5}
    await send("health-scores", RICH)
    await send("segments", {"name": "Poor", "filter": poor})
    await send("indicators", {"name": "Poor", "kind": "risk", "filter": poor})
    await send("accounts", {"externalId": "acme", "traits": {"mrr": 500}})
    before = await query("select cardinality(segments), (select count(*) from alerts) from account_facts")

    await send("accounts", {"externalId": "acme", "traits": {"mrr": 5}})

    after = await query(
        "select cardinality(segments), (select count(*) from alerts where resolved_at is null) from account_facts"
    )
    assert (before, after) == ([(0, 0)], [(1, 1)])


async def test_what_came_step_by_step_is_what_comes_at_once(send, query, again, drain, clock, database, workspace):
    """Definitions, facts, segments and the clock in turn; then everything from scratch."""
    clock.at = NOW
    seen = {"poor": {"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 7}}
    await send("events", {"event": "Login", "accountId": "a", "timestamp": (NOW - timedelta(days=1)).isoformat()})
    await send("accounts", {"externalId": "a", "traits": {"mrr": 500}})
    made = await send("health-scores", RICH)
    await send("accounts", {"externalId": "b", "traits": {"mrr": 5}})
    await send("health-scores", {"name": "Seen", "weight": 3, "conditions": [seen, *RICH["conditions"]]})
    big = await send("segments", {"name": "Big", "filter": {"field": "mrr", "op": "atLeast", "value": 400}})
    await send(f"health-scores/{made['id']}", {"variants": [{"segment": big["id"], "weight": 2}]}, method="PATCH")
    clock.at = NOW + timedelta(hours=1)
    await send("accounts", {"externalId": "b", "traits": {"mrr": 450}})
    clock.at = NOW + timedelta(days=8)
    await drain()
    step_by_step = await query(HELD)

    async with database.transaction(workspace) as db:
        await db.execute(text("update account_facts set health = null, health_label = null, health_scores = '{}'"))
    await again(clock.at)

    assert await query(HELD) == step_by_step
    assert [row[0] for row in step_by_step] == [7, 10]


async def test_who_comes_with_the_time_of_yesterday_still_has_the_last_word(send, query, again):
    await send("accounts", {"externalId": "acme", "traits": {"mrr": 500}})
    await send("health-scores", RICH)
    today = datetime.now(UTC)
    await query("delete from health_days returning day")
    await again(today)

    await query("""update accounts set traits = '{"mrr": 5}' returning id""")
    await again(today - timedelta(days=1))

    assert await query("select health from account_facts") == [(0,)]
    assert await query("select day, health from health_days order by day desc limit 1") == [(today.date(), 0)]


@pytest.mark.parametrize(
    "rules",
    [
        '{"conditions": []}',
        '{"weight": "heavy", "conditions": []}',
        '{"weight": 1, "conditions": {"a": 1}}',
        '{"weight": 1, "conditions": [7]}',
        '{"weight": 1, "conditions": [{"healthy": {"field": "mood", "op": "isSet"}}]}',
        "[]",
    ],
)
async def test_rules_of_another_release_stop_nobody_and_leave_what_there_is(send, query, again, rules):
    await send("accounts", {"externalId": "acme", "traits": {"mrr": 500}})
    await send("health-scores", RICH)
    await query(f"update health_scores set rules = '{rules}' where true returning id")

    await again(datetime.now(UTC))

    assert await query("select health_scores::text, evaluated_at is not null from account_facts") == [
        ('{"revenue": 10.0}', True)
    ]


async def test_deleting_a_user_takes_what_was_seen_of_them_out_of_the_history(send, query, client, drain):
    await send("workspace", {"ownerDefaultPolicy": "first_user"}, method="PATCH")
    await send("users", {"externalId": "ada", "accounts": ["acme"], "traits": {"email": "ada@acme.test"}})
    known = {"field": "owner.email", "healthy": {"field": "owner.email", "op": "isSet"}}
    await send("health-scores", {"name": "Owner", "conditions": [known]})
    seen = "select string_agg(inputs::text, ' ') from health_days"
    before = await query(seen)

    assert (await client.delete(f"{API}/users/ada")).status_code == 202
    await drain()

    assert "ada@acme.test" in before[0][0]
    assert "ada@acme.test" not in (await query(seen))[0][0]
