"""Bulk imports over the API: files in parts, dry runs, errors by row, restarts, and nothing doubled."""

import asyncio
import hashlib
import random
from itertools import pairwise
from uuid import UUID

import pytest
from sqlalchemy import text

from app.db import workspaces
from app.db.base import Outpaced
from app.domain.imports import MOST_OPEN, PART_BYTES, SAMPLES
from app.workers import imports as work
from app.workers.crew import Crew

URL = "/api/v1/imports"
TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
where c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'alembic_version' and exists (
    select from pg_attribute a where a.attrelid = c.oid and a.attname = 'workspace_id' and not a.attisdropped)
"""
OF_IMPORTS = {"imports", "import_parts", "import_errors", "jobs", "api_keys"}


@pytest.fixture
def sizes(database, workspace):
    """How many rows of this workspace every table has."""

    async def count():
        async with database.transaction(workspace) as db:
            names = (await db.scalars(text(TABLES))).all()
            counted = set(names) - {"audit_entries"}  # that a file was brought is told each time
            return {name: await db.scalar(text(f"select count(*) from {name}")) for name in sorted(counted)}

    return count


class Importer:
    """A client that imports, and does the work in between."""

    def __init__(self, client, drain):
        self.client, self.drain = client, drain

    async def announce(self, data, kind="accounts", status=201, **options):
        body = {"kind": kind, "sha256": hashlib.sha256(data).hexdigest(), **options}
        made = await self.client.post(URL, json={name: value for name, value in body.items() if value is not None})
        assert made.status_code == status, made.text
        return made.json()

    async def bring(self, import_id, data, cuts=()):
        edges = [0, *cuts, len(data)]
        for number, (begin, end) in enumerate(pairwise(edges), 1):
            put = await self.client.put(
                f"{URL}/{import_id}/parts/{number}", content=data[begin:end], headers={"content-type": "text/csv"}
            )
            assert put.status_code == 200, put.text

    async def begin(self, import_id, verb="start"):
        started = await self.client.post(f"{URL}/{import_id}/{verb}")
        assert started.status_code == 202, started.text

    async def get(self, import_id):
        return (await self.client.get(f"{URL}/{import_id}")).json()

    async def errors(self, import_id):
        page = (await self.client.get(f"{URL}/{import_id}/errors", params={"limit": 200})).json()
        return [(row["row"], row["code"], row["column"]) for row in page["data"]]

    async def __call__(self, data, kind="accounts", verb="start", cuts=(), **options):
        """Import a file to the end; the import as it is then."""
        data = data.encode() if isinstance(data, str) else data
        made = await self.announce(data, kind, **options)
        await self.bring(made["id"], data, cuts)
        await self.begin(made["id"], verb)
        await self.drain()
        return await self.get(made["id"])


@pytest.fixture
def bring_in(client, runtime, workspace):
    async def work_off():
        """All jobs; what follows from the rows is evaluated elsewhere."""
        await Crew(runtime).drain(only_workspace=workspace)

    return Importer(client, work_off)


def accounts(count, *, begin=0):
    lines = [f'acme-{n},"Acme {n}, Inc.",{n % 7},{"true" if n % 2 else "false"}' for n in range(begin, begin + count)]
    return "\n".join(["accountId,name,seats,active", *lines]) + "\n"


async def test_a_file_of_ten_thousand_rows_arrives_whole(bring_in, client, sizes):
    data = accounts(10_000).encode()

    done = await bring_in(data, cuts=[100_000, 200_000])

    assert (done["state"], done["rowsRead"], done["accepted"], done["rejected"]) == ("done", 10_000, 10_000, 0)
    assert (done["bytesDone"], done["progress"]) == (len(data), 1.0)
    assert done["rowsPerSecond"] > 0
    assert [column["field"] for column in done["columns"]] == ["accountId", "name", "traits.seats", "traits.active"]
    after = await sizes()
    assert (after["accounts"], after["import_parts"]) == (10_000, 0)
    one = (await client.get("/api/v1/accounts/acme-9")).json()
    assert one["traits"] == {"name": "Acme 9, Inc.", "seats": 2, "active": True}


@pytest.mark.parametrize("sample", SAMPLES)
async def test_a_sample_imports_as_it_is(bring_in, client, sizes, sample):
    kind, _, ending = sample.partition(".")
    found = await client.get(f"{URL}/samples/{sample}")
    assert found.headers["content-disposition"] == f'attachment; filename="{sample}"'

    done = await bring_in(found.text, kind, format=ending)

    assert (done["state"], done["rejected"], done["rowsRead"]) == ("done", 0, done["accepted"])
    table = {"nps_responses": "survey_responses"}.get(kind, kind)
    assert (await sizes())[table] >= done["rowsRead"]


async def test_there_is_no_other_sample(client):
    answer = await client.get(f"{URL}/samples/owners.csv")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_sample")


@pytest.mark.parametrize("kind", ["accounts", "users", "events"])
async def test_the_same_file_twice_doubles_nothing(bring_in, client, sizes, kind):
    lines = SAMPLES[f"{kind}.csv"].splitlines()
    # Without message ids of their own.
    data = (
        "\n".join(
            ",".join(cell for cell in line.split(",") if not cell.startswith(("messageId", "export-", "sign-")))
            for line in lines
        )
        if kind == "events"
        else SAMPLES[f"{kind}.csv"]
    )
    first = await bring_in(data, kind)
    before = await sizes()

    again = await bring_in(data, kind)

    assert again["id"] != first["id"]
    assert (again["state"], again["accepted"], again["duplicates"]) == ("done", 0, 3)
    after = await sizes()
    assert {name: n for name, n in after.items() if name not in OF_IMPORTS} == {
        name: n for name, n in before.items() if name not in OF_IMPORTS
    }


async def test_a_corrected_mapping_corrects_accounts_and_never_doubles_events(bring_in, client, sizes):
    await bring_in("accountId,tier\nacme,Team\n")
    fixed = await bring_in("accountId,tier\nacme,Team\n", mapping={"tier": "traits.plan"})
    assert fixed["accepted"] == 1
    assert (await client.get("/api/v1/accounts/acme")).json()["traits"] == {"tier": "Team", "plan": "Team"}

    events = "event,accountId,how\nExported,acme,pdf\n"
    await bring_in(events, "events")
    again = await bring_in(events, "events", mapping={"how": "properties.format"})
    assert (again["accepted"], again["rejected"]) == (0, 1)
    assert await bring_in.errors(again["id"]) == [(2, "message_id_reused", None)]
    assert (await sizes())["events"] == 1


async def test_a_check_stores_nothing_and_tells_what_is_wrong(bring_in, client, sizes):
    data = "Company,Seats,When,timestamp\nacme,5,x,2026-03-01\n,6,x,2026-03-01\nglobex,7,x,yesterday\ninitech,8\n"
    before = await sizes()

    checked = await bring_in(data, verb="check", mapping={"Company": "accountId", "When": ""})

    assert (checked["state"], checked["rowsRead"], checked["accepted"], checked["rejected"]) == ("checked", 4, 1, 3)
    assert [(one["column"], one["field"]) for one in checked["columns"]] == [
        ("Company", "accountId"),
        ("Seats", "traits.Seats"),
        ("When", None),
        ("timestamp", "timestamp"),
    ]
    assert await bring_in.errors(checked["id"]) == [
        (3, "missing_field", "Company"),
        (4, "invalid_timestamp", "timestamp"),
        (5, "ragged_row", None),
    ]
    after = await sizes()
    assert {name for name in after if after[name] != before[name]} <= OF_IMPORTS

    await bring_in.begin(checked["id"])
    await bring_in.drain()
    done = await bring_in.get(checked["id"])
    assert (done["state"], done["accepted"], done["rejected"]) == ("done", 1, 3)
    assert (await sizes())["accounts"] == 1
    assert (await client.get("/api/v1/accounts/acme")).json()["traits"] == {"Seats": 5}


async def test_an_interrupted_upload_goes_on_where_it_was(bring_in, client):
    data = accounts(200).encode()
    made = await bring_in.announce(data)
    await bring_in.bring(made["id"], data[:1000])
    refused = await client.post(f"{URL}/{made['id']}/start")  # the file is not whole, and cannot be known not to be

    assert refused.status_code == 202
    await bring_in.drain()
    failed = await bring_in.get(made["id"])
    assert (failed["state"], failed["error"]["code"]) == ("failed", "checksum_mismatch")

    same = await bring_in.announce(data)
    assert (same["id"], same["parts"]) == (made["id"], 1)
    await client.put(f"{URL}/{made['id']}/parts/2", content=data[1000:])
    await bring_in.begin(made["id"])
    await bring_in.drain()
    assert (await bring_in.get(made["id"]))["accepted"] == 200


async def test_parts_must_be_without_gaps_and_stay_as_they_are(bring_in, client):
    made = await bring_in.announce(b"whatever", sha256=None)
    empty = await client.post(f"{URL}/{made['id']}/start")
    assert (empty.status_code, empty.json()["code"]) == (409, "import_incomplete")
    for number in (1, 4):
        await client.put(f"{URL}/{made['id']}/parts/{number}", content=b"accountId\nacme\n")
    refused = await client.post(f"{URL}/{made['id']}/check")
    assert (refused.status_code, refused.json()["context"]) == (409, {"missing": [2, 3]})

    for number in (2, 3, 2):
        await client.put(f"{URL}/{made['id']}/parts/{number}", content=b"globex\n")
    await bring_in.begin(made["id"])
    again = await client.put(f"{URL}/{made['id']}/parts/2", content=b"globex\n")
    other = await client.put(f"{URL}/{made['id']}/parts/2", content=b"initech\n")
    assert (again.status_code, other.status_code, other.json()["code"]) == (200, 409, "import_closed")


async def test_bounds_are_kept(bring_in, client, app):
    made = await bring_in.announce(b"x", sha256=None)
    path = f"{URL}/{made['id']}/parts/1"
    large = await client.put(path, content=b"x" * (PART_BYTES + 1))
    assert (large.status_code, large.json()["code"]) == (413, "payload_too_large")
    assert (await client.put(path, content=b"")).json()["code"] == "import_too_large"
    assert (await client.put(f"{URL}/{made['id']}/parts/10001", content=b"x")).status_code == 422
    state = app.state.steward
    kept = state.settings
    state.settings = kept.model_copy(update={"import_bytes": 1500})
    try:
        assert (await client.put(path, content=b"x" * 1000)).status_code == 200
        assert (await client.put(path, content=b"y" * 1500)).status_code == 200
        over = await client.put(f"{URL}/{made['id']}/parts/2", content=b"x")
        assert (over.status_code, over.json()["code"]) == (422, "import_too_large")
    finally:
        state.settings = kept
    for number in range(MOST_OPEN - 1):
        await bring_in.announce(str(number).encode())
    assert (await bring_in.announce(b"one more", status=409))["code"] == "too_many_imports"


async def test_a_mapping_that_cannot_be_meant_is_refused_at_once(bring_in):
    for mapping in ({"a": "plan"}, {"a": "properties.plan"}, {"a": "traits."}, {"a": "accountId", "b": "accountId"}):
        assert (await bring_in.announce(b"a,b\n", status=422, mapping=mapping))["code"] == "unknown_target"


@pytest.mark.parametrize(
    ("data", "options", "code"),
    [
        (b"\xff\xfea\x00c\x00", {}, "unreadable_file"),
        (b"PK\x03\x04whatever", {}, "unreadable_file"),
        (b"accountId,name\xe9\nacme,x\n", {}, "unreadable_file"),
        (b"  \n\n", {}, "unreadable_file"),
        (",".join(f"c{n}" for n in range(5000)).encode(), {}, "unreadable_file"),
        (b"accountId,plan,plan\nacme,a,b\n", {}, "duplicate_column"),
        (b"accountId,plan\nacme,a\n", {"mapping": {"Plan": "traits.x"}}, "unknown_column"),
        (b"plan,seats\na,b\n", {}, "missing_column"),
        (b'accountId,name\n' + b'x",",\n' * 2000, {}, "too_many_broken_rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_a_file_that_is_something_else_is_refused_as_a_whole(bring_in, data, options, code):
    failed = await bring_in(data, verb="check", **options)
    assert (failed["state"], failed["error"]["code"]) == ("failed", code)


async def test_a_failed_file_is_read_another_way_and_taken(bring_in, client):
    data = b"Firm,plan\nacme,Team\n"
    failed = await bring_in(data)
    assert failed["error"]["code"] == "missing_column"

    changed = await client.patch(f"{URL}/{failed['id']}", json={"mapping": {"Firm": "accountId"}})
    assert (changed.json()["state"], changed.json()["error"]) == ("uploading", None)
    await bring_in.begin(failed["id"])
    await bring_in.drain()

    assert (await bring_in.get(failed["id"]))["accepted"] == 1


async def test_hostile_rows_are_refused_one_by_one(bring_in, client):
    lines = [
        b"\xef\xbb\xbfaccountId;name;note",
        b"good-1;=HYPERLINK(1);=1+1",
        b"nul;\x00;x",
        b"huge;" + b"x" * 40_000 + b";x",
        b"endless;" + b"x" * 600_000 + b";x",
        b"text;" + b"x" * 9_000 + b";x",
        b"latin;caf\xe9;x",
        b"few;x",
        b"many;x;y;z",
        b'stray;"open;x',
        b'good-2;5" pipe;"two\nlines"',
        b";nobody;x",
        b";;",
        b"",
        b"good-3;;",
        b'open-at-the-end;"x;y',
    ]
    done = await bring_in(b"\r\n".join(lines))

    assert done["state"] == "done", done
    assert await bring_in.errors(done["id"]) == [
        (3, "nul_character", "name"),
        (4, "limit_exceeded", None),
        (5, "limit_exceeded", None),
        (6, "limit_exceeded", "name"),
        (7, "invalid_encoding", None),
        (8, "ragged_row", None),
        (9, "ragged_row", None),
        (10, "malformed_row", None),
        (12, "missing_field", "accountId"),
        (16, "malformed_row", None),
    ]
    assert (done["accepted"], done["rejected"], done["rowsRead"]) == (3, 10, 13)
    found = {name: (await client.get(f"/api/v1/accounts/good-{name}")).json()["traits"] for name in (1, 2, 3)}
    assert found == {1: {"name": "=HYPERLINK(1)", "note": "=1+1"}, 2: {"name": '5" pipe', "note": "two\nlines"}, 3: {}}


async def test_json_lines_are_judged_one_by_one(bring_in, client):
    lines = [
        '{"userId": "ada", "accountIds": ["acme"]}',
        "",
        '{"userId": "ada", "userId": "bill"}',
        "{not json}",
        '["ada"]',
        '{"userId": "bill", "unknown": 1}',
        '{"type": "account", "accountId": "globex", "traits": {"plan": null}}',
    ]
    done = await bring_in("\n".join(lines), "users", format="jsonl")

    assert await bring_in.errors(done["id"]) == [
        (3, "duplicate_key", None),
        (4, "malformed_json", None),
        (5, "invalid_message", None),
        (6, "unknown_field", None),
    ]
    assert (done["accepted"], done["columns"]) == (2, [])
    assert (await client.get("/api/v1/accounts/globex")).status_code == 200


async def test_cells_say_what_they_say(bring_in, client):
    data = (
        "accountId,zip,mrr,seats,active,since,code,big,gone,empty\n"
        "007,01234,12.50,5,TRUE,2026-03-01,1.10,1234567890123456,NULL,\n"
    )
    await bring_in("accountId,gone,empty\n007,x,x\n")
    await bring_in(data, mapping={"code": "traits.code:text"}, nullText="NULL")

    assert (await client.get("/api/v1/accounts/007")).json()["traits"] == {
        "zip": "01234",
        "mrr": 12.5,
        "seats": 5,
        "active": True,
        "since": "2026-03-01",
        "code": "1.10",
        "big": "1234567890123456",
        "empty": "x",
    }


async def test_however_a_file_is_cut_it_says_the_same(bring_in, monkeypatch):
    chance = random.Random(20260301)
    rows = [f'a-{n},"line one\nline ""two"" {"é" * chance.randint(0, 5)}",{n}' for n in range(60)]
    rows[20], rows[40] = 'a-20,"never closed,20', "a-40,é"
    data = ("accountId,note,n\r\n" + "\r\n".join(rows)).encode()
    seen = []
    for most in (1, 7, 1000):
        monkeypatch.setattr(work, "SLICE_ROWS", most)
        cuts = sorted(chance.sample(range(1, len(data)), 40))
        checked = await bring_in(data, cuts=cuts, verb="check", sha256=None)
        counts = {name: checked[name] for name in ("rowsRead", "accepted", "rejected", "bytesDone", "sha256")}
        seen.append((counts, await bring_in.errors(checked["id"])))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0]["accepted"] >= 57


async def test_an_import_can_be_stopped_and_forgotten(bring_in, client, sizes):
    data = accounts(50).encode()
    made = await bring_in.announce(data)
    await bring_in.bring(made["id"], data)
    await bring_in.begin(made["id"])
    cancelled = await client.post(f"{URL}/{made['id']}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    await bring_in.drain()
    after = await sizes()
    assert (after["accounts"], after["import_parts"], after["imports"]) == (0, 0, 1)
    assert (await client.post(f"{URL}/{made['id']}/start")).json()["code"] == "import_closed"

    assert (await client.delete(f"{URL}/{made['id']}")).status_code == 204
    assert (await client.get(f"{URL}/{made['id']}")).status_code == 404
    assert (await sizes())["imports"] == 0


async def test_a_deleted_import_takes_its_file_along(bring_in, client, sizes):
    data = accounts(50).encode()
    made = await bring_in.announce(data)
    await bring_in.bring(made["id"], data, cuts=[10, 20])
    await client.delete(f"{URL}/{made['id']}")
    await bring_in.drain()
    after = await sizes()
    assert (after["imports"], after["import_parts"]) == (0, 0)


async def test_what_is_left_lying_is_cancelled_and_later_forgotten(bring_in, clock, database, workspace, sizes):
    from datetime import UTC, datetime, timedelta

    async def hasten():
        async with database.transaction(workspace) as db:
            await db.execute(text("update jobs set run_at = now() where kind = 'import.expire' and state = 'ready'"))

    data = accounts(5).encode()
    made = await bring_in.announce(data)
    await bring_in.bring(made["id"], data)
    clock.at = datetime.now(UTC) + timedelta(days=8)
    await hasten()
    await bring_in.drain()
    assert (await bring_in.get(made["id"]))["state"] == "cancelled"
    assert (await sizes())["import_parts"] == 0
    clock.at = datetime.now(UTC) + timedelta(days=31)
    await hasten()
    await bring_in.drain()
    assert (await sizes())["imports"] == 0


async def test_a_row_the_database_refuses_is_left_out_alone(bring_in, client, monkeypatch):
    record = work.importing.ingest.record

    async def refuse(db, workspace_id, envelopes, memory, *, now):
        if any(message.account == "acme-37" for envelope in envelopes for message in envelope.messages):
            await db.execute(text("select 1 / 0"))
        return await record(db, workspace_id, envelopes, memory, now=now)

    monkeypatch.setattr(work.importing.ingest, "record", refuse)
    done = await bring_in(accounts(100))

    assert (done["state"], done["accepted"], done["rejected"]) == ("done", 99, 1)
    assert await bring_in.errors(done["id"]) == [(39, "not_stored", None)]


async def test_a_row_that_lost_a_race_is_not_left_out(bring_in, runtime, workspace, monkeypatch):
    data = accounts(1).encode()
    made = await bring_in.announce(data)
    await bring_in.bring(made["id"], data)
    await bring_in.begin(made["id"])
    stretch = work._Stretch(runtime, workspace, UUID(made["id"].removeprefix("imp_")))

    async def outpaced(*_args, **_kwargs):
        raise Outpaced

    with monkeypatch.context() as patch:
        patch.setattr(work.importing.ingest, "record", outpaced)
        with pytest.raises(Outpaced):
            await stretch.go()
    await bring_in.drain()

    done = await bring_in.get(made["id"])
    assert (done["state"], done["accepted"], done["rejected"]) == ("done", 1, 0)


async def test_a_slice_lets_a_deletion_of_the_workspace_pass(bring_in, runtime, workspace, database):
    """It must not hold its import while it waits for the lock that the deletion has."""
    data = accounts(1).encode()
    made = await bring_in.announce(data)
    await bring_in.bring(made["id"], data)
    await bring_in.begin(made["id"])
    stretch = work._Stretch(runtime, workspace, UUID(made["id"].removeprefix("imp_")))
    while (row := await stretch._look()) and (row["digest"] is None or row["layout"] is None):
        await stretch._prepare(row)
    async with database.transaction(workspace) as db:
        await workspaces.hold_senders(db, workspace)
        slicing = asyncio.create_task(stretch._slice(row))
        await asyncio.sleep(0.3)
        assert not slicing.done()
        await db.execute(text("delete from imports where workspace_id = :w"), {"w": workspace})
    assert await slicing is None


async def test_nothing_is_kept_of_faulty_rows_once_anybody_was_deleted(bring_in, client, drain):
    await client.post("/api/v1/users", json={"externalId": "ada"})
    assert (await client.delete("/api/v1/users/ada")).status_code == 202
    await drain()

    done = await bring_in("userId,accountId,timestamp\nada,acme,ada was here\n", "users")

    (wrong,) = (await client.get(f"{URL}/{done['id']}/errors")).json()["data"]
    assert (wrong["row"], wrong["column"], wrong["excerpt"]) == (2, "timestamp", "")
    assert "ada" not in wrong["detail"]


async def test_only_so_many_errors_are_kept(bring_in, monkeypatch):
    monkeypatch.setattr(work.importing, "MOST_ERRORS", 5)
    done = await bring_in("accountId,a\n" + "x\n" * 20)
    assert (done["rejected"], len(await bring_in.errors(done["id"]))) == (20, 5)


async def test_two_workers_on_one_import_do_not_get_in_each_others_way(
    bring_in, client, runtime, workspace, monkeypatch
):
    monkeypatch.setattr(work, "SLICE_ROWS", 20)
    data = accounts(500).encode()
    made = await bring_in.announce(data)
    await bring_in.bring(made["id"], data)
    await bring_in.begin(made["id"])
    import_id = UUID(made["id"].removeprefix("imp_"))
    await asyncio.gather(*(work._Stretch(runtime, workspace, import_id).go() for _ in range(3)))
    done = await bring_in.get(made["id"])
    assert (done["state"], done["rowsRead"], done["accepted"]) == ("done", 500, 500)
    await bring_in.drain()


async def test_imports_need_an_admin(make_client, workspace):
    for scope in ("ingest", "read"):
        client = await make_client(workspace, scope)
        assert (await client.post(URL, json={"kind": "users"})).status_code == 403


RESPONSES = """\
User ID,NPS score,Comment,Date,Response ID,Region
ada,10,"Lovely, really",2026-01-05T10:00:00Z,r-1,EMEA
bob,6.0,,2026-01-06,r-2,US
ada,3,,2026-01-01T10:00:00Z,r-3,
cy,11,,2026-01-06,r-4,
,9,,2026-01-06,r-5,
cy,nine,,2026-01-06,r-6,
cy,9,,yesterday,r-7,
bob,9,,2026-01-07,r-1,
"""


async def test_nps_responses_come_from_files_and_count_by_their_own_time(bring_in, client):
    checked = await bring_in(RESPONSES, "nps_responses", verb="check")
    done = await bring_in(RESPONSES, "nps_responses")
    found = (await client.get("/api/v1/nps-responses")).json()["data"]

    assert (checked["state"], checked["accepted"], checked["rejected"]) == ("checked", 4, 4)
    assert [column["field"] for column in done["columns"]] == [
        *("userId", "score", "feedback", "respondedAt", "externalId"),
        None,
    ]
    assert (done["state"], done["accepted"], done["rejected"]) == ("done", 3, 5)
    assert await bring_in.errors(done["id"]) == [
        (5, "invalid_score", "NPS score"),
        (6, "missing_field", "User ID"),
        (7, "invalid_score", "NPS score"),
        (8, "invalid_timestamp", "Date"),
        (9, "response_taken", None),
    ]
    assert [(one["user"]["externalId"], one["score"], one["source"]) for one in found] == [
        ("bob", 6, "import"),
        ("ada", 10, "import"),
        ("ada", 3, "import"),
    ]
    again = await bring_in(RESPONSES, "nps_responses")
    assert (again["accepted"], again["rejected"]) == (0, 4)  # each row is known by its place in the file
    assert len((await client.get("/api/v1/nps-responses")).json()["data"]) == 3


async def test_nps_responses_of_somebody_deleted_stay_away(bring_in, client):
    await client.post("/api/v1/users", json={"externalId": "ada"})
    assert (await client.delete("/api/v1/users/ada")).status_code == 202
    lines = '{"userId": "ada", "score": 9}\n{"userId": "bob", "score": 9, "respondedAt": "2026-01-05T10:00:00Z"}\n'

    done = await bring_in(lines, "nps_responses", format="jsonl")

    assert (done["accepted"], done["suppressed"]) == (1, 1)
    found = (await client.get("/api/v1/nps-responses")).json()["data"]
    assert [one["user"]["externalId"] for one in found] == ["bob"]


async def test_a_file_of_nps_responses_needs_users_and_scores(bring_in):
    failed = await bring_in("user,comment\nada,fine\n", "nps_responses")
    assert (failed["state"], failed["error"]["code"]) == ("failed", "missing_column")
