"""One command starts everything, says where it is, and leaves nothing behind; the other commands find it."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.processes import gone

from .conftest import Started, a_folder, children, environment, started, steward


@pytest.fixture(scope="module")
def running():
    """A Steward that the tests only look at, and whose children they may kill."""
    with a_folder() as place, started(place) as it:
        yield it


def test_the_printed_lines_work_when_pasted(running):
    assert running.get("/docs")[0] == 200
    assert len(running.curls) == 3
    for line in running.curls:
        answer = subprocess.run([*shlex.split(line), "--fail-with-body"], capture_output=True, text=True, check=False)
        assert answer.returncode == 0, (line, answer.stdout)
        json.loads(answer.stdout)
    assert running.get("/api/v1/accounts/acme")[0] == 200


def test_a_key_made_meanwhile_is_printed_alone_and_opens_the_api(running):
    made = steward(running.place, "keys", "create", "--workspace", "main", "--scope", "read", "--scope", "ingest")
    assert (made.returncode, made.stderr) == (0, "")
    assert running.get("/api/v1/accounts", key=made.stdout.strip())[0] == 200


def test_the_doctor_finds_it_well(running):
    looked = steward(running.place, "doctor")
    assert looked.returncode == 0, looked.stdout
    assert f"running at {running.url}" in looked.stdout


def test_a_second_start_is_told_who_has_the_folder(running):
    second = steward(running.place, "start", "--port", "0")
    assert (second.returncode, f"process {running.process.pid}" in second.stderr) == (1, True)
    assert running.get("/healthz")[0] == 200


@pytest.mark.parametrize("child", ["serve", "work"])
def test_a_child_that_is_killed_is_started_again_at_the_same_address(running, child):
    before = children(running.process.pid)[child]
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while children(running.process.pid).get(child, before) == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert running.get("/api/v1/accounts")[0] == 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_kill_9_and_ctrl_c_leave_no_process_and_the_next_start_has_the_data(place):
    with started(place) as first:
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        with started(place) as second:  # at once: what is left of the first is waited for
            assert second.get("/api/v1/accounts", key=first.key)[0] == 200
            second.process.send_signal(signal.SIGINT)
            assert second.process.wait(timeout=40) == 0
    assert gone(place)
    assert not (place / "runtime.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_when_make_is_killed_everything_ends(place):
    command = [sys.executable, "-m", "app.cli", "start", "--port", "0", "--no-demo", "--with-parent"]
    make = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess; subprocess.run({command!r})"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(place),
    )
    with make:
        Started(place, make)
        make.kill()
    assert gone(place)


def test_a_taken_port_is_said_before_anything_starts(place):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = steward(place, "start", "--port", str(port))
    assert (refused.returncode, f"port {port}: it is taken" in refused.stderr) == (2, True)
    assert not (place / "postgres").exists()


def test_settings_that_cannot_be_meant_are_spelled_out(place):
    refused = steward(place, "start", STEWARD_DATABASE_POOL="many")
    assert refused.returncode == 2
    assert "STEWARD_DATABASE_POOL" in refused.stderr
    assert "Traceback" not in refused.stderr
