"""`steward import`: sends a file in parts, shows how far it has come, and what was wrong with it."""

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli import place
from app.cli.calling import Api
from app.cli.trouble import BROKEN, MISUSED, fail, plainly, say
from app.domain.errors import NotFound
from app.domain.imports import KINDS, PART_BYTES, SAMPLES

SHOWN_ERRORS: Final = 20
LOOK_SECONDS: Final = 0.3
JSON_LINES: Final = (".jsonl", ".ndjson")
NOT_YET: Final = ("checking", "running")

File = Annotated[Path | None, typer.Argument(help="CSV or JSON Lines (.jsonl, .ndjson).", show_default=False)]
Kind = Annotated[str | None, typer.Option(help="What the rows are: accounts, users or events.", show_default=False)]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="Which field a column feeds, as in --map 'Company=accountId'. Nothing: --map 'Note='."),
]
NullText = Annotated[str | None, typer.Option("--null", help="Cells with this text clear a trait.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would happen; nothing is stored.")]
Yes = Annotated[bool, typer.Option("--yes", help="Import without checking and asking first.")]
Url = Annotated[str, typer.Option(envvar="STEWARD_URL", help="Where Steward is; default: the one that runs here.")]
Key = Annotated[str, typer.Option(envvar="STEWARD_API_KEY", help="A key with the scope admin.", show_envvar=True)]
Sample = Annotated[str | None, typer.Option(help="Print a sample file: accounts, users, events, or users.jsonl …")]


def import_(  # noqa: PLR0913, PLR0917 - one parameter per option
    file: File = None,
    kind: Kind = None,
    mapping: Map = None,
    null: NullText = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    url: Url = "",
    key: Key = "",
    sample: Sample = None,
) -> None:
    """Import accounts, users or events from a file. Interrupted, run it again: it goes on, and doubles nothing."""
    if sample is not None:
        typer.echo(_sample(sample), nl=False)
        return
    if file is None or kind not in KINDS:
        fail("say which file, and what its rows are: steward import FILE --kind accounts, users or events.", MISUSED)
    if not file.is_file():
        fail(f"there is no file {file}.", MISUSED)
    if not key:
        fail("a key with the scope admin is needed: --key, or STEWARD_API_KEY.", MISUSED)
    wanted = {"kind": kind, "mapping": _mapping(mapping or ()), "nullText": null}
    with plainly(), Api(url or _here(), key) as api:
        console = Console(stderr=True, soft_wrap=True)
        found = _Import(api, file, wanted, console).carry_out(dry_run=dry_run, yes=yes)
    raise typer.Exit(BROKEN if found["state"] != ("checked" if dry_run else "done") or found["rejected"] else 0)


def _sample(name: str) -> str:
    known = name if "." in name else f"{name}.csv"
    if known not in SAMPLES:
        fail(f"there is no sample {name!r}; there are {', '.join(SAMPLES)}.", MISUSED)
    return SAMPLES[known]


def _mapping(told: Sequence[str]) -> dict[str, str]:
    if wrong := [one for one in told if "=" not in one]:
        fail(f"--map {wrong[0]!r} should be COLUMN=FIELD.", MISUSED)
    return {column.strip(): field.strip() for column, _, field in (one.rpartition("=") for one in told)}


def _here() -> str:
    note = place.announcement(place.settings().data_dir)
    return str(note["url"]) if note else "http://127.0.0.1:8080"


def pieces(file: Path) -> Iterator[bytes]:
    """The file in parts as they are sent."""
    with file.open("rb") as source:
        while piece := source.read(PART_BYTES):
            yield piece


