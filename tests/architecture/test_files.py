"""What a stranger gets with a clone: nothing that is true on one machine only, no dead links, no risky versions."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
NOT_OURS = {
    ".git",
    ".hypothesis",
    ".import_linter_cache",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".schemathesis",
    ".steward",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
}
TEXTS = sorted(
    path
    for path in ROOT.rglob("*")
    if path.is_file() and not (NOT_OURS & set(path.relative_to(ROOT).parts)) and not path.name.endswith(".pyc")
)
DOCUMENTS = [path for path in TEXTS if path.suffix == ".md"]
LOCKS = sorted(ROOT.glob("requirements*.lock"))

# Written so that this file does not name them itself.
REGISTRIES = tuple(
    "".join(halves)
    for halves in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("crates", ".io"),
        ("ghcr", ".io"),
        ("artifact", "ory"),
        ("index", "-url"),
        ("/simple", "/"),
    )
)
MACHINE = re.compile(r"(?<![\w.:/$}-])/(?:work|root)(?:/|\b(?![-\w]))")

# What an answer to a stranger may travel through, and the oldest version without a known hole there.
OLDEST = {
    "aiohttp": ((3, 14, 0), "request smuggling and denial of service before it"),
    "cryptography": ((50, 0, 0), "bundled OpenSSL"),
    "h11": ((0, 16, 0), "CVE-2025-43859: lenient chunked encoding"),
    "redis": ((4, 5, 5), "CVE-2023-28858 and -28859: a cancelled command hands its reply to the next caller"),
    "starlette": ((1, 5, 1), "CVE-2025-62727 and unlimited ranges"),
    "uvicorn": ((0, 54, 0), "the version the hostile inputs were tried on"),
}
ABSENT = {
    "python-multipart": "the API speaks JSON only; CVE-2024-24762, CVE-2024-53981",
    "gunicorn": "one server is enough to keep an eye on",
}
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def lines(path):
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []


def registries_in(text):
    return [name for name in REGISTRIES if name in text.lower()]


def dead_links(path, text):
    """Relative links of a document that lead nowhere, anchors included."""
    found = []
    for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name) if name else path
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            found.append(link)
    return found


def anchors(path):
    """The anchors headings get on the usual forges."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def pins(path):
    """Every version a lock file names."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower(): tuple(int(part) for part in re.findall(r"\d+", version)) for name, version in found}


def test_no_file_names_a_package_registry():
    found = {name_of(path): registries_in("\n".join(lines(path))) for path in TEXTS}
    assert {name: hosts for name, hosts in found.items() if hosts} == {}


def test_no_file_names_a_place_on_one_machine():
    found = {
        f"{name_of(path)}:{number}": line.strip()
        for path in TEXTS
        for number, line in enumerate(lines(path), 1)
        if MACHINE.search(line) and path != Path(__file__)
    }
    assert found == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path):
    assert dead_links(path, path.read_text(encoding="utf-8")) == []


def test_there_are_three_locks():
    assert [path.name for path in LOCKS] == ["requirements-dev.lock", "requirements-embedded.lock", "requirements.lock"]


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_a_lock_holds_no_addresses(path):
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--hash=sha256:" in text


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_a_lock_holds_no_version_with_a_known_hole(path):
    locked = pins(path)
    assert locked.keys() >= OLDEST.keys()
    assert {name: locked[name] for name, (oldest, _) in OLDEST.items() if locked[name] < oldest} == {}
    assert sorted(ABSENT.keys() & locked.keys()) == []


def test_the_locks_agree():
    seen = {}
    for path in LOCKS:
        for name, version in pins(path).items():
            assert seen.setdefault(name, version) == version, name


class TestTheRulesAreSeenToFail:
    @pytest.mark.parametrize("text", ["pip install --" + "index" + "-url x", "https://files.python" + "hosted.org/a"])
    def test_a_registry(self, text):
        assert registries_in(text)

    @pytest.mark.parametrize(
        "text", ["cd /" + "work/x", "open('/" + "root/.key')", "PATH=/" + "work", "(/" + "work/x)"]
    )
    def test_a_machine_path(self, text):
        assert MACHINE.search(text)

    @pytest.mark.parametrize("text", ["/v1/work/items", "app/work/", "/workspaces", "$HOME/work/x", "/api/root/"])
    def test_other_paths_are_fine(self, text):
        assert not MACHINE.search(text)

    def test_a_dead_link(self, tmp_path):
        page = tmp_path / "page.md"
        text = "# Here it is\n[a](page.md) [b](gone.md) [c](#here-it-is) [d](#nowhere) [e](https://example.com/x)"
        page.write_text(text)
        assert dead_links(page, text) == ["gone.md", "#nowhere"]
