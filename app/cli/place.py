"""Which servers and secret a command works with: the environment's, those of a running `steward start`, or its own."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.cli.trouble import fail
from app.embedded import folders, postgres
from app.settings import Settings

RUNTIME = "runtime.json"
LOCK = "start.lock"
SECRET = "secret.key"  # noqa: S105 - a file's name


def settings(*, make_secret: bool = False, **given: Any) -> Settings:
    """The environment's settings under what was `given` on the command line; the secret may come from the data folder.

    Only `steward start` makes a secret: anywhere else a missing one means that the wrong folder was meant.
    """
    given = {name: value for name, value in given.items() if value is not None}
    first = Settings(**{**given, "database_url": ""})
    if not first.secret_key.get_secret_value() and (make_secret or (first.data_dir / SECRET).exists()):
        given["secret_key"] = secret_in(first.data_dir)
    return Settings(**{"data_dir": first.data_dir.absolute(), **given})


def secret_in(folder: Path) -> str:
    """The folder's master key, made on first use."""
    path = folder / SECRET
    if not path.exists():
        folders.private(folder)
        folders.write_secret(path, secrets.token_urlsafe(48))
    return path.read_text().strip()


@contextmanager
def announced(folder: Path, **facts: Any) -> Iterator[None]:
    """Leave a private note, while we run, of where our servers are."""
    path = folder / RUNTIME
    folders.write_secret(path, json.dumps({"pid": os.getpid(), **facts}, indent=2))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only `steward start` of this folder; what a killed one left is no longer true."""
    with folders.locked(folders.private(folder) / LOCK, "The data"):
        (folder / RUNTIME).unlink(missing_ok=True)
        yield


def announcement(folder: Path) -> dict[str, Any] | None:
    """The note of a Steward that is running on this folder; None when there is none, or it was killed."""
    try:
        note: dict[str, Any] = json.loads((folder / RUNTIME).read_text())
    except (OSError, ValueError):
        return None
    return note if folders.held(folder / LOCK) else None


def connected(**given: Any) -> Settings:
    """Settings with a database: the environment's, or a running Steward's."""
    here = settings(**given)
    if here.database_url:
        return here
    note = announcement(here.data_dir)
    if note is None:
        fail(
            "no database: set STEWARD_DATABASE_URL, or run `steward start`, which brings its own "
            f"(none is running on {here.data_dir})."
        )
    return settings(**given, database_url=note["database_url"], redis_url=note["redis_url"])


@contextmanager
def reachable() -> Iterator[Settings]:
    """The same, or else with a database started for this command."""
    here = settings()
    if here.database_url or announcement(here.data_dir):
        yield connected()
        return
    with postgres(here.data_dir) as url:
        yield settings(make_secret=True, database_url=url)
