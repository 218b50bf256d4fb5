"""The wire contract of the state of evaluation."""

from typing import Literal

from pydantic import Field

from app.api.schemas.accounts import AccountId
from app.api.schemas.base import Instant
from app.domain.wire import Wire


class FailingAccount(Wire):
    """An account whose evaluation fails; it is tried again, and holds up no other."""

    account_id: AccountId
    external_id: str
    attempts: int
    last_error: str | None
    next_attempt_at: Instant


class FailingRecord(Wire):
    """A user or organization whose evaluation fails; it is tried again, and holds up no other."""

    subject: Literal["users", "organizations"]
    id: str
    attempts: int
    last_error: str | None
    next_attempt_at: Instant


class RecordsOut(Wire):
    """The same of users and organizations."""

    pending: int = Field(description="Users and organizations that wait to be evaluated.")
    oldest_seconds: float
    failing: list[FailingRecord] = Field(description="At most 50.")


class EvaluationOut(Wire):
    """How far what is derived lags behind what was received."""

    pending: int = Field(description="Accounts that wait to be evaluated.")
    oldest_seconds: float = Field(description="How long the one that waits longest has been due.")
    failing: list[FailingAccount] = Field(description="At most 50.")
    records: RecordsOut
