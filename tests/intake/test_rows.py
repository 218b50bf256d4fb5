"""Files become rows the same however they are cut; what each cell says, and what columns are taken for."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import imports
from app.domain.imports import BadFile, Cursor
from app.intake import layouts, records, rows
from app.intake.layouts import Layout

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PIECES = st.sampled_from(
    [b"a", b",", b'"', b'""', b"\n", b"\r\n", b"\r", b'","', b'"\n"', b"\xc3\xa9", b"\xff", b"\0", b" "]
)


def read_all(data, *, window, most, delimiter=","):
    """Read a file through a window that slides over it."""
    found, cursor = [], Cursor()
    while cursor.at < len(data):
        seen = data[cursor.at : cursor.at + window]
        last = cursor.at + len(seen) >= len(data)
        some, after = records.read(seen, cursor, delimiter=delimiter, last=last, most=most)
        assert (after.at, after.row) > (cursor.at, cursor.row)
        found, cursor = [*found, *some], after
    return [(one.number, one.raw, one.cells, one.fault and one.fault.code) for one in found], cursor


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=120), st.integers(1, 40), st.integers(1, 5), st.sampled_from([",", None]))
def test_records_are_the_same_through_any_window(pieces, window, most, delimiter):
    data = b"".join(pieces)
    kept = records.SCAN_BYTES, records.ROW_BYTES
    records.SCAN_BYTES, records.ROW_BYTES = 24, 12
    try:
        whole = read_all(data, window=len(data) + 1, most=1000, delimiter=delimiter)
        parts = read_all(data, window=records.SCAN_BYTES + window, most=most, delimiter=delimiter)
    finally:
        records.SCAN_BYTES, records.ROW_BYTES = kept
    assert whole == parts


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20), min_size=2, max_size=4),
        max_size=8,
    )
)
def test_what_a_careful_writer_wrote_is_read_back(table):
    import csv
    import io

    kept = [line for line in table if any(cell.strip() for cell in line)]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(kept)
    found, _ = read_all(out.getvalue().encode(), window=10**6, most=1000)
    assert [list(cells) for _, _, cells, fault in found if fault is None] == kept


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12), ("12.50", 12.5), ("-3", -3), ("0", 0), ("0.5", 0.5), (" 7 ", 7), ("TRUE", True), ("false", False),
        ("007", "007"), ("-0", "-0"), ("+1", "+1"), ("1e5", "1e5"), ("1,5", "1,5"), ("1.", "1."), (".5", ".5"),
        ("1234567890123456", "1234567890123456"), ("2026-03-01", "2026-03-01"), ("yes", "yes"), ("NaN", "NaN"),
        ("٣", "٣"), ("=1+1", "=1+1"), (" padded ", " padded "),
    ],
)  # fmt: skip
def test_a_cell_is_what_it_most_likely_means_or_text(cell, value):
    found = rows.value_of(cell)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "columns", "fed"),
    [
        ("accounts", "Account ID,Name,Plan", ("accountId", "name", "traits.Plan")),
        ("accounts", "id,account_id,company", ("traits.id", "accountId", "name")),
        ("users", "id,Email Address,account_id,traits.role,", ("userId", "email", "accountId", "traits.role", "")),
        ("users", "user-id,ACCOUNTIDS,Company", ("userId", "accountIds", "traits.Company")),
        ("events", "Event Name,user_id,Time,properties.a,b",
         ("event", "userId", "timestamp", "properties.a", "properties.b")),
        ("events", "name,organizationId,id", ("event", "organizationId", "properties.id")),
    ],
)  # fmt: skip
def test_columns_are_recognised_by_their_names(kind, columns, fed):
    assert imports.targets(kind, columns.split(","), {}) == fed


def test_what_is_mapped_goes_as_mapped():
    mapping = {"Key": "accountId", "Account ID": "traits.legacyId:text", "Note": ""}
    found = imports.targets("accounts", ["Key", "Account ID", "Note", "Name"], mapping)
    assert found == ("accountId", "traits.legacyId:text", "", "name")


@pytest.mark.parametrize("columns", ["accountId,name,traits.name", "accountId,plan,traits.plan"])
def test_two_columns_cannot_feed_one_trait(columns):
    with pytest.raises(imports.DuplicateColumn):
        imports.targets("accounts", columns.split(","), {})


@pytest.mark.parametrize(
    ("head", "delimiter", "newline", "first_row"),
    [
        (b"accountId,name\nacme,x", ",", "\n", 1),
        (b"accountId;name;first, last\nacme;x;y", ";", "\n", 1),
        (b"\xef\xbb\xbfaccountId\tname\r\nacme\tx", "\t", "\n", 1),
        (b"accountId|name\racme|x", "|", "\r", 1),
        (b"accountId\nacme", ",", "\n", 1),
        (b"sep=;\r\naccountId;name\r\n", ";", "\n", 2),
        (b"\n\naccountId,name\n", ",", "\n", 3),
    ],
)
def test_a_layout_is_told_from_the_beginning(head, delimiter, newline, first_row):
    found = layouts.recognise(head, "accounts", "csv", {}, whole=True)
    assert (found.delimiter, found.newline, found.first_row) == (delimiter, newline, first_row)
    assert found.columns[0] == "accountId"
    assert Layout.of(found.stored()) == found


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(imports.KINDS), st.sampled_from(imports.FORMATS))
def test_no_file_breaks_the_reader(data, kind, form):
    for prefix in (b"", b"accountId,userId,event,timestamp\n"):
        head = prefix + data
        try:
            layout = layouts.recognise(head, kind, form, {}, whole=True)
        except BadFile:
            continue
        plan = rows.Plan(kind, layout, "digest", None, NOW)
        found = rows.read(plan, head[layout.begins :], layout.start, last=True, most=1000)
        assert found.after.at == len(head)
        assert len(found.numbers) == len(found.envelopes) == len(found.texts)
        assert all("\0" not in one.excerpt for one in found.faults)
