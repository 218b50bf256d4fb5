"""Letters commit with their cause, attempts with the fate of their job."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.db import jobs
from app.domain.deliveries import Announcement, Answer
from app.domain.ids import new_id, read
from app.domain.jobs import Deliver, Fenced, Lane
from app.domain.secrets import keyring
from app.outbound.addresses import Allow
from app.services import deliveries, webhooks
from app.services.deliveries import Attempt
from app.services.webhooks import NewWebhook

KEYS = keyring("a master key for these tests, 0123456789")
ALLOW = Allow.of(["127.0.0.1"])


@pytest.fixture
async def account(client, drain):
    answer = await client.post("/api/v1/accounts", json={"externalId": "acme", "traits": {"name": "Acme"}})
    await drain()
    return read("acc", answer.json()["account"]["id"])


@pytest.fixture
async def endpoint(database, workspace, now):
    async with database.transaction(workspace) as db:
        row, _ = await webhooks.create(
            db, workspace, NewWebhook("http://127.0.0.1:9/hook"), keys=KEYS, allow=ALLOW, now=now
        )
    return row["id"]


@pytest.fixture
def news(account, now):
    return Announcement("account.owner_changed", account, new_id(), now, {"reason": "why not"})


@pytest.fixture
def count(database, workspace):
    async def run(table):
        async with database.transaction(workspace) as db:
            return await db.scalar(text(f"select count(*) from {table}"))

    return run


@pytest.fixture
def leased(database, workspace):
    """Claim the one job that waits."""

    async def run():
        want = jobs.Claim(
            worker="w",
            lane=Lane.DELIVER,
            kinds=[Deliver.kind],
            lease_seconds=60,
            limit=1,
            takes={workspace: 1},
            in_flight={},
            per_endpoint=4,
        )
        async with database.pump_transaction() as db:
            (lease,) = await jobs.claim(db, want)
        return Deliver.from_payload(lease.payload), lease

    return run


async def test_without_endpoints_nothing_is_written(database, workspace, news, now, count):
    async with database.transaction(workspace) as db:
        assert await deliveries.announce(db, workspace, [news], now=now) == 0
    assert await count("deliveries") == 0


async def test_letter_and_promise_commit_with_their_cause_or_not_at_all(
    database, workspace, endpoint, news, now, count
):
    async def cause(error):
        async with database.transaction(workspace) as db:
            assert await deliveries.announce(db, workspace, [news, news], now=now) == 1
            if error:
                raise error

    with pytest.raises(ZeroDivisionError):
        await cause(ZeroDivisionError())
    assert (await count("deliveries"), await count("jobs")) == (0, 0)
    await cause(None)
    assert (await count("deliveries"), await count("jobs")) == (1, 1)


async def test_an_account_that_is_gone_is_not_announced(database, workspace, endpoint, now, count):
    news = Announcement("account.owner_changed", new_id(), new_id(), now)
    async with database.transaction(workspace) as db:
        assert await deliveries.announce(db, workspace, [news], now=now) == 0


async def test_a_stale_worker_notes_nothing(database, workspace, endpoint, news, now, leased, count):
    async with database.transaction(workspace) as db:
        await deliveries.announce(db, workspace, [news], now=now)
    job, lease = await leased()
    async with database.transaction(workspace) as db:
        await db.execute(text("update jobs set fence = fence + 1"))

    async def note():
        async with database.transaction(workspace) as db:
            attempt = Attempt(now, 1, Answer(410, None), "")
            await deliveries.note_failure(db, job, lease, attempt, now=datetime.now(UTC))

    with pytest.raises(Fenced):
        await note()
    assert await count("delivery_attempts") == 0
    assert await count("webhook_endpoints where not enabled") == 0
    assert await count("deliveries where state = 'pending' and attempts = 0") == 1


async def test_of_successes_noted_together_only_the_stale_worker_s_falls_out(
    database, workspace, endpoint, account, now, leased, count
):
    errands = []
    for _ in range(3):
        news = Announcement("account.owner_changed", account, new_id(), now)
        async with database.transaction(workspace) as db:
            await deliveries.announce(db, workspace, [news], now=now)
        errands.append(await leased())
    stale = errands[1][1]
    async with database.transaction(workspace) as db:
        await db.execute(text("update jobs set fence = fence + 1 where id = :id"), {"id": stale.id})
        await db.execute(text("update webhook_endpoints set failing_since = now()"))
    attempt = Attempt(now, 1, Answer(200, None), "ok")
    async with database.transaction(workspace) as db:
        noted = [(job, lease, attempt) for job, lease in errands]
        found = await deliveries.note_delivered(db, workspace, noted, now=now)
    assert [type(one) for one in found] == [type(None), Fenced, type(None)]
    assert await count("deliveries where state = 'delivered' and attempts = 1") == 2
    assert await count("delivery_attempts where number = 1 and status = 200 and excerpt = 'ok'") == 2
    assert await count("webhook_endpoints where failing_since is null") == 1


async def test_what_is_given_up_unanswered_shows_as_failed(database, workspace, endpoint, news, now, leased, count):
    async with database.transaction(workspace) as db:
        await deliveries.announce(db, workspace, [news], now=now)
    job, lease = await leased()
    async with database.transaction(workspace) as db:
        await jobs.give_up(db, lease, error="worker_crashed", crashed=True)
        await deliveries.bury(db, job, lease, now)
    assert await count("deliveries where state = 'failed' and finished_at is not null") == 1
    async with database.transaction(workspace) as db:
        await deliveries.replay(db, workspace, job.delivery_id, now=now)
    assert await count("jobs where state = 'ready'") == 1
    assert await count("jobs where state = 'dead'") == 0


async def test_a_letter_delivered_meanwhile_is_not_sent_again(database, workspace, endpoint, news, now, leased):
    async with database.transaction(workspace) as db:
        await deliveries.announce(db, workspace, [news], now=now)
    job, lease = await leased()
    async with database.transaction(workspace) as db:
        (opened,) = await deliveries.open_letters(db, workspace, [(job, lease)], keys=KEYS, now=now)
        assert opened.url == "http://127.0.0.1:9/hook"
        await db.execute(text("update deliveries set state = 'delivered', finished_at = now()"))
        assert await deliveries.open_letters(db, workspace, [(job, lease)], keys=KEYS, now=now) == [None]


async def test_a_stored_secret_is_sealed_to_its_row(database, workspace, endpoint, now):
    async with database.transaction(workspace) as db:
        stored = await db.scalar(text("select secret from webhook_endpoints"))
    assert stored.startswith(b"s1.")
    assert b"whsec" not in stored
