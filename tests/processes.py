"""Which processes still use a folder: how the tests know that nothing was left behind."""

import os
import time
from pathlib import Path


def users_of(folder):
    """The ids of the processes that have `folder` on their command line, are in it, or hold one of its files."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            links = [entry / "cwd", *(entry / "fd").iterdir()]
            names = [str(link.readlink()) for link in links] + [(entry / "cmdline").read_bytes().decode()]
        except (OSError, UnicodeDecodeError):
            continue
        if any(str(folder) in name for name in names):
            found.add(int(entry.name))
    return found


def gone(folder, seconds=15.0):
    """Whether within `seconds` no process uses the folder any more."""
    deadline = time.monotonic() + seconds
    while users_of(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
