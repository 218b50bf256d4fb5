"""What the code knows best and the documentation repeats is the same in both."""

import re
from pathlib import Path

import pytest

from tests.architecture import tables

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))


def explained_errors():
    """What docs/errors.md says: code -> status, where it names one."""
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    return {code: int(status) for code, status in re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text, re.MULTILINE)}


@pytest.mark.parametrize(("path", "table"), tables.DOCUMENTS.items(), ids=lambda value: getattr(value, "name", ""))
def test_a_table_is_what_the_code_says(path, table):
    assert tables.between(path.read_text(encoding="utf-8")) == table(), "run: python -m tests.architecture.tables"


def test_every_error_code_is_explained():
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    assert sorted(code for code in tables.error_codes() if f"`{code}`" not in text) == []


def test_errors_are_explained_with_the_status_they_have():
    explained = explained_errors()
    real = tables.statuses()
    assert {code: explained[code] for code in explained.keys() & real.keys() if explained[code] not in real[code]} == {}
    assert sorted(explained.keys() - tables.error_codes()) == [], "no code says these any more"


def test_no_two_kinds_of_refusal_share_a_code_and_disagree():
    statuses = tables.statuses()
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_in_four_parts(path):
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Context",
        "## Options",
        "## Choice",
        "## Consequence",
    ]
    assert len(text.split()) <= 900
    assert f"]({path.name})" in (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")


def test_decisions_are_numbered_without_gaps():
    assert [int(re.match(r"\d{4}", path.name)[0]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
