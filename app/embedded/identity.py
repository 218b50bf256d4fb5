"""Decides as whom PostgreSQL runs, since it refuses to run as root.

Root's way is a user namespace: the server believes to be someone else, while its files stay root's and private and no
account is made. Where the system refuses that, or the folder is an ordinary user's, root gives its rights up instead.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.embedded.binaries import WAY_OUT, Programs
from app.embedded.errors import CannotStart
from app.embedded.folders import private
from app.embedded.processes import launcher

OVERFLOW = 65534


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a server is (`word`, for the launcher) and to whom its files belong."""

    word: str
    uid: int
    gid: int


def _entry(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


@cache
def namespaces() -> str:
    """Why a user namespace cannot be had here, in words; empty when it can."""
    if sys.platform != "linux":
        return "only Linux has user namespaces"
    probe = [*launcher(signal.SIGKILL, _mapped()), sys.executable, "-I", "-S", "-c", ""]
    ended = subprocess.run(probe, capture_output=True, text=True, check=False)  # noqa: S603 - our own launcher
    return ended.stderr.strip().rpartition(": ")[2] or ("" if ended.returncode == 0 else "refused")


def _mapped() -> str:
    """A name to wear inside the namespace: any user with an entry, because initdb looks its own up."""
    other = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, OVERFLOW))
    return f"map:{other.pw_uid}:{other.pw_gid}"


def _owner(folder: Path) -> int:
    """Who owns the nearest part of the path that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder.stat().st_uid


def settle(data_dir: Path) -> tuple[Path, Identity]:
    """Make the servers' private folder, so that the one PostgreSQL runs as can reach its data in it."""
    home = data_dir.resolve()
    who = identity(home)
    private(home)
    if who.word.startswith("user"):
        if who.uid in (_owner(home), _owner(home.parent)):
            os.chown(home, who.uid, who.gid)
        else:
            home.chmod(0o711)  # what is in it stays private; a folder one may not pass through hides the database
        if not may_enter(home, who):
            raise CannotStart(
                f"PostgreSQL refuses to run as root, and no other user may enter {home}: "
                f"choose another --data-dir, or {WAY_OUT}."
            )
    return home, who


def identity(folder: Path) -> Identity:
    """As whom to run a PostgreSQL whose files are under `folder`."""
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0 and _entry(uid):
        return Identity("same", uid, gid)
    if uid == 0 and (owner := _entry(_owner(folder))) and owner.pw_uid != 0:
        return _user(owner)
    if not namespaces():
        return Identity(_mapped(), uid, gid)
    if uid == 0:
        return _user(pwd.getpwnam("nobody"))
    raise CannotStart(f"PostgreSQL cannot run as user {uid}, who has no name on this system: {WAY_OUT}.")


def _user(entry: pwd.struct_passwd) -> Identity:
    return Identity(f"user:{entry.pw_uid}:{entry.pw_gid}", entry.pw_uid, entry.pw_gid)


def give(path: Path, who: Identity) -> None:
    """Make `path` and all below it belong to `who`; quick when it already does."""
    if path.stat().st_uid == who.uid:
        return
    for part in (*path.rglob("*"), path):  # the top last: it tells whether all was given
        os.chown(part, who.uid, who.gid, follow_symlinks=False)


def may_enter(folder: Path, who: Identity) -> bool:
    """Whether `who` may pass through every part of a path."""
    parts = [folder, *folder.parents]
    return all(part.stat().st_mode & (0o100 if part.stat().st_uid == who.uid else 0o001) for part in parts)


def reachable(programs: Programs, folder: Path, who: Identity) -> Path:
    """The folder of programs as `who` can use them: where they are, or a copy below `folder`."""
    if not who.word.startswith("user") or may_enter(programs.folder, who):
        return programs.folder
    if not programs.bundled:
        raise CannotStart(f"{pwd.getpwuid(who.uid).pw_name} may not run the programs in {programs.folder}: {WAY_OUT}.")
    install = programs.folder.parent
    package, copy = install.parent, folder / "programs"
    libraries = package.with_name(f"{package.name}.libs")  # the programs look for it beside their package
    if not (copy / libraries.name).exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(install, copy / package.name / install.name, symlinks=True)
        shutil.copytree(libraries, copy / f"{libraries.name}.new")
        (copy / f"{libraries.name}.new").rename(copy / libraries.name)
    return copy / package.name / install.name / "bin"
