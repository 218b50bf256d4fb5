"""Reports as files: exactly the view, opened again; and never a short file that looks whole."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from app.api.routes import downloads as routes

PATH = "/api/v1/reports/accounts/export"
NAMESPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
NASTY = ["=1+1", "+49 30 1", "-2", "@x", "\tx", 'say "hi", you', "two\nlines", "ünï \U0001f600", "plain"]


@pytest.fixture
async def accounts(client, drain, clock):
    clock.at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    messages = [
        {"type": "account", "accountId": f"a{ix}", "traits": {"name": name, "mrr": ix + 0.25, "ok": ix % 2 == 0}}
        for ix, name in enumerate(NASTY)
    ]
    assert (await client.post("/api/v1/batch", json={"messages": messages})).status_code == 202
    await drain()


async def csv_rows(client, params=None, **body):
    answer = await client.post(PATH, json=body, params=params)
    assert answer.status_code == 200, answer.text
    return list(csv.reader(io.StringIO(answer.content.decode(), newline="")))


async def test_a_csv_is_the_view(client, accounts):
    rows = await csv_rows(
        client,
        columns=["externalId", "name", "mrr", "createdAt", "traits.ok", "csm"],
        sort=[{"field": "mrr", "direction": "desc"}],
        filter={"field": "mrr", "op": "greaterThan", "value": 6},
    )

    assert rows == [
        ["External ID", "Name", "MRR", "Created", "Trait: ok", "Customer Success Manager"],
        ["a8", "plain", "8.25", "2026-03-01T09:00:00Z", "true", ""],
        ["a7", "ünï \U0001f600", "7.25", "2026-03-01T09:00:00Z", "false", ""],
        ["a6", "two\nlines", "6.25", "2026-03-01T09:00:00Z", "true", ""],
    ]


async def test_no_text_is_a_formula(client, accounts):
    rows = await csv_rows(client, columns=["name", "traits.=x"], heads="path")

    assert rows[0] == ["name", "traits.=x"]
    assert [row[0] for row in rows[1:]] == [
        "'=1+1", "'+49 30 1", "'-2", "'@x", "'\tx", 'say "hi", you', "two\nlines", "ünï \U0001f600", "plain",
    ]  # fmt: skip


async def test_the_file_says_what_it_is(client, accounts):
    plain = await client.post(PATH, json={"columns": ["name"]})
    marked = await client.post(PATH, json={"columns": ["name"], "bom": True})

    assert plain.headers["content-type"] == "text/csv; charset=utf-8"
    assert plain.headers["content-disposition"] == 'attachment; filename="accounts-2026-03-01.csv"'
    assert marked.content == b"\xef\xbb\xbf" + plain.content


def sheet_of(content):
    """The cells of a workbook: (type, value) by row."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert book.testzip() is None
        root = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row.iter(f"{NAMESPACE}c")]
        for row in root.iter(f"{NAMESPACE}row")
    ]


async def test_a_workbook_is_the_view_with_types(client, accounts):
    body = {"columns": ["name", "mrr", "createdAt", "traits.ok"], "sort": [{"field": "mrr"}]}

    answer = await client.post(PATH, json=body, params={"format": "xlsx"})

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].endswith('.xlsx"')
    rows = sheet_of(answer.content)
    assert [text for _, text in rows[0]] == ["Name", "MRR", "Created", "Trait: ok"]
    assert [row[0] for row in rows[1:]] == [("inlineStr", name) for name in NASTY]
    assert [(row[1], row[3]) for row in rows[1:3]] == [(("n", "0.25"), ("b", "1")), (("n", "1.25"), ("b", "0"))]
    assert all(row[2] == ("n", "46082.375") for row in rows[1:])


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
async def test_too_many_rows_are_refused_before_the_file_begins(client, accounts, app, monkeypatch, format_):
    state = app.state.steward
    monkeypatch.setattr(state, "settings", state.settings.model_copy(update={"export_rows": 8}))

    answer = await client.post(PATH, json={}, params={"format": format_})

    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_rows")
    assert routes.TURNS.taken == 0


@pytest.fixture
def breaking(monkeypatch):
    """Reading fails after the first rows."""
    real = routes.downloads.rows

    async def lost(*args, **kwargs):
        parts = real(*args, **kwargs)
        yield await anext(parts)
        yield await anext(parts)
        raise RuntimeError("lost")

    monkeypatch.setattr(routes.downloads, "rows", lost)


async def test_a_csv_that_fails_on_the_way_has_no_end(live, make_key, workspace, client, accounts, breaking):
    body = b'{"columns": ["name"]}'
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {await make_key(workspace)}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"

    received, closed = await live.send(head.encode() + body, seconds=30)

    assert received.startswith(b"HTTP/1.1 200"), received
    assert b"transfer-encoding: chunked" in received.lower()
    assert b"plain" in received
    assert closed
    assert not received.endswith(b"0\r\n\r\n"), "the last chunk would say that the file is whole"
    assert routes.TURNS.taken == 0


async def test_nothing_of_a_workbook_leaves_before_it_is_whole(client, accounts, breaking):
    answer = await client.post(PATH, json={"columns": ["name"]}, params={"format": "xlsx"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert routes.TURNS.taken == 0


async def test_the_file_is_of_one_moment(client, accounts, monkeypatch):
    real = routes.downloads.rows

    async def slowly(*args, **kwargs):
        first = True
        async for part in real(*args, **kwargs):
            yield part
            if first:
                first = False
                message = {"type": "account", "accountId": "late", "traits": {"name": "late"}}
                assert (await client.post("/api/v1/batch", json={"messages": [message]})).status_code == 202

    before = await csv_rows(client, columns=["name"])
    monkeypatch.setattr(routes.downloads, "rows", slowly)
    assert await csv_rows(client, columns=["name"]) == before


async def test_few_at_a_time(client, accounts, monkeypatch):
    monkeypatch.setattr(routes.TURNS, "taken", routes.TURNS.most)

    answer = await client.post(PATH, json={})

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_exports")


@pytest.mark.parametrize("subject", ["users", "organizations"])
async def test_users_and_organizations_have_files_too(client, drain, subject):
    message = {"type": "user", "userId": "u", "accountId": "a", "organizationId": "o", "traits": {"name": "U"}}
    await client.post("/api/v1/batch", json={"messages": [message]})
    await drain()

    answer = await client.post(f"/api/v1/reports/{subject}/export", json={"columns": ["externalId"]})

    assert answer.content.decode().splitlines() == ["External ID", "u" if subject == "users" else "o"]
