"""Becomes another program that cannot outlive its parent; run as a script, so it imports the standard library only.

`python -I -S child.py SIGNAL PARENT_PID IDENTITY PROGRAM ARGUMENTS...`, where IDENTITY is `same`, `map:UID:GID` (keep
owning the files, but be called UID and GID inside a user namespace) or `user:UID:GID` (give up root for that user).
A launcher and not a `preexec_fn`, because Python code between fork and exec deadlocks in a parent with threads.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1


def call(name: str, *arguments: int) -> None:
    """Call a C function that answers 0, or raise what errno says."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def map_identity(uid: int, gid: int) -> None:
    """Enter a user namespace in which our one user is called `uid` and our one group `gid`."""
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outside_gid} 1")


def take_identity(identity: str) -> None:
    """Become who `identity` says; `same` changes nothing."""
    kind, *ids = identity.split(":")
    if kind == "map":
        map_identity(int(ids[0]), int(ids[1]))
    elif kind == "user":
        os.setgroups([])
        os.setgid(int(ids[1]))
        os.setuid(int(ids[0]))


def die_with(parent: int, signal: int) -> None:
    """Receive `signal` when the parent's starting thread ends. After a change of identity, which would clear it."""
    call("prctl", PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:  # it died before we asked to be told
        sys.exit(1)


def main(signal: str, parent: str, identity: str, *command: str) -> None:
    """Take the identity, tie the life to the parent's, become the program."""
    try:
        take_identity(identity)
        if sys.platform == "linux":
            die_with(int(parent), int(signal))
        os.execv(command[0], command)  # noqa: S606 - the whole purpose
    except OSError as error:
        sys.exit(f"steward could not become {command[0]}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
