"""A data folder, the command run to its end, and the command left running."""

import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@contextmanager
def a_folder():
    """A data folder not made yet."""
    with tempfile.TemporaryDirectory(prefix="stw-", dir="/tmp", ignore_cleanup_errors=True) as made:
        yield Path(made) / "data"


@pytest.fixture
def place():
    """A data folder not made yet, for one test."""
    with a_folder() as folder:
        yield folder


def environment(place, **more):
    """That of someone who has set nothing but the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STEWARD_")}
    return {**kept, "PYTHONPATH": str(ROOT), "STEWARD_DATA_DIR": str(place), "COLUMNS": "200", **more}


def steward(place, *words, **more):
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        capture_output=True,
        text=True,
        env=environment(place, **more),
        timeout=120,
        check=False,
    )


class Started:
    """A running `steward start` and what it printed."""

    def __init__(self, place, process):
        self.place = place
        self.process = process
        self.lines = []
        for line in process.stdout:
            self.lines.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        said = dict(line.split(maxsplit=1) for line in self.lines if line.startswith(("API", "Docs", "Key")))
        self.api, self.docs, self.key = said["API"], said["Docs"], said["Key"].split()[0]
        self.url = self.api.removesuffix("/api/v1")
        self.curls = [line for line in self.lines if line.startswith("curl")]

    def get(self, path, key=None):
        """The status and the body."""
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"Bearer {key or self.key}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()


@contextmanager
def started(place, *words, **more):
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "start", "--port", "0", "--no-demo", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(place, **more),
    )
    try:
        yield Started(place, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def children(pid):
    """The ids of a process's children by the last word of their command."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if parent == pid and "app.cli" in words:
            found[words[words.index("app.cli") + 1]] = int(entry.name)
    return found
