"""The promises: one frozen class per job, kept as rows that outlive releases."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import TypeAdapter

from app.domain.retries import WEBHOOKS, Schedule

PATIENT = Schedule((0, 2, 10, 60, 300))
"""Five attempts over about six minutes, for work inside our own walls."""


class Lane(IntEnum):
    """Which work waits for which: lower goes first when a worker has few hands free."""

    EVALUATE = 0
    DELIVER = 1
    BULK = 2
    MAINTENANCE = 3


class Job:
    """Something promised for later. Subclasses are frozen dataclasses of ids; `kind` is stored and never renamed.

    `retries` says how often it is tried and how long it waits in between. A field named `endpoint_id` puts the job
    under that endpoint's limit of calls at a time.
    """

    __slots__ = ()

    kind: ClassVar[str]
    lane: ClassVar[Lane]
    retries: ClassVar[Schedule] = PATIENT

    def dedupe_key(self) -> str:
        """What tells two waiting promises of a kind apart; equal ones become one."""
        return ":".join(str(value) for value in self.payload().values())

    def payload(self) -> dict[str, Any]:
        """The fields as JSON values."""
        plain: dict[str, Any] = _adapter(type(self)).dump_python(self, mode="json")
        return plain

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The job a stored row stands for; what a later release added to the payload is ignored."""
        names = {one.name for one in fields(cls)}  # type: ignore[arg-type]
        job: Self = _adapter(cls).validate_python({name: payload[name] for name in names & payload.keys()})
        return job


_adapters: dict[type[Job], TypeAdapter[Any]] = {}


def _adapter(cls: type[Job]) -> TypeAdapter[Any]:
    if cls not in _adapters:
        _adapters[cls] = TypeAdapter(cls)
    return _adapters[cls]


@dataclass(frozen=True, slots=True)
class Deliver(Job):
    """Send one letter to one endpoint."""

    kind: ClassVar[str] = "delivery.send"
    lane: ClassVar[Lane] = Lane.DELIVER
    retries: ClassVar[Schedule] = WEBHOOKS

    delivery_id: UUID
    endpoint_id: UUID

    def dedupe_key(self) -> str:
        """One waiting promise per letter."""
        return str(self.delivery_id)


@dataclass(frozen=True, slots=True)
class Reprocess(Job):
    """Apply a changed definition to the whole workspace, slice by slice."""

    kind: ClassVar[str] = "reprocessing.run"
    lane: ClassVar[Lane] = Lane.BULK

    reprocessing_id: UUID


@dataclass(frozen=True, slots=True)
class RunImport(Job):
    """Check an imported file or take it in, slice by slice."""

    kind: ClassVar[str] = "import.run"
    lane: ClassVar[Lane] = Lane.BULK

    import_id: UUID


@dataclass(frozen=True, slots=True)
class DiscardImport(Job):
    """Delete the file of an import that is over."""

    kind: ClassVar[str] = "import.discard"
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    import_id: UUID


@dataclass(frozen=True, slots=True)
class ExpireImport(Job):
    """Cancel an import that was left lying for a week; forget one that is a month old."""

    kind: ClassVar[str] = "import.expire"
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    import_id: UUID


@dataclass(frozen=True, slots=True)
class CountStored(Job):
    """Count stored events for what is newly counted, slice by slice."""

    kind: ClassVar[str] = "events.recount"
    lane: ClassVar[Lane] = Lane.BULK

    recount_id: UUID


@dataclass(frozen=True, slots=True)
class TellMetric(Job):
    """Work out what a metric was before it was defined, slice by slice; `after` is the record it has come to."""

    kind: ClassVar[str] = "metric.tell"
    lane: ClassVar[Lane] = Lane.BULK

    metric_id: UUID
    version: int
    subject: str
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class Erase(Job):
    """Clear away what is left of a deleted user or account, slice by slice."""

    kind: ClassVar[str] = "erasure.run"
    lane: ClassVar[Lane] = Lane.BULK

    erasure_id: UUID


@dataclass(frozen=True, slots=True)
class RunBulkEdit(Job):
    """Go on with a bulk edit, slice by slice."""

    kind: ClassVar[str] = "bulk_edit.run"
    lane: ClassVar[Lane] = Lane.BULK

    bulk_edit_id: UUID


@dataclass(frozen=True, slots=True)
class ForgetBulkEdit(Job):
    """Forget a bulk edit that is a month old, with what became of each record."""

    kind: ClassVar[str] = "bulk_edit.forget"
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    bulk_edit_id: UUID


@dataclass(frozen=True, slots=True)
class SweepInstances(Job):
    """Delete instances that no element counts any more, slice by slice; `after` is the record it has come to."""

    kind: ClassVar[str] = "element.sweep"
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    after: UUID | None = None


SUSPECT = "suspect"
"""In place of an endpoint: a job that was running when a worker died. Suspects run one at a time."""


@dataclass(slots=True)
class Lease:
    """A worker's claim on a row. Whatever is written for the job names `fence`; a later claim has a higher one.

    `attempt` counts this claim. `settled` is set once the job's fate is written in a handler's own transaction.
    """

    workspace_id: UUID
    id: int
    kind: str
    fence: int
    attempt: int
    max_attempts: int
    crashes: int
    payload: dict[str, Any] = field(repr=False)
    settled: bool = False

    @property
    def slot(self) -> str | None:
        """What this job shares a limit with while it runs: the other suspects, or the calls to its endpoint."""
        return SUSPECT if self.crashes else self.payload.get("endpoint_id")


class Fenced(Exception):
    """Another worker has this job now: stop, and write nothing more for it."""
