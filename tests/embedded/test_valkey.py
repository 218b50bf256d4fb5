"""The embedded Valkey answers the clients we use on a private socket, and goes when we go."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
import redis.asyncio

from app.embedded import CannotStart, binaries, valkey
from tests.processes import gone

from .conftest import serving


def ping(url):
    async def pinging():
        async with redis.asyncio.from_url(url) as client:
            return await client.ping()

    return asyncio.run(pinging())


def test_it_answers_on_a_private_socket_and_stops(folder):
    with valkey(folder) as url:
        assert url == f"unix://{folder}/run/valkey.sock?db=0"
        assert ping(url)
        assert (folder / "run" / "valkey.sock").stat().st_mode & 0o077 == 0
    assert gone(folder)


def test_it_is_taken_only_once(folder):
    with valkey(folder), pytest.raises(CannotStart, match="in use by a running Steward"), valkey(folder):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_it_starts_again_after_its_parent_was_killed(folder):
    with serving(folder) as (parent, _):
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    with valkey(folder) as url:
        assert ping(url)
    assert gone(folder)


def test_without_a_program_it_says_what_to_do(folder, monkeypatch):
    monkeypatch.setattr(binaries, "package_folder", lambda _: None)
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(CannotStart, match="set STEWARD_REDIS_URL"), valkey(Path(folder)):
        pass
