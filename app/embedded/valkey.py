"""A Valkey of our own on a private Unix socket: it only rings the bell, so it keeps nothing on disk."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.embedded import binaries, folders, processes
from app.embedded.errors import CannotStart
from app.embedded.identity import settle
from app.embedded.servers import Server, running

READY_SECONDS = 20.0


@contextmanager
def valkey(data_dir: Path) -> Iterator[str]:
    """Serve a Valkey and yield its URL. Call it from the main thread; raises `CannotStart` with a sentence to show."""
    with valkey_server(data_dir) as server:
        yield server.url


@contextmanager
def valkey_server(data_dir: Path) -> Iterator[Server]:
    """The same, as a server that can be watched and started again."""
    home, who = settle(data_dir)
    with folders.locked(home / "valkey.lock", "Valkey") as lock:
        path = folders.sockets(home, who.uid) / "valkey.sock"
        log = home / "valkey.log"

        def spawn() -> subprocess.Popen[bytes]:
            path.unlink(missing_ok=True)
            with processes.log_file(log) as output:
                return processes.spawn(_command(path, home), death_signal=signal.SIGKILL, output=output, keep=[lock])

        def wait(process: subprocess.Popen[bytes]) -> None:
            if not processes.wait_until(lambda: _answers(path), process, READY_SECONDS):
                raise CannotStart(f"Valkey did not start; the end of {log}:\n{processes.last_words(log)}")

        server = Server("Valkey", f"unix://{path}?db=0", spawn, wait, stop=[(signal.SIGTERM, 5.0)])
        try:
            with running(server):
                yield server
        finally:
            path.unlink(missing_ok=True)
            folders.leave(path.parent, home)


def _command(path: Path, home: Path) -> list[str]:
    """Settings as arguments; the empty ones switch snapshots and the log file off."""
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(home),
        "daemonize": "no",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
    }
    return [str(binaries.valkey_server()), *(word for name, value in settings.items() for word in (f"--{name}", value))]


def _answers(path: Path) -> bool:
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
