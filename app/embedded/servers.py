"""A child with an address: started, watched, started again when it ended unasked, and stopped."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from app.embedded import processes
from app.embedded.errors import CannotStart

Process = subprocess.Popen[bytes]

LONGEST_PAUSE = 30.0  # seconds between attempts to start what keeps ending
WELL_AFTER = 60.0  # seconds of life after which a child counts as healthy again


class Server:
    """One child and how it is started, waited for and stopped."""

    def __init__(
        self,
        name: str,
        url: str,
        spawn: Callable[[], Process],
        wait: Callable[[Process], None] | None = None,
        *,
        stop: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 30.0),),
    ) -> None:
        self.name = name
        self.url = url
        self._spawn = spawn
        self._wait = wait
        self._stop = tuple(stop)
        self._process: Process | None = None
        self._failures = 0
        self._started_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process now serving, if any."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it is ready; raises `CannotStart`."""
        self._started_at = time.monotonic()
        self._process = self._spawn()
        if self._wait:
            self._wait(self._process)

    def ask_to_stop(self) -> None:
        """Send the first, polite signal, without waiting."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(self._stop[0][0])

    def stop(self) -> None:
        """End it: politely, then less so."""
        if self._process:
            processes.stop(self._process, *self._stop)

    def revive(self) -> str:
        """Start it again when it has ended and its pause has passed; what happened, in words, or nothing."""
        if self._process is None or (code := self._process.poll()) is None:
            return ""
        now = time.monotonic()
        self._failures = 0 if now - self._started_at > WELL_AFTER else self._failures
        if self._failures and now - self._started_at < min(LONGEST_PAUSE, 0.5 * 2**self._failures):
            return ""
        self._failures += 1
        try:
            self.start()
        except CannotStart as error:
            return f"{self.name} ended ({_ending(code)}) and cannot be started again: {error}"
        return f"{self.name} ended ({_ending(code)}) and was started again."


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Start them in turn; on leaving, however that happens, ask all to end and see that they do."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.ask_to_stop()
        for server in servers:
            server.stop()
