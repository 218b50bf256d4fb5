"""The stage of a campaign: PostgreSQL, Valkey, one API, two workers and a receiver, each a process to be killed."""

import os
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from alembic import command
from alembic.config import Config

from app import embedded
from app.embedded import processes

ROOT = Path(__file__).parents[2]
MASTER = "a master key for campaigns, 0123456789 abcdef"
WORKERS = ("worker-1", "worker-2")


class World:
    """Everything that runs. Enter it in the main thread: its processes end with the thread that started them.

    `careless` removes one defence: `receipts` from the API, `leases` from the workers.
    """

    def __init__(self, folder, *, seed=0, careless=None):
        self.folder = Path(folder)
        self.log = self.folder / "received.jsonl"
        self.children = {}
        self.killed = 0
        self._seed = seed
        self._careless = careless
        self._stack = ExitStack()

    def __enter__(self):
        with ExitStack() as stack:
            self.postgres = stack.enter_context(embedded.postgres_server(self.folder))
            self.valkey = stack.enter_context(embedded.valkey_server(self.folder))
            config = Config(ROOT / "alembic.ini")
            config.attributes["url"] = self.postgres.url
            command.upgrade(config, "head")
            self._api_socket, self._hook_socket = (stack.enter_context(_listening()) for _ in range(2))
            receiver = [sys.executable, "-m", "tests.faults.receiver"]
            self._add(
                "receiver", [*receiver, str(self._hook_socket.fileno()), str(self.log), str(self._seed)], keep=True
            )
            stack.enter_context(embedded.running(self.children["receiver"]))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def api(self):
        """Where the API listens. The socket outlives the process, as behind a supervisor or a load balancer."""
        return _url(self._api_socket)

    @property
    def hook(self):
        return _url(self._hook_socket)

    def start(self, *names, die_at=None):
        """Start processes of Steward: `api`, `worker-1`, `worker-2`. `die_at` names a point where they end."""
        for name in names:
            words = ["serve", "--fd", str(self._api_socket.fileno())] if name == "api" else ["work"]
            self._add(name, [*_launcher(name, self._careless, die_at), *words], keep=name == "api", die_at=die_at)
            self._stack.enter_context(embedded.running(self.children[name]))

    def kill(self, name):
        """kill -9."""
        os.kill(self.children[name].pid, signal.SIGKILL)
        self.children[name].stop()  # it is gone already: collects what is left of it
        self.killed += 1

    def again(self, name):
        """Start what was killed."""
        self.children[name].start()

    def crash_postgres(self):
        """Immediate shutdown: no checkpoint, every connection cut; then a start with recovery."""
        os.kill(self.postgres.pid, signal.SIGQUIT)
        self.postgres.stop()
        self.postgres.start()

    def restart_valkey(self):
        """Killed, and started with nothing in it."""
        os.kill(self.valkey.pid, signal.SIGKILL)
        self.valkey.stop()
        self.valkey.start()

    def flush_valkey(self):
        """FLUSHALL."""
        path = self.valkey.url.removeprefix("unix://").partition("?")[0]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(5)
            client.connect(path)
            client.sendall(b"FLUSHALL\r\n")
            assert client.recv(16).startswith(b"+OK")

    def last_words(self):
        """The ends of all logs, for whoever must find out what went wrong."""
        return "\n\n".join(f"--- {name}\n{processes.last_words(self._log(name), 30)}" for name in self.children)

    def wait(self, name, seconds=30.0):
        """The exit code of a process that is expected to end by itself."""
        process = self.children[name]._process
        return process.wait(seconds)

    def _add(self, name, command, *, keep, die_at=None):
        sockets = [self._api_socket.fileno(), self._hook_socket.fileno()] if keep else []

        def spawn():
            with processes.log_file(self._log(name)) as log:
                return processes.spawn(
                    command,
                    death_signal=signal.SIGKILL,
                    environment=self._environment(die_at),
                    output=log,
                    keep=sockets,
                )

        self.children[name] = embedded.Server(name, "", spawn, stop=[(signal.SIGTERM, 10.0)])

    def _environment(self, die_at):
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {
            **{name: value for name, value in kept.items() if not name.startswith("STEWARD_")},
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": str(self.folder.parent / "bytecode"),  # a process starts every second
            "STEWARD_DATABASE_URL": self.postgres.url,
            "STEWARD_REDIS_URL": self.valkey.url,
            "STEWARD_SECRET_KEY": MASTER,
            "STEWARD_OUTBOUND_ALLOW": '["127.0.0.1"]',
            "STEWARD_OUTBOUND_TIMEOUT_SECONDS": "2",
            "STEWARD_LOG_LEVEL": "warning",
            "STEWARD_CRASH_AT": f"{die_at}:1" if die_at else "",
        }

    def _log(self, name):
        return self.folder / f"{name}.log"


def _launcher(name, careless, die_at):
    words = [sys.executable, "-m", "tests.faults.launch"]
    if careless == ("receipts" if name == "api" else "leases"):
        words += ["--careless", careless]
    if die_at and name == "api":
        words += ["--die-at", die_at]
    return words


def _listening():
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen(128)
    return taken


def _url(taken):
    return f"http://127.0.0.1:{taken.getsockname()[1]}"
