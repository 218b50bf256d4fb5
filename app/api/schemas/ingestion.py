"""The wire contract of the state of ingestion."""

from pydantic import Field

from app.api.schemas.base import Instant
from app.domain.matching import MOST_NAMES
from app.domain.wire import Wire


class KeysByMode(Wire):
    """How many keys that are not revoked send in each mode."""

    direct: int
    inbox: int


class FailingParcel(Wire):
    """Messages that could not be applied; they are tried again, and hold up no others."""

    messages: int
    attempts: int
    last_error: str | None = Field(description="The kind of error; its words may quote data, and are in the log only.")
    received_at: Instant
    next_attempt_at: Instant


class IngestionOut(Wire):
    """How far what is applied lags behind what was acknowledged."""

    keys: KeysByMode
    pending: int = Field(description="Acknowledged messages that are not applied yet; 0: everything sent can be read.")
    oldest_seconds: float = Field(description="How long the one that waits longest has waited; failing ones aside.")
    event_names: int = Field(
        description=f"How many event names are counted, at most {MOST_NAMES:,}; events of others are stored only."
    )
    failing: list[FailingParcel] = Field(description="At most 50.")
