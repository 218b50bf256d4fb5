"""What the documents say of the fault campaign is what a run of it has measured, to the letter."""

import json

import pytest

from benchmarks import published

RESULT = json.loads(published.RESULT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", published.documents(RESULT), ids=lambda path: path.name)
def test_a_document_says_what_was_measured(path):
    text = path.read_text(encoding="utf-8")
    assert (text.count(published.BEGIN), text.count(published.END)) == (1, 1)
    assert published.documents(RESULT)[path] == text, "run: python benchmarks/faults.py --publish"


def test_what_was_measured_is_worth_publishing():
    figures = RESULT["figures"]
    assert (figures["lost"], figures["duplicated"], figures["otherwise_wrong"]) == (0, 0, 0)
    assert figures["control_without_leases_lost"]
    assert figures["control_without_receipts_doubled"]
    assert {"date", "commit", "machine", "python"} == RESULT["circumstances"].keys()
