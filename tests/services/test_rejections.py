"""Keeping what was refused: bounds of age and size, numbers that outlive them, and forgetting people."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from app.db import rejections as rows
from app.domain.keys import secret
from app.domain.rejections import MOST_BYTES, MOST_IDS, Bounds, Wanted, refusal
from app.services import rejections
from app.workers.schedule import purge_rejected_messages

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOUNDS = Bounds.of(30, 1_000, 10_000_000)


def refused(item, *, source="api", code="missing_field"):
    return refusal(source, item, code=code, detail="A field is missing.")


@pytest.fixture
def keep(database, workspace):
    async def run(*items, at=NOW, bounds=BOUNDS, **more):
        async with database.transaction(workspace) as db:
            found = [refused(item, **more) for item in items]
            await rejections.keep(db, workspace, found, bounds=bounds, suppression_key=b"k", now=at)

    return run


@pytest.fixture
def left(database, workspace):
    """Message ids in the list, the oldest first; the total is checked on the way."""

    async def run():
        async with database.transaction(workspace) as db:
            found = await rejections.page(db, workspace, Wanted("all"), before=None, limit=10_000)
            total = (await db.execute(text("select rows, bytes from rejected_totals"))).one()
        assert tuple(total) == (len(found), sum(row["size"] for row in found))
        return [row["message_id"] for row in reversed(found)]

    return run


@pytest.fixture
def counts(database, workspace):
    async def run():
        async with database.transaction(workspace) as db:
            found = await rejections.counts(db, workspace, days=400, now=NOW + timedelta(days=60))
        return {(row["day"], row["code"]): (row["refused"], row["dropped"]) for row in found}

    return run


def numbered(start, end):
    return [{"messageId": f"m-{n}"} for n in range(start, end)]


async def test_the_oldest_go_when_there_are_too_many(keep, left, counts):
    few = Bounds.of(30, 10, 10_000_000)
    await keep(*numbered(0, 8), bounds=few)
    await keep(*numbered(8, 10), bounds=few)
    assert len(await left()) == 10

    await keep(*numbered(10, 12), bounds=few)

    assert await left() == [f"m-{n}" for n in range(3, 12)]
    assert await counts() == {(date(2026, 11, 22), "missing_field"): (12, 3)}


async def test_one_request_can_fill_the_list_by_itself(keep, left):
    await keep(*numbered(0, 500), bounds=Bounds.of(30, 100, 10_000_000))

    assert await left() == [f"m-{n}" for n in range(410, 500)]


async def test_the_oldest_go_when_they_are_too_large(keep, left):
    small = Bounds.of(30, 1_000, 10_000)
    for n in range(12):
        await keep({"messageId": f"m-{n}", "text": "x" * 1_000}, bounds=small)

    assert (await left())[-1] == "m-11"
    assert 8 <= len(await left()) <= 9


async def test_what_is_too_old_goes_with_the_recurring_job(keep, left, counts, runtime, clock):
    await keep(*numbered(0, 3), at=NOW - timedelta(days=31))
    await keep(*numbered(3, 5), at=NOW - timedelta(days=29))
    clock.at = NOW

    await purge_rejected_messages(runtime)
    await purge_rejected_messages(runtime)

    assert await left() == ["m-3", "m-4"]
    assert (await counts())[date(2026, 11, 22), "missing_field"] == (0, 3)


async def test_what_was_settled_is_not_counted_as_dropped(keep, counts, database, workspace):
    await keep(*numbered(0, 2))
    async with database.transaction(workspace) as db:
        (first, _) = await rejections.page(db, workspace, Wanted(), before=None, limit=2)
        await rejections.settle(db, workspace, [rows.Settled(first["id"], "accepted")], now=NOW)
        later = NOW + timedelta(days=31)
        assert await rejections.purge(db, workspace, bounds=BOUNDS, now=later) == 2

    assert (await counts())[later.date(), "missing_field"] == (0, 1)


async def test_a_total_that_strayed_is_set_right_and_old_numbers_go(keep, left, counts, database, workspace):
    await keep(*numbered(0, 2), at=NOW - timedelta(days=500))
    await keep(*numbered(2, 4))
    async with database.transaction(workspace) as db:
        await db.execute(text("update rejected_totals set rows = 77, bytes = -5"))
        await rejections.purge(db, workspace, bounds=BOUNDS, now=NOW)

    assert await left() == ["m-2", "m-3"]
    assert list(await counts()) == [(date(2026, 11, 22), "missing_field")]


async def test_what_a_retry_renews_makes_no_second_entry(keep, left, database, workspace):
    await keep({"messageId": "a", "sentAt": "1", "_metadata": {"n": 1}, "writeKey": "k1"})
    await keep({"messageId": "a", "sentAt": "2", "_metadata": {"n": 2}, "writeKey": "k2"})
    await keep({"messageId": "a", "sentAt": "1"}, source="segment")

    assert await left() == ["a", "a"]
    async with database.transaction(workspace) as db:
        items = list(await db.scalars(text("select item from rejected_messages order by id")))
    assert items[0] == '{"messageId":"a","sentAt":"1","_metadata":{"n":1}}'


async def test_a_mirrored_flood_does_not_deadlock(database, workspace, left):
    import asyncio

    found = [refused(item) for item in numbered(0, 100)]

    async def one(step):
        async with database.transaction(workspace) as db:
            await rejections.keep(db, workspace, found[::step], bounds=BOUNDS, suppression_key=b"k", now=NOW)

    await asyncio.gather(*(one((-1) ** n) for n in range(6)))

    assert len(await left()) == 100


@pytest.mark.parametrize(
    ("external_id", "item", "goes"),
    [
        ("user-1", {"userId": "user-1"}, True),
        ("user-1", {"a": [{"b": ["user-1"]}]}, True),
        ("user-1", {"user-1": 1}, True),
        ("user-1", {"userId": "user-12"}, False),
        ("user-1", {"userId": "user-2"}, False),
        ("17", {"userId": 17}, True),
        ("17", {"ids": [16, 17]}, True),
        ("17", [17], True),
        ("17", 17, True),
        ("17", {"userId": "17"}, True),
        ("17", {"userId": 170, "n": 1.17, "m": -17, "t": "a 17 b"}, False),
        ("-5", {"userId": -5}, True),
        ('é"\\\n\u0000', {"userId": 'é"\\\n\u0000'}, True),
        ("ada@acme.test", {"text": "mail to ada@acme.test, please"}, True),
        ("100%_.*[", {"userId": "100%_.*["}, True),
        ("anybody", {"text": "x" * MOST_BYTES}, True),
    ],
)
async def test_who_is_forgotten_is_in_no_item(keep, left, database, workspace, external_id, item, goes):
    await keep(item, {"messageId": "other", "userId": "somebody-else"})

    async with database.transaction(workspace) as db:
        assert await rows.forget(db, workspace, external_id) == goes

    assert await left() == (["other"] if goes else [None, "other"])


@pytest.mark.parametrize(
    ("change", "goes"),
    [
        ("message_id = 'u/1'", True),
        ("message_id = 'u/12'", False),
        ("pointer = '#/traits/u~11'", True),
        ("pointer = '#/traits/u~112'", False),
        ("detail = 'No field \"u/1\".'", True),
    ],
)
async def test_a_short_id_is_found_beside_the_item_too(keep, database, workspace, change, goes):
    await keep({"a": 1})

    async with database.transaction(workspace) as db:
        await db.execute(text("update rejected_messages set " + change))
        assert await rows.forget(db, workspace, "u/1") == goes


async def test_items_with_too_many_ids_are_only_counted_once_anybody_was_deleted(
    keep, left, counts, database, workspace, monkeypatch
):
    few = {"messageId": "few", "ids": list(range(MOST_IDS - 1))}
    many = {"messageId": "many", "ids": list(range(MOST_IDS))}
    large = {"messageId": "large", "text": "x" * MOST_BYTES}
    await keep(few, many, large)
    assert await left() == ["few", "many", "large"]

    async with database.transaction(workspace) as db:
        await db.execute(text("delete from rejected_messages"))
        await db.execute(text("delete from rejected_totals"))
        await db.execute(text("update workspaces set erasures = 1"))
    await keep(few, many, large)
    monkeypatch.setattr("app.services.rejections.NAMES_AT_ONCE", 2)
    await keep({"messageId": "a", "userId": "u"}, {"messageId": "b", "userId": "u"}, {"userId": "u"})

    assert await left() == ["few", "a", None]
    assert await counts() == {(date(2026, 11, 22), "missing_field"): (9, 0)}


def test_secrets_are_kept_nowhere():
    key = secret("live", ["ingest"], bytes(range(32)))
    item = {"messageId": key, "a": [{"writeKey": "hush", "b": [[{"write_key": {"c": "hush"}}]], key: f"x{key}y"}]}
    found = refusal("segment", item, code="c", detail=f"No {key}.", pointer=f"#/{key}")

    assert found.item == '{"messageId":"(API key)","a":[{"b":[[{}]],"(API key)":"x(API key)y"}]}'
    assert (found.detail, found.pointer, found.message_id) == ("No (API key).", "#/(API key)", "(API key)")
    assert "hush" in str(item)


async def test_forgetting_leaves_other_workspaces_alone(keep, left, database, other_workspace):
    await keep({"messageId": "a", "userId": "user-1"})

    async with database.transaction(other_workspace) as db:
        assert await rows.forget(db, other_workspace, "user-1") == 0

    assert await left() == ["a"]