@dataclass(frozen=True, slots=True)
class _Import:
    """One file on its way."""

    api: Api
    file: Path
    wanted: dict[str, Any]
    console: Console

    def carry_out(self, *, dry_run: bool, yes: bool) -> dict[str, Any]:
        """Send, check, ask, take in; the import as it is in the end."""
        found = self._announce()
        if found["state"] != "running":
            self._send(found)
            if dry_run or not yes:
                found = self._watch(self._ask(found, "check"))
                self._tell(found)
                if dry_run or found["state"] != "checked" or not self._agreed(found):
                    return found
            found = self._ask(found, "start")
        else:
            say("The file is being imported already.")
        found = self._watch(found)
        self._tell(found)
        return found

    def _announce(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for piece in pieces(self.file):
            digest.update(piece)
        form = "jsonl" if self.file.suffix.lower() in JSON_LINES else "csv"
        about = {"format": form, "filename": self.file.name[:200], "sha256": digest.hexdigest()}
        found: dict[str, Any] = self.api.call("POST", "/imports", {**self.wanted, **about})
        return found

    def _send(self, found: dict[str, Any]) -> None:
        """The parts that are not there yet; all of them when what is there was not cut by us."""
        size = self.file.stat().st_size
        whole = found["bytesTotal"] == min(found["parts"] * PART_BYTES, size)
        known = found["parts"] if whole and (found["error"] or {}).get("code") != "checksum_mismatch" else 0
        if known:
            say(f"{known} parts of the file are there already.")
        with self._progress("bytes") as progress:
            task = progress.add_task("Sending", total=size, completed=min(known * PART_BYTES, size))
            for number, piece in enumerate(pieces(self.file), 1):
                if number > known:
                    self.api.call("PUT", f"/imports/{found['id']}/parts/{number}", piece)
                    progress.advance(task, len(piece))

    def _ask(self, found: dict[str, Any], verb: str) -> dict[str, Any]:
        begun: dict[str, Any] = self.api.call("POST", f"/imports/{found['id']}/{verb}")
        return begun

    def _watch(self, found: dict[str, Any]) -> dict[str, Any]:
        title = "Checking" if found["state"] == "checking" else "Importing"
        with self._progress("bytes") as progress:
            task = progress.add_task(title, total=found["bytesTotal"] or 1)
            while True:
                self._show(progress, task, title, found)
                if found["state"] not in NOT_YET:
                    return found
                time.sleep(LOOK_SECONDS)
                found = self.api.call("GET", f"/imports/{found['id']}")

    def _show(self, progress: Progress, task: TaskID, title: str, found: dict[str, Any]) -> None:
        rate = f", {found['rowsPerSecond']:,.0f}/s" if found["rowsPerSecond"] else ""
        progress.update(task, description=f"{title} ({found['rowsRead']:,} rows{rate})", completed=found["bytesDone"])

    def _progress(self, unit: str) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        return Progress(*columns, TimeElapsedColumn(), console=self.console)

    def _agreed(self, found: dict[str, Any]) -> bool:
        if not sys.stdin.isatty():
            say("Nothing was imported yet: say --yes to import without being asked.")
            raise typer.Exit(MISUSED)
        return typer.confirm(f"Import {found['accepted']:,} rows?", err=True)

    def _tell(self, found: dict[str, Any]) -> None:
        if found["state"] in {"checked", "failed"} and found["columns"]:
            fed = Table("Column", "Feeds", box=None)
            for one in found["columns"]:
                fed.add_row(_plain(one["column"] or "(no name)"), one["field"] or "nothing")
            self.console.print(fed)
        if found["rejected"]:
            self.console.print(self._errors(found))
        say(_summary(found))

    def _errors(self, found: dict[str, Any]) -> Table:
        wrong = Table("Row", "Column", "What is wrong", "The row", box=None)
        try:
            for one in self.api.rows(f"/imports/{found['id']}/errors", most=SHOWN_ERRORS):
                why = f"{one['code']}: {one['detail']}"
                wrong.add_row(str(one["row"]), _plain(one["column"] or ""), _plain(why), _plain(one["excerpt"])[:60])
        except NotFound:
            say("The import was deleted meanwhile.")
        if found["rejected"] > SHOWN_ERRORS:
            wrong.add_row("…", "", f"and {found['rejected'] - SHOWN_ERRORS:,} more: /imports/{found['id']}/errors", "")
        return wrong


def _plain(text: str) -> str:
    """What was in a file cannot colour or move what the terminal shows."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown.replace("[", "\\[")


def _summary(found: dict[str, Any]) -> str:
    if found["state"] == "failed":
        return f"Failed: {found['error']['detail']}"
    if found["state"] == "checked":
        return f"{found['accepted']:,} rows can be imported, {found['rejected']:,} cannot. Nothing was stored."
    counts = [
        f"{found['accepted']:,} rows imported",
        f"{found['duplicates']:,} were imported before" if found["duplicates"] else "",
        f"{found['suppressed']:,} are about somebody who was deleted" if found["suppressed"] else "",
        f"{found['rejected']:,} have errors",
    ]
    return f"{found['state'].capitalize()}: {', '.join(one for one in counts if one)}."
