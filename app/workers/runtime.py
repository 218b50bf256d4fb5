"""What a handler works with, and the register of who handles which job."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar
from uuid import UUID

from app.db.base import Database, Session
from app.domain import secrets
from app.domain.jobs import Job, Lease
from app.outbound.http import Client
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """A worker's hands. `now` is for what is shown and compared; leases and due times use the database's clock."""

    database: Database
    outbound: Client
    settings: Settings
    now: Callable[[], datetime]

    def transaction(self, workspace_id: UUID) -> AbstractAsyncContextManager[Session]:
        """One transaction inside one workspace."""
        return self.database.transaction(workspace_id)

    @property
    def keys(self) -> secrets.Keyring:
        """The keys that open secrets at rest."""
        return _keyring(self.settings.secret_key.get_secret_value())


@cache
def _keyring(master: str) -> secrets.Keyring:
    return secrets.keyring(master)


J = TypeVar("J", bound=Job)
Handle = Callable[[J, Runtime, Lease], Awaitable[None]]
Bury = Callable[[Session, J, Lease, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handler:
    """How one kind of job is done; `bury` runs in the transaction that gives the job up for dead."""

    job: type[Job]
    run: Handle[Any]
    timeout: float
    bury: Bury[Any] | None


HANDLERS: Final[dict[str, Handler]] = {}


def handles(job: type[J], *, timeout: float, bury: Bury[J] | None = None) -> Callable[[Handle[J]], Handle[J]]:
    """Register an async function of (job, runtime, lease) for this kind of job.

    `timeout` is in seconds; how often and how long to try again is the job's own `retries`. The function may settle
    the job in its own transaction (`db.jobs.complete`, `fail`, `hold`), which makes its effects and the job's fate
    one; if it just returns, the job is completed after it. A domain error is final, any other is tried again.
    """

    def register(run: Handle[J]) -> Handle[J]:
        if job.kind in HANDLERS:
            raise ValueError(f"two handlers for {job.kind}")
        HANDLERS[job.kind] = Handler(job, run, timeout, bury)
        return run

    return register
