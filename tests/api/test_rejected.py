"""The list of what was refused: nothing refused goes unseen, and all of it can be tried again."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from dirty_equals import IsList, IsPartialDict, IsStr
from sqlalchemy import text

from app.api.shelf import Shelf
from app.db import rejections as rows
from app.db.base import DatabaseUnavailable
from app.domain import suppression
from app.domain.ids import new_id
from app.intake.reading import BadMessage
from app.services import rejections

LIST = "/api/v1/rejected-messages"
EVENT = {"type": "event", "messageId": "e-1", "userId": "user-1", "accountId": "acme", "event": "Login"}
BAD = {**EVENT, "event": " "}


async def send(client, *messages, **envelope):
    answer = await client.post("/api/v1/batch", json={"messages": list(messages), **envelope})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def send_raw(client, *items):
    """Items as JSON texts, since some cannot be written by a decent library."""
    body = b'{"messages":[' + b",".join(items) + b"]}"
    answer = await client.post("/api/v1/batch", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def listed(client, **params):
    answer = await client.get(LIST, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def the_one(client):
    (found,) = await listed(client)
    return (await client.get(f"{LIST}/{found['id']}")).json()


async def replay(client, id_, **body):
    return await client.post(f"{LIST}/{id_}/replay", **({"json": body} if body else {}))


async def counted(client):
    """(source, code) -> (refused, dropped), whatever the day."""
    data = (await client.get(f"{LIST}/counts")).json()["data"]
    return {(row["source"], row["code"]): (row["refused"], row["dropped"]) for row in data}


async def events_of(client, account="acme"):
    answer = await client.get(f"/api/v1/accounts/{account}")
    return answer.json()["events"] if answer.status_code == 200 else 0


async def total(database, workspace):
    """The total that is kept, and the one that is true."""
    async with database.transaction(workspace) as db:
        kept = (await db.execute(text("select rows, bytes from rejected_totals"))).one()
        true = (await db.execute(text("select count(*), coalesce(sum(size), 0) from rejected_messages"))).one()
    assert tuple(kept) == tuple(true)
    return tuple(true)


async def test_what_is_refused_is_kept_with_reason_source_and_time(client, clock):
    clock.at = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    await send(client, BAD, {**EVENT, "messageId": "e-2"})

    found = await the_one(client)

    assert found == {
        "id": IsStr(regex="rej_[0-9a-f]{32}"),
        "source": "api",
        "keyId": IsStr(regex="key_[0-9a-f]{32}"),
        "code": "blank_name",
        "detail": "An event needs a name.",
        "pointer": "#/event",
        "messageId": "e-1",
        "size": len(json.dumps(BAD, separators=(",", ":"))),
        "replayable": True,
        "firstAt": "2026-11-22T09:30:00Z",
        "lastAt": "2026-11-22T09:30:00Z",
        "times": 1,
        "triedAt": None,
        "outcome": None,
        "replayedAt": None,
        "item": BAD,
        "excerpt": None,
    }
    assert await counted(client) == {("api", "blank_name"): (1, 0)}


async def test_an_item_sent_again_is_counted_not_listed_twice(client, clock):
    clock.at = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    await send(client, BAD, BAD, sentAt="2026-11-22T09:30:00Z")
    clock.at += timedelta(minutes=5)
    await send(client, BAD, sentAt="2026-11-22T09:35:00Z")

    found = await the_one(client)

    assert (found["times"], found["firstAt"], found["lastAt"]) == (3, "2026-11-22T09:30:00Z", "2026-11-22T09:35:00Z")
    assert await counted(client) == {("api", "blank_name"): (3, 0)}


async def test_a_message_id_used_twice_is_kept_with_its_second_body(client):
    other = {**EVENT, "event": "Other"}
    await send(client, EVENT)
    await send(client, EVENT, other)

    found = await the_one(client)

    assert found == IsPartialDict(code="message_id_reused", messageId="e-1", item=other)
    assert (await replay(client, found["id"])).json() == IsPartialDict(outcome="conflict", code="message_id_reused")
    assert (await replay(client, found["id"], item={**other, "messageId": "e-2"})).json()["outcome"] == "accepted"
    assert await events_of(client) == 2


async def test_a_message_sent_alone_is_not_kept_since_its_sender_has_the_answer(client):
    answer = await client.post("/api/v1/accounts", json={"externalId": "acme", "messageId": "a-1"})
    again = await client.post("/api/v1/accounts", json={"externalId": "acme", "messageId": "a-1", "traits": {"a": 1}})
    await client.post("/api/v1/events", json={"event": " ", "userId": "u"})

    assert (answer.status_code, again.status_code) == (200, 409)
    assert await listed(client) == []


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (rb'{"type":"event","event":"a\u0000b","userId":"u"}', "nul_character"),
        (
            rb'{"type":"event","event":"E","userId":"u","properties":{"a\u0000b":1},"messageId":"m\u0000"}',
            "nul_character",
        ),
        (b'{"type":"event","event":"E","userId":"u","properties":{"n":' + b"9" * 4000 + b"}}", "out_of_range"),
        (b'{"type":"event","event":"E","userId":"u","properties":{"n":1e999,"m":[-1e999]}}', "not_finite"),
        (b'{"type":"event","event":"E","userId":"u","properties":{"n":' + b"[" * 150 + b"]" * 150 + b"}}", "too_deep"),
        (b'{"type":"event","event":"E","userId":"u","p":{"Infinity":"-Infinity \\" Infinity"}}', "unknown_field"),
        ('{"type":"event","event":"E","userId":"é\u202e\U0001f600","p":"\\n"}'.encode(), "unknown_field"),
        (b'"text"', "invalid_message"),
        (b"null", "invalid_message"),
        (b"[1,[2]]", "invalid_message"),
        (b"1e999", "not_finite"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_hostile_items_are_shown_as_they_came(client, item, code):
    answer = await send_raw(client, item, json.dumps(EVENT).encode())
    assert answer["results"] == ["rejected", "accepted"]

    (found,) = await listed(client)
    shown = await client.get(f"{LIST}/{found['id']}")

    assert (shown.status_code, found["code"]) == (200, code)
    assert json.loads(shown.content)["item"] == json.loads(item)
    assert b"NaN" not in shown.content
    assert b":Infinity" not in shown.content
    assert (await replay(client, found["id"])).json() == IsPartialDict(outcome="rejected", code=code)


async def test_an_event_of_40_kb_is_kept_whole_and_a_huge_one_in_part(client):
    large = {**EVENT, "properties": {f"p{n}": "x" * 8000 for n in range(5)}}
    huge = {**EVENT, "messageId": "e-2", "properties": {f"p{n}": "é" * 4000 for n in range(10)}}
    await send(client, large, huge)

    kept, cut = sorted(await listed(client), key=lambda row: row["messageId"])
    shown = (await client.get(f"{LIST}/{cut['id']}")).json()

    assert (kept["replayable"], cut["replayable"]) == (True, False)
    assert (await client.get(f"{LIST}/{kept['id']}")).json()["item"] == large
    assert (shown["item"], len(shown["excerpt"].encode())) == (None, cut["size"])
    assert 65_530 <= cut["size"] <= 65_536
    refused = await replay(client, cut["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "not_replayable")
    mended = await replay(client, cut["id"], item={**EVENT, "messageId": "e-2"})
    assert mended.json()["outcome"] == "accepted"
    assert [row["id"] for row in await listed(client, replayable=False, state="all")] == [cut["id"]]


async def test_a_mended_item_is_taken_once_as_of_when_it_first_came(client, clock):
    clock.at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    await send(client, BAD)
    id_ = (await listed(client))[0]["id"]
    clock.at += timedelta(days=2)

    first = await replay(client, id_, item=EVENT)
    again = await replay(client, id_)
    third = await replay(client, id_, item={**EVENT, "messageId": "e-2"})

    assert (first.status_code, first.json()) == (
        200,
        {"id": id_, "outcome": "accepted", "code": None, "detail": None, "pointer": None},
    )
    assert (again.status_code, again.json()["outcome"]) == (200, "accepted")
    assert (third.status_code, third.json()["code"]) == (409, "already_replayed")
    assert await events_of(client) == 1
    (event,) = (await client.get("/api/v1/accounts/acme/events")).json()["data"]
    assert event["occurredAt"] == "2026-11-20T12:00:00Z"
    assert await listed(client) == []
    assert await listed(client, state="replayed") == [
        IsPartialDict(id=id_, outcome="accepted", replayedAt="2026-11-22T12:00:00Z")
    ]


async def test_an_item_without_an_id_is_taken_once_however_often_it_is_replayed(client, database, workspace):
    await send(client, {key: value for key, value in BAD.items() if key != "messageId"})
    id_ = (await listed(client))[0]["id"]
    unnamed = {key: value for key, value in EVENT.items() if key != "messageId"}

    outcomes = []
    for _ in range(3):
        outcomes.append((await replay(client, id_, item=unnamed)).json()["outcome"])
        async with database.transaction(workspace) as db:  # as if the process had died before it noted the outcome
            await db.execute(text("update rejected_messages set replayed_at = null"))

    assert outcomes == ["accepted", "duplicate", "duplicate"]
    assert await events_of(client) == 1


async def test_two_replays_at_once_take_it_once(client):
    await send(client, {"type": "event", "userId": "user-1", "accountId": "acme"})
    id_ = (await listed(client))[0]["id"]

    answers = await asyncio.gather(
        *(replay(client, id_, item={"type": "event", "event": "E", "accountId": "acme"}) for _ in range(6))
    )

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert [a.json().get("outcome") for a in answers].count("accepted") == 1
    assert await events_of(client) == 1


async def test_the_clock_of_the_sender_is_corrected_in_a_replay_too(client, clock):
    clock.at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    wrong = clock.at + timedelta(days=400)
    item = {**BAD, "timestamp": (wrong - timedelta(minutes=5)).isoformat()}
    await send(client, item, sentAt=wrong.isoformat())
    kept = await the_one(client)
    clock.at += timedelta(days=3)

    assert kept["item"] == {**item, "sentAt": wrong.isoformat()}
    assert (await replay(client, kept["id"], item={**kept["item"], "event": "E"})).json()["outcome"] == "accepted"
    (event,) = (await client.get("/api/v1/accounts/acme/events")).json()["data"]
    assert event["occurredAt"] == "2026-06-01T11:55:00Z"


async def test_a_replay_that_fails_says_why_and_stays_open(client):
    await send(client, BAD)
    id_ = (await listed(client))[0]["id"]

    answer = await replay(client, id_, item={**EVENT, "userId": ""})

    assert answer.json() == IsPartialDict(outcome="rejected", code="blank_id", pointer="#/userId")
    assert await listed(client) == [
        IsPartialDict(id=id_, code="blank_id", outcome="rejected", replayedAt=None, triedAt=IsStr())
    ]
    assert (await counted(client)).keys() == {("api", "blank_name")}


@pytest.mark.parametrize("item", [5, "text", [], {"sentAt": 5}, {"type": "event", "event": "E"}])
async def test_a_mended_item_can_be_bad_as_well(client, item):
    await send(client, BAD)
    id_ = (await listed(client))[0]["id"]

    assert (await replay(client, id_, item=item)).json()["outcome"] == "rejected"
    assert len(await listed(client)) == 1


async def test_what_comes_again_after_it_was_replayed_is_open_again(client):
    await send(client, BAD)
    id_ = (await listed(client))[0]["id"]
    await replay(client, id_, item=EVENT)
    await send(client, BAD)

    assert await listed(client) == [IsPartialDict(id=id_, times=2, outcome=None)]
    assert (await replay(client, id_, item=EVENT)).json()["outcome"] == "duplicate"


async def test_all_that_match_are_replayed_in_bounded_steps(client, monkeypatch):
    monkeypatch.setattr("app.services.rejections.REPLAYED_AT_ONCE", 4)
    late = [{**EVENT, "messageId": f"e-{n}", "properties": {"n": n}} for n in range(10)]

    def refuse(*_, **__):
        raise BadMessage("A rule that is mended later.", code="limit_exceeded")

    with monkeypatch.context() as patch:
        patch.setattr("app.intake.reading.read_item", refuse)
        await send(client, *late)
    await send(client, BAD, {**EVENT, "messageId": "x", "userId": ""})

    steps, cursor = [], None
    while True:
        answer = (await client.post(f"{LIST}/replay", json={"cursor": cursor} if cursor else {})).json()
        steps.append((answer["accepted"], answer["rejected"]))
        if not answer["hasMore"]:
            break
        cursor = answer["nextCursor"]

    assert steps == [(4, 0), (4, 0), (2, 2)]
    assert answer["stillRefused"] == IsList(
        IsPartialDict(code="blank_name", count=1, detail="An event needs a name."),
        IsPartialDict(code="blank_id", count=1, example=IsStr()),
        check_order=False,
    )
    assert await events_of(client) == 10
    assert {row["code"] for row in await listed(client)} == {"blank_name", "blank_id"}


async def test_only_what_the_filter_names_is_replayed(client):
    await send(client, BAD, {**EVENT, "messageId": "x", "userId": ""})

    answer = (await client.post(f"{LIST}/replay", json={"code": "blank_id"})).json()
    none = (await client.post(f"{LIST}/replay", json={"source": "segment"})).json()

    assert (answer["rejected"], answer["stillRefused"][0]["code"]) == (1, "blank_id")
    assert none == IsPartialDict(rejected=0, hasMore=False, stillRefused=[])


async def test_a_step_is_bounded_in_bytes_too(client, monkeypatch):
    monkeypatch.setattr("app.services.rejections.REPLAYED_BYTES", 300)
    await send(client, *({**BAD, "messageId": f"e-{n}", "properties": {"t": "x" * 100}} for n in range(5)))

    answer = (await client.post(f"{LIST}/replay", json={})).json()

    assert (answer["rejected"], answer["hasMore"]) == (1, True)


async def test_the_list_is_walked_page_by_page_and_filtered(client, clock):
    clock.at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    await send(client, *({**BAD, "messageId": f"b-{n}"} for n in range(7)))
    clock.at += timedelta(days=1)
    await send(client, *({**EVENT, "userId": "", "messageId": f"u-{n}"} for n in range(3)))

    seen, cursor = [], None
    while True:
        page = (await client.get(LIST, params={"limit": 4, **({"cursor": cursor} if cursor else {})})).json()
        seen += [row["messageId"] for row in page["data"]]
        cursor = page["nextCursor"]
        if not page["hasMore"]:
            break

    assert seen == [f"u-{n}" for n in (2, 1, 0)] + [f"b-{n}" for n in (6, 5, 4, 3, 2, 1, 0)]
    assert len(await listed(client, code="blank_id")) == 3
    assert len(await listed(client, until="2026-11-21T00:00:00Z")) == 7
    assert len(await listed(client, since="2026-11-21T00:00:00Z", source="api")) == 3
    assert await listed(client, source="segment") == []
    wrong = await client.get(LIST, params={"code": "blank_id", "cursor": page["nextCursor"] or "x"})
    assert wrong.json()["code"] == "invalid_cursor"


async def test_one_or_many_are_deleted_and_stay_in_the_counts(client, database, workspace):
    await send(client, *({**BAD, "messageId": f"b-{n}"} for n in range(5)), {**EVENT, "userId": ""})
    (one, *_) = await listed(client, code="blank_name")

    gone = await client.delete(f"{LIST}/{one['id']}")
    again = await client.delete(f"{LIST}/{one['id']}")
    all_ = await client.delete(LIST)
    some = await client.delete(LIST, params={"code": "blank_name"})

    assert (gone.status_code, again.status_code) == (204, 404)
    assert (all_.status_code, all_.json()["code"]) == (422, "no_filter")
    assert some.json() == {"deleted": 4, "hasMore": False}
    assert [row["code"] for row in await listed(client)] == ["blank_id"]
    assert await counted(client) == {("api", "blank_name"): (5, 0), ("api", "blank_id"): (1, 0)}
    assert (await total(database, workspace))[0] == 1


async def test_a_flood_does_not_outrun_the_bounds(app, client, database, workspace):
    state = app.state.steward
    flood = [
        [{**BAD, "messageId": f"b-{batch}-{n}", "properties": {"n": n}} for n in range(500)] for batch in range(40)
    ]
    for start in range(0, 40, 4):
        await asyncio.gather(*(send(client, *items) for items in flood[start : start + 4]))
        rows_, bytes_ = await total(database, workspace)
        assert rows_ <= state.settings.rejected_rows
        assert bytes_ <= state.settings.rejected_bytes

    refused, dropped = (await counted(client))["api", "blank_name"]
    assert (refused, dropped) == (20_000, 20_000 - rows_)
    assert rows_ >= 9_000
    assert (await listed(client))[0]["messageId"].startswith("b-3")


async def test_a_flood_of_large_items_keeps_within_the_bytes(client, database, workspace, app, monkeypatch):
    shelf = app.state.steward.shelf
    monkeypatch.setattr(shelf, "_bounds", rejections.Bounds.of(30, 10_000, 2_000_000))
    for batch in range(6):
        await send(
            client,
            *(
                {**BAD, "messageId": f"b-{batch}-{n}", "properties": {f"p{i}": "x" * 8000 for i in range(4)}}
                for n in range(30)
            ),
        )
        assert (await total(database, workspace))[1] <= 2_000_000

    assert sum((await counted(client))["api", "blank_name"]) == 180 + 180 - (await total(database, workspace))[0]


async def test_nothing_refused_goes_unseen_when_it_cannot_be_kept(client, monkeypatch):
    async def away(*_, **__):
        raise DatabaseUnavailable("The database did not answer in time.")

    with monkeypatch.context() as patch:
        patch.setattr(rows, "keep", away)
        answer = await client.post("/api/v1/batch", json={"messages": [EVENT, BAD]})
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    again = await send(client, EVENT, BAD)

    assert again["results"] == ["duplicate", "rejected"]
    assert len(await listed(client)) == 1


async def test_refusals_of_many_requests_at_once_share_transactions(client, app, monkeypatch):
    calls = []
    keep = rejections.keep

    async def counting(db, workspace_id, refusals, **more):
        calls.append(len(refusals))
        await keep(db, workspace_id, refusals, **more)

    monkeypatch.setattr("app.api.shelf.rejections.keep", counting)
    await asyncio.gather(*(send(client, {**BAD, "messageId": f"m-{n % 20}"}) for n in range(60)))

    assert (sum(calls), len(calls) < 60) == (60, True)
    assert sum(row["times"] for row in await listed(client)) == 60


async def test_too_many_waiting_are_asked_to_come_back_before_anything_is_stored(client, monkeypatch):
    monkeypatch.setattr("app.api.shelf.MOST_WAITING", 3)
    keep, entered, go_on = rejections.keep, asyncio.Event(), asyncio.Event()

    async def slow(*args, **more):
        entered.set()
        await go_on.wait()
        await keep(*args, **more)

    monkeypatch.setattr("app.api.shelf.rejections.keep", slow)
    unnamed = {key: value for key, value in EVENT.items() if key != "messageId"}
    first = asyncio.create_task(send(client, *({**BAD, "messageId": f"m-{n}"} for n in range(2))))
    await entered.wait()
    second = await client.post("/api/v1/batch", json={"messages": [unnamed, BAD, {**BAD, "messageId": "e-2"}]})
    go_on.set()
    await first

    assert (second.status_code, second.json()["code"]) == (503, "overloaded")
    assert (await events_of(client), len(await listed(client))) == (0, 2)


async def test_one_request_can_have_more_than_may_wait(app, client, monkeypatch):
    monkeypatch.setattr("app.api.shelf.MOST_WAITING", 3)
    for _ in range(2):
        await send(client, *({**BAD, "messageId": f"m-{n}"} for n in range(5)))

    assert [row["times"] for row in await listed(client)] == [2] * 5
    assert not app.state.steward.shelf._held


async def test_who_was_deleted_is_not_kept(client, app, database, workspace):
    key = suppression.key(app.state.steward.settings.secret_key.get_secret_value())
    async with database.transaction(workspace) as db:
        await db.execute(
            text("insert into suppressions (workspace_id, disguise, kind) values (:w, :d, 'user')"),
            {"w": workspace, "d": suppression.disguise(key, workspace, "user", "user-1")},
        )
        await db.execute(text("update workspaces set erasures = 1"))
    await send(client, BAD, {**BAD, "userId": "user-2"})

    assert [row["times"] for row in await listed(client)] == [1]
    assert (await the_one(client))["item"]["userId"] == "user-2"
    assert await counted(client) == {("api", "blank_name"): (2, 0)}

    id_ = (await listed(client))[0]["id"]
    assert (await replay(client, id_, item=EVENT)).json()["outcome"] == "suppressed"
    assert await listed(client, state="all") == []
    assert (await total(database, workspace)) == (0, 0)


async def test_a_workspace_sees_its_own_refusals_only(client, make_client, other_workspace):
    await send(client, BAD)
    id_ = (await listed(client))[0]["id"]
    other = await make_client(other_workspace)
    await send(other, {**EVENT, "userId": ""})

    assert [row["code"] for row in await listed(other)] == ["blank_id"]
    assert await counted(other) == {("api", "blank_id"): (1, 0)}
    assert (await replay(other, id_, item=EVENT)).status_code == 404
    assert (await other.post(f"{LIST}/replay", json={})).json()["rejected"] == 1
    assert (await other.delete(LIST, params={"code": "blank_name"})).json()["deleted"] == 0
    assert len(await listed(client)) == 1


async def test_unknown_ids_are_not_found(client):
    for path in (f"{LIST}/rej_{new_id().hex}", f"{LIST}/nonsense", f"{LIST}/acc_{new_id().hex}"):
        assert (await client.get(path)).json()["code"] == "unknown_rejected_message"
        assert (await client.delete(path)).status_code == 404
        assert (await client.post(f"{path}/replay")).status_code == 404


async def test_refusals_show_in_the_metrics(client):
    await send(client, BAD)

    page = (await client.get("/metrics")).text
    assert 'steward_refused_messages_total{code="blank_name",source="api"}' in page


async def test_the_shelf_survives_a_deleted_workspace(app, database):
    shelf: Shelf = app.state.steward.shelf
    from app.domain.keys import InvalidKey
    from app.domain.rejections import refusal

    with pytest.raises(InvalidKey):
        await shelf.keep(new_id(), [refusal("api", {"a": 1}, code="unknown_type", detail="d")])


TRACK = {"type": "track", "messageId": "t-1", "userId": "user-1", "event": "Login", "context": {"groupId": "acme"}}


async def test_what_a_tracking_library_sent_is_kept_without_its_key_and_replayed(client, clock):
    clock.at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    bad = {**TRACK, "event": None, "timestamp": "2026-11-22T11:00:00Z", "_metadata": {"nodeVersion": "1"}}
    batch = {"batch": [bad, {**TRACK, "messageId": "t-2"}], "sentAt": "2026-11-22T11:59:00Z", "writeKey": "secret"}
    assert (await client.post("/v1/batch", json=batch)).status_code == 200
    retry = {**batch, "sentAt": "2026-11-22T12:00:00Z", "batch": [{**bad, "_metadata": {"nodeVersion": "2"}}]}
    assert (await client.post("/v1/batch", json=retry)).status_code == 200

    found = await the_one(client)

    assert (found["source"], found["times"], found["messageId"]) == ("segment", 2, "t-1")
    assert "secret" not in json.dumps(found)
    clock.at += timedelta(days=1)
    mended = await replay(client, found["id"], item={**found["item"], "event": "Login"})
    assert mended.json()["outcome"] == "accepted"
    listed_ = (await client.get("/api/v1/accounts/acme/events")).json()["data"]
    assert sorted(row["occurredAt"] for row in listed_) == ["2026-11-22T11:01:00Z", "2026-11-22T12:00:00Z"]


async def test_a_single_call_that_is_refused_is_kept_too(client):
    answer = await client.post("/v1/track", json={"userId": "user-1", "event": "", "messageId": "t-1"})

    assert answer.status_code == 400
    assert await listed(client) == [IsPartialDict(source="segment", messageId="t-1")]


async def test_an_event_over_a_limit_is_replayed_once_the_limit_is_raised(client, app, monkeypatch):
    large = {**TRACK, "properties": {"text": "x" * 40_000}}
    assert (await client.post("/v1/batch", json={"batch": [large]})).status_code == 200
    id_ = (await listed(client))[0]["id"]

    before = (await replay(client, id_)).json()
    monkeypatch.setattr(app.state.steward.shelf, "_event_bytes", 64 * 1024)
    after = (await client.post(f"{LIST}/replay", json={"source": "segment", "code": "limit_exceeded"})).json()

    assert before == IsPartialDict(outcome="rejected", code="limit_exceeded")
    assert after == IsPartialDict(accepted=1, rejected=0, hasMore=False)
    assert await events_of(client) == 1
