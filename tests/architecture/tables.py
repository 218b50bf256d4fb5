"""The tables of the documentation that the code knows best: `python -m tests.architecture.tables` rewrites them."""

import ast
import importlib
import pkgutil
from pathlib import Path

import app
from app.api.problems import status_of
from app.domain import jobs, messages
from app.domain.errors import DomainError
from app.domain.team import ALLOWED, MemberRole
from app.intake import reading
from app.settings import Settings

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
NOT_IMPORTED = ("__main__",)


def family(kind):
    """A class's descendants, in the order they were written."""
    return [one for child in kind.__subclasses__() for one in (child, *family(child))]


def import_everything():
    """So that every subclass exists."""
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.endswith(NOT_IMPORTED):
            importlib.import_module(module.name)


def settings_table():
    """One row per environment variable."""
    lines = ["| Variable | Default | What it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        plain = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        shown = "[]" if plain == () else str(plain)
        lines.append(f"| `STEWARD_{name.upper()}` | {f'`{shown}`' if shown else 'empty'} | {field.description} |")
    return "\n".join(lines)


def spoken(seconds):
    """A wait in the largest unit that fits."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def jobs_table():
    """One row per kind of job, with its patience."""
    lines = ["| Kind | What it does | Lane | Attempts | Waits between them |", "|---|---|---|---|---|"]
    ours = [job for job in family(jobs.Job) if job.__module__ == jobs.__name__]  # not those that tests make
    for _, job in sorted({job.kind: job for job in ours}.items()):  # slots make every class twice
        does = job.__doc__.strip().splitlines()[0]
        waits = ", ".join(spoken(seconds) for seconds in job.retries.waits[1:])
        lane = job.lane.name.lower()
        lines.append(f"| `{job.kind}` | {does} | {lane} | {job.retries.attempts} | {waits} |")
    return "\n".join(lines)


def permissions_table():
    """One row per permission: who has it."""
    roles = list(MemberRole)
    lines = [
        f"| To | Permission | {' | '.join(f'`{role}`' for role in roles)} | Keys with |",
        "|---|---|" + ":-:|" * 4 + "---|",
    ]
    for permission, allowed in ALLOWED.items():
        marks = " | ".join("✓" if role in allowed.roles else "–" for role in roles)
        lines.append(f"| {allowed.what} | `{permission}` | {marks} | `{allowed.scope}` |")
    return "\n".join(lines)


def statuses():
    """The HTTP statuses each refusal is answered with: one, unless two kinds share a code."""
    import_everything()
    found = {}
    for kind in (DomainError, *family(DomainError)):
        if kind.__module__.startswith("app."):
            found.setdefault(kind.code, set()).add(status_of(kind))
    return found


def error_codes():
    """Every stable code an answer may carry: of refusals, and of the verdicts on single messages."""
    return statuses().keys() | message_codes()


def message_codes():
    """The codes of verdicts, where they are data: what schemas raise, what pydantic's own findings become."""
    calls = (node for path in (ROOT / "app").rglob("*.py") for node in ast.walk(ast.parse(path.read_text())))
    raised = {
        node.args[0].value
        for node in calls
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "PydanticCustomError"
    }
    return raised | set(reading.CODES.values()) | {messages.DUPLICATE.code, messages.MISUSED.code}


DOCUMENTS = {
    ROOT / "docs" / "team.md": permissions_table,
    ROOT / "docs" / "settings.md": settings_table,
    ROOT / "docs" / "jobs.md": jobs_table,
}


def between(text):
    """What stands between the marks."""
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def main():
    """Write the tables into their documents."""
    for path, table in DOCUMENTS.items():
        text = path.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        path.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
