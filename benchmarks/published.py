"""What we publish of the fault campaign: one raw file, and the words made from it, which no hand may change.

`docs/faults.json` is what the last run measured. The paragraphs between the marks in the documents are made from it.
"""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "docs" / "faults.json"
BEGIN, END = "<!-- made by benchmarks/faults.py -->", "<!-- end -->"


def circumstances() -> dict:
    """When, of what, and on what."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, loopback",
        "python": platform.python_version(),
    }


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = bool(git("status", "--porcelain", "--untracked-files=no", "--", "app", "tests/faults", "migrations"))
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


def sentence(found: dict) -> str:
    """The one sentence."""
    share = 100 * found["webhooks_resent"] / max(found["webhooks"], 1)
    wipes = found["redis_flushes"] + found["redis_restarts"]
    return (
        f"**{found['kill_9']} kill -9, {wipes} Redis wipes, {found['database_crashes']} database crashes during "
        f"{found['acknowledged_events']:,} acknowledged events: {found['lost']} lost, {found['duplicated']} duplicated "
        f"effects, {share:.1f} % webhook re-sends with identical id**; the same faults with the leases of the job "
        f"table removed lost {found['control_without_leases_lost']} webhooks, and with the receipts of messages "
        f"removed doubled {found['control_without_receipts_doubled']} effects."
    )


def words(result: dict, *, table: bool) -> str:
    """What stands between the marks."""
    found, about = result["figures"], result["circumstances"]
    when = f"commit {about['commit']}, seed {found['seed']}, {about['date']}"
    lines = [
        f"{about['machine']}, Python {about['python']}, {when}:",
        "",
        f"> {sentence(found)}",
    ]
    if table:
        rows = [(name.replace("_", " "), value) for name, value in found.items() if name != "seed"]
        lines += ["", "| | |", "|---|---|", *(f"| {name} | {value:,} |" for name, value in rows)]
    return "\n".join(lines)


def documents(result: dict) -> dict[Path, str]:
    """The documents with the words in their place."""
    wanted = {ROOT / "docs" / "faults.md": True, ROOT / "docs" / "promises.md": False}
    made = {}
    for path, table in wanted.items():
        text = path.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        after = rest.partition(END)[2]
        made[path] = f"{before}{BEGIN}\n{words(result, table=table)}\n{END}{after}"
    return made


def publish(figures: dict) -> None:
    """Write the raw file and the words made from it."""
    result = {"circumstances": circumstances(), "figures": figures}
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for path, text in documents(result).items():
        path.write_text(text, encoding="utf-8")
