"""A child that ended unasked is started again, at its old address, and not in a hurry when it keeps ending."""

import os
import signal
import sys
import time

import pytest

from app.embedded import CannotStart, Server, postgres_server, processes, running, valkey_server
from tests.processes import gone

from .test_postgres import ask
from .test_valkey import ping


def a_server(*command, wait=None):
    return Server("sleeper", "", lambda: processes.spawn(command, death_signal=signal.SIGKILL), wait)


def revived(server, seconds=20.0):
    """What the first successful revival said."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if "started again" in (said := server.revive()):
            return said
        time.sleep(0.05)
    raise AssertionError("not started again")


def test_a_killed_database_comes_back_at_the_same_address_with_its_data(folder):
    with postgres_server(folder, fast=True) as server:
        ask(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(server.pid, signal.SIGKILL)
        assert "killed by SIGKILL" in revived(server)
        assert ask(server.url, "SELECT answer FROM kept") == 42
    assert gone(folder)


def test_a_killed_valkey_comes_back_at_the_same_address(folder):
    with valkey_server(folder) as server:
        os.kill(server.pid, signal.SIGKILL)
        revived(server)
        assert ping(server.url)


def test_what_keeps_ending_is_started_ever_more_slowly(monkeypatch):
    server = a_server(sys.executable, "-c", "raise SystemExit(3)")
    starts = []
    with running(server):
        while len(starts) < 3:
            if said := server.revive():
                assert said == "sleeper ended (exit code 3) and was started again."
                starts.append(time.monotonic())
    assert starts[2] - starts[1] > 1.5


def test_all_are_stopped_when_one_cannot_start():
    def refuse(_):
        raise CannotStart("no")

    first, second = a_server("/bin/sleep", "600"), a_server("/bin/sleep", "600", wait=refuse)
    with pytest.raises(CannotStart), running(first, second):
        pass
    assert not processes.alive(first.pid)
    assert not processes.alive(second.pid)
