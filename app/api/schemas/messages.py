"""What ingestion answers: one verdict per message."""

from typing import Literal

from pydantic import Field

from app.domain.wire import Wire

Status = Literal["accepted", "duplicate", "conflict", "rejected", "suppressed"]


class FaultOut(Wire):
    """Why some messages were not accepted; one entry per code, with the first of them as the example."""

    code: str
    status: Status
    indexes: list[int] = Field(description="Positions in `messages`, from 0.")
    detail: str
    pointer: str | None = Field(None, description="Where in the first of them the fault lies, as a JSON pointer.")


class BatchOut(Wire):
    """One verdict per message, in the order sent. Everything `accepted` is stored for good."""

    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    suppressed: int = Field(description="About a user or account that was deleted; nothing of these was stored.")
    without_message_id: int = Field(description="Accepted messages that had no id: sending them again doubles events.")
    results: list[Status]
    faults: list[FaultOut]


class EventOut(Wire):
    """What became of one event."""

    status: Literal["accepted", "duplicate"]
    message_id: str = Field(description="As sent, or as made here. Send it along when you retry.")
    deduplicated: bool = Field(description="False when the event came without an id: a retry would count twice.")
