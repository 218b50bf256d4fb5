"""`steward doctor`: says in words what is wrong with this installation, and what to do about it."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import typer
from pydantic import ValidationError

from app.cli import listening, place, schema
from app.cli.trouble import BROKEN, spell
from app.db import condition
from app.embedded import CannotStart, binaries, identity, postgres
from app.embedded.postgres import made_by
from app.settings import Settings
from app.workers import bell

GOOD, WORSE, BAD = "ok", "degraded", "BROKEN"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, and a sentence about it."""

    state: str
    sentence: str


def doctor() -> None:
    """Look at everything Steward needs and say what is wrong; exits with 1 when something is broken."""
    worst = False
    for finding in _findings():
        typer.echo(f"{finding.state:<9} {finding.sentence}")
        worst = worst or finding.state == BAD
    raise typer.Exit(BROKEN if worst else 0)


def _findings() -> Iterator[Finding]:
    yield _python()
    try:
        settings = place.settings()
    except ValidationError as error:
        yield Finding(BAD, spell(error))
        return
    with ExitStack() as stack:
        note = place.announcement(settings.data_dir)
        yield _running(settings, listens=note["url"] if note else "")
        yield from (check(settings) for check in (_secret, _folder))
        if note:
            settings = settings.model_copy(update={name: note[name] for name in ("database_url", "redis_url")})
        elif not settings.database_url:
            yield from _embedded(settings)
            settings = yield from _started(stack, settings)
        if settings.database_url:
            yield from _database(settings.database_url, is_new=not note and not made_by(settings.data_dir))
        yield _redis(settings.redis_url, embedded=not note)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding(GOOD if sys.version_info >= (3, 11) else BAD, f"Python {found} (3.11 or newer is needed).")


def _running(settings: Settings, *, listens: str) -> Finding:
    if listens:
        return Finding(GOOD, f"Steward is running at {listens}.")
    where = f"port {settings.port} on {settings.host}"
    if listening.is_free(settings.host, settings.port):
        return Finding(GOOD, f"Steward is not running; {where} is free.")
    return Finding(BAD, f"{where} is taken by another program: choose another with STEWARD_PORT.".capitalize())


def _secret(settings: Settings) -> Finding:
    path = settings.data_dir / place.SECRET
    if not settings.secret_key.get_secret_value():
        return Finding(GOOD, f"The secret key will be made in {path} by the first `steward start`.")
    if path.exists() and path.stat().st_mode & 0o077:
        return Finding(BAD, f"{path} can be read by others: chmod 600 {path}.")
    return Finding(GOOD, "The secret key is there, and long enough.")


def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    existing = next(part for part in (folder, *folder.parents) if part.exists())
    if os.access(existing, os.W_OK | os.X_OK):
        return Finding(GOOD, f"The data folder is {folder}{'' if folder.exists() else ' (not made yet)'}.")
    return Finding(BAD, f"{existing} cannot be written to: choose another data folder with STEWARD_DATA_DIR.")


def _embedded(settings: Settings) -> Iterator[Finding]:
    yield _tried(lambda: f"{binaries.choose(made_by(settings.data_dir))} will serve the data.", BAD)
    yield _tried(lambda: f"The bell is {binaries.valkey_server().name}.", WORSE)
    if os.geteuid() == 0:
        why = identity.namespaces()
        other = f"User namespaces cannot be had ({why}): PostgreSQL, which refuses root, will run as another user."
        yield (
            Finding(WORSE, other)
            if why
            else Finding(GOOD, "User namespaces work: root needs no account for PostgreSQL.")
        )


def _tried(attempt: Callable[[], str], otherwise: str) -> Finding:
    try:
        return Finding(GOOD, attempt())
    except CannotStart as error:
        return Finding(otherwise, str(error))


def _started(stack: ExitStack, settings: Settings) -> Generator[Finding, None, Settings]:
    """Start the embedded database for a look; on a new folder, a throw-away one."""
    folder = settings.data_dir
    if made_by(folder) is None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="steward-")))
    try:
        url = stack.enter_context(postgres(folder))
    except CannotStart as error:
        yield Finding(BAD, str(error))
        return settings
    yield Finding(GOOD, "The embedded PostgreSQL starts.")
    return settings.model_copy(update={"database_url": url})


def _database(url: str, *, is_new: bool) -> Iterator[Finding]:
    try:
        found = asyncio.run(condition.look(url))
    except Exception as error:
        if (words := condition.why(error)) is None:
            raise
        yield Finding(BAD, words)
        return
    state = GOOD if found.version >= binaries.OLDEST else BAD
    yield Finding(state, f"The database answers; it is PostgreSQL {found.version} (15 or newer is needed).")
    if is_new:
        return
    yield _schema(found)
    if not found.may_become_role:
        problem = "may not act as it" if found.has_role else "it does not exist"
        yield Finding(
            BAD, f"The role steward_app, as which requests run: {problem}. Run `steward migrate` as the owner."
        )


def _schema(found: condition.Condition) -> Finding:
    wanted = schema.head()
    if found.revision == wanted:
        return Finding(GOOD, f"The schema is the one this release needs ({wanted}).")
    has = f"at {found.revision}" if found.revision else "empty"
    return Finding(BAD, f"The schema is {has}, and this release needs {wanted}: run `steward migrate`.")


def _redis(url: str, *, embedded: bool) -> Finding:
    if not url:
        what = "`steward start` brings its own" if embedded else "none is set"
        return Finding(GOOD, f"No Redis is named ({what}); without one, background work waits a little longer.")
    if trouble := asyncio.run(bell.trouble(url)):
        return Finding(WORSE, f"Redis cannot be reached ({trouble}): background work waits longer, nothing is lost.")
    return Finding(GOOD, "Redis answers.")
