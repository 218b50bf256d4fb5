"""A PostgreSQL of our own: made on first use, on a private Unix socket only, stopped when we end."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.embedded import binaries, folders, processes
from app.embedded.binaries import Programs
from app.embedded.errors import CannotStart
from app.embedded.identity import Identity, give, reachable, settle
from app.embedded.servers import Server, running

NAME = "steward"
READY_SECONDS = 120.0  # recovery after a crash included
TUNING = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "synchronous_commit": "on",
    "wal_compression": "off",  # pglz costs 2.6 times the time of a write
    "jit": "off",
}
# against power cuts only: what was committed still survives every death of a process
FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB", "max_wal_size": "1GB"}

LEAST_BUFFERS, MOST_BUFFERS = 128, 4096  # MB
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def buffers() -> str:
    """An eighth of the machine's memory: keys of messages are random, and their index is to stay in memory.

    It is taken only as it is used, and shared by all connections.
    """
    limits = [LEAST_BUFFERS * 8]
    with contextlib.suppress(ValueError, OSError):  # not known here
        limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20]
    with contextlib.suppress(ValueError, OSError):  # not in a container, or without a limit
        limits.append(int(CONTAINER_LIMIT.read_text()) >> 20)
    return f"{min(max(min(limits) // 8, LEAST_BUFFERS), MOST_BUFFERS)}MB"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Everything about one data folder and how it is served."""

    home: Path
    programs: Programs
    bin: Path
    who: Identity
    sockets: Path
    settings: dict[str, str]

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def options(self) -> list[str]:
        return [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]


@contextmanager
def postgres(data_dir: Path, *, fast: bool = False) -> Iterator[str]:
    """Serve the folder's database and yield the URL of its superuser.

    `fast` trades safety against power cuts for speed: for tests. Call it from the main thread: the server ends with the
    thread that started it. Raises `CannotStart` with a sentence for a person.
    """
    with postgres_server(data_dir, fast=fast) as server:
        yield server.url


@contextmanager
def postgres_server(data_dir: Path, *, fast: bool = False) -> Iterator[Server]:
    """The same, as a server that can be watched and started again."""
    home, who = settle(data_dir)
    with folders.locked(home / "postgres.lock", "The database") as lock:
        cluster = _describe(home, who, fast=fast)
        password = _password(home)
        if not cluster.data.exists():
            _make(cluster, password, fast=fast)
        _tidy(cluster)
        server = Server(
            "PostgreSQL",
            f"postgresql+asyncpg://{NAME}:{password}@/{NAME}?host={cluster.sockets}",
            lambda: _serve(cluster, lock),
            lambda process: _wait(cluster, process),
            stop=[(signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0)],
        )
        try:
            with running(server):
                yield server
        finally:
            folders.leave(cluster.sockets, home)


def made_by(home: Path) -> int | None:
    """The major version of PostgreSQL that made the data in this folder; None when there is no data yet."""
    version = home / "postgres" / "PG_VERSION"
    return int(version.read_text()) if version.exists() else None


def _describe(home: Path, who: Identity, *, fast: bool) -> Cluster:
    programs = binaries.choose(made_by(home))
    sockets = folders.sockets(home, who.uid)
    settings = {
        **TUNING,
        "shared_buffers": buffers(),
        **(FAST if fast else {}),
        "unix_socket_directories": str(sockets),
    }
    return Cluster(home, programs, reachable(programs, home, who), who, sockets, settings)


def _password(home: Path) -> str:
    path = home / "postgres.password"
    if not path.exists():
        folders.write_secret(path, secrets.token_hex(24))
    return path.read_text()


def _make(cluster: Cluster, password: str, *, fast: bool) -> None:
    """Make the data folder under another name, so that an interrupted making is never taken for data."""
    new = cluster.home / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    secret = cluster.home / "initdb.password"
    folders.write_secret(secret, password)
    for path in (new, secret):
        give(path, cluster.who)
    try:
        _initialise(cluster, new, secret, ["--no-sync"] if fast else [])
    finally:
        secret.unlink()
    _run(cluster, ["postgres", "--single", "-D", str(new), *cluster.options, "postgres"], f"CREATE DATABASE {NAME}\n")
    new.rename(cluster.data)


def _initialise(cluster: Cluster, new: Path, secret: Path, extra: Sequence[str]) -> None:
    command = [
        "initdb",
        "-D",
        str(new),
        "-U",
        NAME,
        "--auth=scram-sha-256",
        f"--pwfile={secret}",
        "--encoding=UTF8",
        *extra,
    ]
    if cluster.programs.major >= 17:
        _run(cluster, [*command, "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"])
        return
    try:
        _run(cluster, [*command, "--locale=C.UTF-8"])
    except CannotStart:  # a system without that locale
        _run(cluster, [*command, "--locale=C"])


def _run(cluster: Cluster, command: Sequence[str], said: str = "") -> None:
    program, *arguments = command
    ended = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        [*processes.launcher(signal.SIGKILL, cluster.who.word), str(cluster.bin / program), *arguments],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=_environment(),
    )
    # single-user mode reports a failed statement only in words
    if ended.returncode or re.search(r"^\S.*\b(ERROR|FATAL|PANIC):", ended.stderr, re.MULTILINE):
        raise CannotStart(f"{program} failed:\n{(ended.stderr or ended.stdout).strip()}")


def _environment() -> dict[str, str]:
    """Ours, without the variables by which PostgreSQL's programs would be led elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))} | {
        "LC_ALL": "C"
    }


def _tidy(cluster: Cluster) -> None:
    """Hand the files to whom the server runs as, and remove the notes of a server that was killed.

    We hold the lock its processes held, so none of them is left; without this, a stranger that happens to have the
    process id noted there would keep the server from starting.
    """
    give(cluster.data, cluster.who)
    give(cluster.sockets, cluster.who)
    for left in (cluster.data / "postmaster.pid", *cluster.sockets.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)


def _serve(cluster: Cluster, lock: int) -> subprocess.Popen[bytes]:
    command = [str(cluster.bin / "postgres"), "-D", str(cluster.data), *cluster.options]
    with processes.log_file(cluster.log) as log:
        return processes.spawn(
            command,
            death_signal=signal.SIGINT,
            identity=cluster.who.word,
            environment=_environment(),
            output=log,
            keep=[lock],
        )


def _wait(cluster: Cluster, process: subprocess.Popen[bytes]) -> None:
    status = cluster.data / "postmaster.pid"

    def ready() -> bool:
        words = status.read_text().split("\n") if status.exists() else []
        return len(words) > 7 and words[0] == str(process.pid) and words[7].strip() == "ready"

    if not processes.wait_until(ready, process, READY_SECONDS):
        raise CannotStart(f"PostgreSQL did not start; the end of {cluster.log}:\n{processes.last_words(cluster.log)}")
