"""A folder for servers, and a parent process to kill."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("platlib")]),
    "PYTHONDONTWRITEBYTECODE": "1",
}


@pytest.fixture
def folder():
    """Outside pytest's own folders, which only their maker may enter and whose paths are long."""
    path = Path(tempfile.mkdtemp(prefix="stw-", dir="/tmp"))
    yield path / "data"
    shutil.rmtree(path, ignore_errors=True)


def python_for(user):
    """A command that runs Python as `user`, who may not be allowed to enter the folders of ours."""
    become = ["setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups"]
    again = "import subprocess, sys, app.embedded; subprocess.run([sys.executable, '-c', ''], check=True)"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        tried = subprocess.run([*become, python, "-c", again], capture_output=True, env=ENVIRONMENT, check=False)
        if tried.returncode == 0:
            return [*become, python]
    pytest.skip(f"no Python 3.11 that {user} may run")


@contextmanager
def serving(folder, user=None):
    """A parent that serves the folder; yields the process and its first line of output (empty when it refused)."""
    process = subprocess.Popen(
        [*(python_for(user) if user else [sys.executable]), Path(__file__).with_name("parent.py"), folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        yield process, process.stdout.readline()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
