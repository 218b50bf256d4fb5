"""The stage of a campaign: PostgreSQL, Valkey, one API, two workers and a receiver, each a process to be killed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
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
LOGS = ("postgres", "valkey", "launch", "receiver", "api", "api-2", *WORKERS)
LONGEST_END = 30.0


class World:
    """Everything that runs. Enter it in the main thread: its processes end with the thread that started them.

    `careless` removes one defence: `receipts` from the API, `leases` from the workers. `settings` are those of Steward.
    """

    def __init__(self, folder, *, seed=0, careless=None, **settings):
        self.folder = Path(folder)
        self.log = self.folder / "received.jsonl"
        self.pids = {}
        self._seed = str(seed)
        self._careless = careless
        self._settings = {f"STEWARD_{name.upper()}": str(value) for name, value in settings.items()}
        self._stack = ExitStack()

    def __enter__(self):
        with ExitStack() as stack:
            self.postgres = stack.enter_context(embedded.postgres_server(self.folder, fast=True))
            self.valkey = stack.enter_context(embedded.valkey_server(self.folder))
            config = Config(ROOT / "alembic.ini")
            config.attributes["url"] = self.postgres.url
            command.upgrade(config, "head")
            self._api_socket, self._hook_socket = (stack.enter_context(_listening()) for _ in range(2))
            stack.enter_context(
                _ended(self._spawn("receiver", str(self._hook_socket.fileno()), str(self.log), self._seed))
            )
            careless = [self._careless] if self._careless else []
            launcher = self._spawn("launch", *careless, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._launcher = Launcher(stack.enter_context(_ended(launcher)))
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

    def start(self, *names, dying=None):
        """Start processes of Steward: `api`, `api-2`, `worker-1`, `worker-2`. `dying` has them end at named points."""
        for name in names:
            words = ["serve", "--fd", str(self._api_socket.fileno())] if name.startswith("api") else ["work"]
            self.pids[name] = self._launcher.ask(words=words, log=str(self._log(name)), dying=dying)

    def kill(self, name):
        """kill -9."""
        os.kill(self.pids[name], signal.SIGKILL)
        self.wait(name)

    def wait(self, name):
        """The exit code of a process that ends by itself, once it has; None when it does not."""
        return self._launcher.ask(wait=(self.pids.pop(name), LONGEST_END))

    def ended(self, name):
        """The exit code of a process that has ended; None while it runs."""
        return self._launcher.ask(wait=(self.pids[name], 0))

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
        return "\n\n".join(f"--- {name}\n{processes.last_words(self._log(name), 30)}" for name in LOGS)

    def _environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STEWARD_")}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "STEWARD_DATABASE_URL": self.postgres.url,
            "STEWARD_REDIS_URL": self.valkey.url,
            "STEWARD_SECRET_KEY": MASTER,
            "STEWARD_OUTBOUND_ALLOW": '["127.0.0.1"]',
            "STEWARD_OUTBOUND_TIMEOUT_SECONDS": "2",
            "STEWARD_LOG_LEVEL": "warning",
            **self._settings,
        }

    def _spawn(self, name, *words, **pipes):
        command = [sys.executable, "-m", f"tests.faults.{name}", *words]
        sockets = [self._api_socket.fileno(), self._hook_socket.fileno()]
        with processes.log_file(self._log(name)) as log:
            return subprocess.Popen(
                [*processes.launcher(signal.SIGKILL), *command],
                stderr=log,
                env=self._environment(),
                pass_fds=sockets,
                start_new_session=True,
                **{"stdin": subprocess.DEVNULL, "stdout": log, **pipes},
            )

    def _log(self, name):
        return self.folder / f"{name}.log"


class Launcher:
    """The warm process that forks the others; asked and answered by lines."""

    def __init__(self, process):
        self._process = process
        self._answer()

    def ask(self, **what):
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        assert line, "the launcher has ended; see launch.log"
        return json.loads(line)


@contextlib.contextmanager
def _ended(process):
    """Kill a child on the way out; its own children end with it."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _listening():
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen(128)
    return taken


def _url(taken):
    return f"http://127.0.0.1:{taken.getsockname()[1]}"
