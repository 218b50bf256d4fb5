"""Where the embedded servers keep their files, and who may use a folder: one running instance at a time."""

import fcntl
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.embedded.errors import CannotStart
from app.embedded.processes import alive

LONGEST_SOCKET = 103  # bytes: Linux takes 107, macOS 103
LONGEST_NAME = "/.s.PGSQL.5432.lock"
PLAIN = re.compile(r"[A-Za-z0-9_./-]+")  # what needs no quoting in a URL, for every client library
LAST_GASP_SECONDS = 60.0


def private(folder: Path) -> Path:
    """The folder, made if need be, that nobody else may enter."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(
            f"{folder} cannot be made ({error.strerror}): choose another folder with --data-dir."
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CannotStart(f"{folder} is not yours to write to: choose another folder with --data-dir.")
    return folder


def write_secret(path: Path, text: str) -> None:
    """Write a file only we may read, whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(text)
    part.replace(path)


@contextmanager
def locked(path: Path, what: str) -> Iterator[int]:
    """Hold the lock file and yield its descriptor, or say who has it.

    The descriptor is handed to the server: then the lock is free only when the last of its processes is gone, which may
    be a moment after its supervisor was killed. That moment is waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise CannotStart(f"{path} belongs to another user: choose another folder with --data-dir.") from None
    try:
        _take(descriptor, path.parent, what)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path, what: str) -> None:
    deadline = time.monotonic() + LAST_GASP_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = int(os.pread(descriptor, 20, 0) or b"0")
            if (holder and alive(holder)) or time.monotonic() > deadline:
                raise CannotStart(
                    f"{what} in {folder} is in use by a running Steward (process {holder}): "
                    "stop that one first, or choose another folder with --data-dir."
                ) from None
            time.sleep(0.05)
        else:
            return


def sockets(folder: Path, owner: int) -> Path:
    """A private folder for sockets: inside `folder` when the path is short and plain, else one in the temporary folder.

    A socket's path is limited to about a hundred bytes, and it becomes part of a URL. `owner` is the user id the
    server runs as, to whom it may have been given.
    """
    inside = folder / "run"
    if PLAIN.fullmatch(str(inside)) and len(f"{inside}{LONGEST_NAME}".encode()) <= LONGEST_SOCKET:
        return private(inside)
    name = f"steward-{os.geteuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    temporary = Path(tempfile.gettempdir())
    if len(f"{temporary}/{name}{LONGEST_NAME}".encode()) > LONGEST_SOCKET or not PLAIN.fullmatch(str(temporary)):
        temporary = Path("/tmp")  # noqa: S108 - the folder inside it is private, and its owner is checked
    return _known(private(temporary / name), {os.geteuid(), owner})


def leave(sockets: Path, folder: Path) -> None:
    """Remove a socket folder in the temporary folder, once the last server has left it."""
    if sockets.parent != folder:
        with suppress(OSError):
            sockets.rmdir()


def _known(folder: Path, owners: set[int]) -> Path:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & 0o077:
        raise CannotStart(f"{folder} belongs to someone else; remove it, or choose a shorter --data-dir.")
    return folder


def held(path: Path) -> bool:
    """Whether a running process holds this lock file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
