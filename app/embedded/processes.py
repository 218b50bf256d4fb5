"""Starts and stops child processes that end when we do, however we end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CHILD = Path(__file__).with_name("child.py")


def launcher(death_signal: signal.Signals, identity: str = "same") -> list[str]:
    """The words before a command that make it end with us; start it from a thread that lives as long as we do."""
    return [sys.executable, "-I", "-S", str(CHILD), str(int(death_signal)), str(os.getpid()), identity]


def spawn(
    command: Sequence[str],
    *,
    death_signal: signal.Signals,
    identity: str = "same",
    environment: dict[str, str] | None = None,
    output: IO[bytes] | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that Ctrl-C reaches us alone and we decide the order of stopping."""
    return subprocess.Popen(  # noqa: S603 - our own binaries
        [*launcher(death_signal, identity), *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        env=environment,
        pass_fds=keep,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> None:
    """Send each signal in turn, waiting its seconds; then the one that cannot be refused."""
    for number, seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()


def alive(pid: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def log_file(path: Path, *, limit: int = 10 * 1024 * 1024) -> Iterator[IO[bytes]]:
    """A log to append to; one that passed `limit` bytes is set aside first."""
    if path.exists() and path.stat().st_size > limit:
        path.replace(path.with_suffix(path.suffix + ".1"))
    with path.open("ab") as log:
        path.chmod(0o600)
        yield log


def last_words(path: Path, lines: int = 8) -> str:
    """The end of a log, for a message about why a server did not start."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Poll `ready` every 20 ms until it holds; False when the process ended or the time passed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if ready():
            return True
        time.sleep(0.02)
    return False
