"""`steward import` sends a file to a running Steward, says what is wrong with it, and goes on where it was."""

import hashlib

import pytest

from app.cli.calling import Api
from app.cli.importing import _plain
from app.domain.imports import PART_BYTES, SAMPLES

from .conftest import a_folder, started, steward


@pytest.fixture(scope="module")
def running():
    """A Steward with nothing in it, and a key that may import."""
    with a_folder() as place, started(place) as it:
        made = steward(place, "keys", "create", "--workspace", "main", "--scope", "admin")
        it.admin = made.stdout.strip()
        yield it


@pytest.fixture
def bring_in(running, tmp_path):
    def run(text, *words, name="accounts.csv", kind="accounts"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return steward(running.place, "import", str(file), "--kind", kind, *words, STEWARD_API_KEY=running.admin)

    return run


@pytest.mark.parametrize("sample", ["accounts", "users.jsonl"])
def test_a_sample_is_printed_alone(place, sample):
    printed = steward(place, "import", "--sample", sample)
    assert (printed.returncode, printed.stdout) == (0, SAMPLES[sample if "." in sample else f"{sample}.csv"])


def test_a_printed_sample_imports_as_it_is_and_twice_is_once(running, bring_in):
    text = steward(running.place, "import", "--sample", "accounts").stdout

    first = bring_in(text, "--yes")
    again = bring_in(text, "--yes")

    assert (first.returncode, "Done: 3 rows imported, 0 have errors." in first.stderr) == (0, True), first.stderr
    assert (again.returncode, "3 were imported before" in again.stderr) == (0, True), again.stderr
    assert running.get("/api/v1/accounts/globex", key=running.admin)[0] == 200


def test_a_dry_run_tells_what_would_happen_and_stores_nothing(running, bring_in):
    text = "Firm,Seats\nhooli,5\n,6\n"
    looked = bring_in(text, "--map", "Firm=accountId", "--dry-run")

    assert looked.returncode == 1  # a row cannot be imported
    said = " ".join(looked.stderr.split())
    assert "Firm accountId" in said
    assert "Seats traits.Seats" in said
    assert "3 Firm missing_field: Field required ,6" in said
    assert "1 rows can be imported, 1 cannot. Nothing was stored." in said
    assert running.get("/api/v1/accounts/hooli", key=running.admin)[0] == 404

    unasked = bring_in(text, "--map", "Firm=accountId")
    assert (unasked.returncode, "say --yes" in unasked.stderr) == (2, True), unasked.stderr
    done = bring_in(text, "--map", "Firm=accountId", "--yes")
    assert (done.returncode, "Done: 1 rows imported, 1 have errors." in done.stderr) == (1, True), done.stderr


def test_an_interrupted_one_goes_on_where_it_was(running, bring_in):
    text = "accountId,pad\n" + "".join(f"big-{n},{str(n) * 8000}\n" for n in range(100, 160))
    data = text.encode()
    with Api(running.url, running.admin) as api:
        digest = hashlib.sha256(data).hexdigest()
        made = api.call("POST", "/imports", {"kind": "accounts", "sha256": digest, "mapping": {"pad": ""}})
        api.call("PUT", f"/imports/{made['id']}/parts/1", data[:PART_BYTES])

    done = bring_in(text, "--yes", "--map", "pad=")

    assert (done.returncode, "1 parts of the file are there already." in done.stderr) == (0, True), done.stderr
    assert "Done: 60 rows imported" in done.stderr
    with Api(running.url, running.admin) as api:
        assert api.call("GET", f"/imports/{made['id']}")["state"] == "done"


def test_a_file_that_cannot_be_read_says_why(bring_in):
    failed = bring_in("plan,seats\na,b\n", "--yes")
    assert (failed.returncode, "Failed: No column is taken for accountId" in failed.stderr) == (1, True), failed.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.csv", "--kind", "users"], "there is no file"),
        (["nowhere.csv", "--kind", "owners"], "what its rows are"),
        (["--sample", "owners"], "there is no sample"),
        ([__file__, "--kind", "users"], "a key with the scope admin"),
        ([__file__, "--kind", "users", "--key", "x", "--map", "Company"], "should be COLUMN=FIELD"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(place, words, sentence):
    refused = steward(place, "import", *words)
    assert (refused.returncode, sentence in refused.stderr) == (2, True), refused.stderr


def test_a_file_cannot_paint_the_terminal():
    assert _plain("\x1b[31mred\x07\n[bold]") == " \\[31mred  \\[bold]"
