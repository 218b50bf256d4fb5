"""The web and worker processes of `steward start`: children with one environment, kept alive, reloaded when asked."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import app
from app.cli import listening
from app.embedded import CannotStart, Server, processes
from app.settings import Settings

PAUSE = 0.2
READY_SECONDS = 60.0
GRACE_SECONDS = 25.0  # a little longer than the children's own patience with what is in flight
SOURCES = Path(app.__file__).parent


class Family:
    """Makes the children of one `steward start`."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir
        self._environment = {
            **os.environ,
            "STEWARD_DATABASE_URL": settings.database_url,
            "STEWARD_REDIS_URL": settings.redis_url,
            "STEWARD_SECRET_KEY": settings.secret_key.get_secret_value(),
            "STEWARD_BELL": settings.bell if settings.redis_url else "none",
            "STEWARD_DATA_DIR": str(settings.data_dir),
        }

    def web(self, taken: socket.socket) -> Server:
        """Serves the API on a socket that is already bound."""
        url = listening.url(taken)

        def wait(process: subprocess.Popen[bytes]) -> None:
            if not processes.wait_until(lambda: healthy(url), process, READY_SECONDS):
                raise CannotStart(f"The API did not start; the end of {self._log('web')}:\n{self._last_words('web')}")

        return self._child("web", ["serve", "--fd", str(taken.fileno())], wait, url=url, keep=[taken.fileno()])

    def worker(self) -> Server:
        """Does the work promised for later."""
        return self._child("worker", ["work"])

    def _child(
        self,
        name: str,
        words: Sequence[str],
        wait: Callable[[subprocess.Popen[bytes]], None] | None = None,
        *,
        url: str = "",
        keep: Sequence[int] = (),
    ) -> Server:
        def spawn() -> subprocess.Popen[bytes]:
            with processes.log_file(self._log(name)) as log:
                return processes.spawn(
                    [sys.executable, "-m", "app.cli", *words],
                    death_signal=signal.SIGKILL,
                    environment=self._environment,
                    output=log,
                    keep=keep,
                )

        return Server(name, url, spawn, wait, stop=[(signal.SIGTERM, GRACE_SECONDS)])

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _last_words(self, name: str) -> str:
        return processes.last_words(self._log(name))


def healthy(url: str) -> bool:
    """Whether the API answers; asked directly, whatever proxy the environment names."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=2.0)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def keep(servers: Sequence[Server], *, say: Callable[[str], None], between: Callable[[], None] = lambda: None) -> None:
    """Start again whatever ends unasked, for ever."""
    while True:
        for server in servers:
            if told := server.revive():
                say(told)
        time.sleep(PAUSE)
        between()


def reloader(children: Sequence[Server], *, say: Callable[[str], None]) -> Callable[[], None]:
    """What to do between looks while writing code: a changed source file restarts the children."""
    seen = _newest()

    def look() -> None:
        nonlocal seen
        if (now := _newest()) == seen:
            return
        seen = now
        say("The code changed: starting again.")
        for child in children:
            child.stop()
        for child in children:
            try:
                child.start()
            except CannotStart as error:  # tried again by `keep`, and on the next change
                say(str(error))

    return look


def _newest() -> float:
    return max((path.stat().st_mtime for path in SOURCES.rglob("*.py")), default=0.0)
