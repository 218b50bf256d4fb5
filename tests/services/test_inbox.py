"""Whatever goes through the inbox ends as if it had been applied at once: the same state, and each message once."""

from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import inbox as rows
from app.db import suppressions
from app.domain import parcels
from app.domain.memory import Memory
from app.domain.messages import AccountMessage, Envelope, EventMessage
from app.domain.rejections import Bounds
from app.domain.suppression import disguise
from app.services import inbox, ingest
from tests.services import test_convergence
from tests.services.test_convergence import NOW, state_after, two_deliveries

RULES = inbox.Rules(rejected=Bounds.of(30, 1000, 2**20), suppression_key=b"")
GROUP = rows.Bounds(messages=5_000, size=2**23, parcels=1_000)


async def append(db, workspace, envelopes):
    await rows.put(db, workspace, parcels.pack(envelopes), len(envelopes))


async def apply(database, workspace, memory, group=GROUP):
    """Apply one group, as a worker does; how many messages."""
    async with database.transaction(workspace) as db:
        taken = await rows.take(db, workspace, group)
        if not taken:
            return 0
        recorded = await inbox.apply(db, workspace, taken, memory, RULES, now=NOW)
    memory.learn(workspace, recorded.batch)
    return sum(row.messages for row in taken)


def by_way_of(modes, most):
    """`ingest.record` for the test of convergence: some flushes are recorded, others appended, to be applied later."""
    turns = count()
    bounds = rows.Bounds(messages=most, size=2**20, parcels=9)

    async def record(db, workspace, flush, memory, *, now):
        mode = modes[next(turns) % len(modes)]
        if mode == "direct" and flush:
            return await ingest_record(db, workspace, flush, memory, now=now)
        if flush:
            await append(db, workspace, flush)
        found = await ingest_record(db, workspace, [], memory, now=now)
        while (mode == "inbox, applied" or not flush) and (taken := await rows.take(db, workspace, bounds)):
            found = await inbox.apply(db, workspace, taken, memory, RULES, now=now)
        return found

    return record


ingest_record = ingest.record


class Ingest:
    """Stands for `services.ingest` in the test of convergence."""

    def __init__(self, modes, most):
        self.record = by_way_of(modes, most)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    both=two_deliveries(),
    modes=st.lists(st.sampled_from(["direct", "inbox", "inbox, applied"]), min_size=1, max_size=4),
    most=st.integers(1, 30),
)
async def test_direct_and_inbox_and_any_mixture_end_in_the_same_state(database, monkeypatch, both, modes, most):
    together, apart = both

    expected = await state_after(database, together, "first_user")
    with monkeypatch.context() as patch:
        patch.setattr(test_convergence, "ingest", Ingest(modes, most))
        found = await state_after(database, [*apart, []], "first_user")  # in the end, the inbox is emptied

    assert found == expected


def event(name, number, body=0):
    return Envelope((EventMessage(NOW, name, "acme", None, b"{}"),), f"m-{number}", body)


async def test_repetitions_are_found_when_they_are_applied(database, workspace):
    memory = Memory()
    async with database.transaction(workspace) as db:
        await ingest.record(db, workspace, [event("Direct", 1)], memory, now=NOW)
    async with database.transaction(workspace) as db:
        await append(db, workspace, [event("Direct", 1), event("Inbox", 2), event("Inbox", 2)])
        await append(db, workspace, [event("Inbox", 2)])

    assert await apply(database, workspace, memory) == 4
    assert await apply(database, workspace, memory) == 0
    async with database.transaction(workspace) as db:
        found = await db.execute(text("select name, count(*) from events group by name order by name"))
        assert [tuple(row) for row in found] == [("Direct", 1), ("Inbox", 1)]


async def test_another_body_under_an_id_is_put_on_the_list_of_refused_messages(database, workspace):
    async with database.transaction(workspace) as db:
        await append(db, workspace, [event("First", 1), event("Second", 1, body=2)])
    await apply(database, workspace, Memory())

    async with database.transaction(workspace) as db:
        names = list(await db.scalars(text("select name from events")))
        refused = (await db.execute(text("select code, message_id, item from rejected_messages"))).all()
    assert names == ["First"]
    assert [(code, message_id) for code, message_id, _ in refused] == [("message_id_reused", "m-1")]
    assert '"event":"Second"' in refused[0].item
    assert '"accountId":"acme"' in refused[0].item


async def test_whoever_is_deleted_before_it_is_applied_does_not_come_back(database, workspace):
    async with database.transaction(workspace) as db:
        ours = Envelope((EventMessage(NOW, "Ours", "globex", None, b"{}"),), None, 2)
        await append(db, workspace, [event("Theirs", 1), ours])
    async with database.transaction(workspace) as db:
        await suppressions.add(db, workspace, disguise(b"", workspace, "account", "acme"), "account", now=NOW)
        await db.execute(text("update workspaces set erasures = erasures + 1"))

    await apply(database, workspace, Memory())

    async with database.transaction(workspace) as db:
        assert list(await db.scalars(text("select name from events"))) == ["Ours"]
        assert list(await db.scalars(text("select external_id from accounts"))) == ["globex"]
        assert list(await db.scalars(text("select id from inbox"))) == []


async def test_a_group_is_as_large_as_its_bounds_and_never_empty(database, workspace):
    wide = [Envelope((AccountMessage(NOW, f"account-{n}", {"text": "x" * 100}),), None, n) for n in range(10)]
    async with database.transaction(workspace) as db:
        for _ in range(6):
            await append(db, workspace, wide)
    size = len(parcels.pack(wide))

    async def taken(**bounds):
        async with database.transaction(workspace) as db:
            found = await rows.take(db, workspace, rows.Bounds(**bounds))
            await db.rollback()
        return len(found)

    assert await taken(messages=35, size=2**20, parcels=100) == 3
    assert await taken(messages=9, size=2**20, parcels=100) == 1
    assert await taken(messages=100, size=2 * size, parcels=100) == 2
    assert await taken(messages=100, size=1, parcels=100) == 1
    assert await taken(messages=100, size=2**20, parcels=4) == 4


async def test_what_one_transaction_holds_another_passes_over(database, workspace):
    async with database.transaction(workspace) as db:
        for number in range(4):
            await append(db, workspace, [event("Login", number)])
    bounds = rows.Bounds(messages=2, size=2**20, parcels=100)

    async with database.transaction(workspace) as first:
        one = await rows.take(first, workspace, bounds)
        async with database.transaction(workspace) as second:
            other = await rows.take(second, workspace, bounds)

    ids = [row.id for row in (*one, *other)]
    assert len(ids) == len(set(ids)) == 4
