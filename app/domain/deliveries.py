"""What Steward announces to webhooks, and what a receiver's answer means for the letter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.domain.errors import Conflict, NotFound
from app.domain.retries import WEBHOOKS, wait

PATIENCE_WITH_ENDPOINT: Final = timedelta(days=5)
"""An endpoint that has failed every attempt for this long is switched off."""

TEST: Final = "webhook.test"

EVENT_TYPES: Final[Mapping[str, str]] = {
    "account.owner_changed": "An account has another owner than before, or none any more.",
    "indicator.activated": "An indicator has come to hold for an account.",
    "indicator.resolved": "An indicator no longer holds for an account.",
    TEST: "Sent when you ask for it, to try an endpoint. Every endpoint gets it, whatever its types.",
}


class UnknownDelivery(NotFound):
    """There is no such delivery in this workspace."""

    code = "unknown_delivery"


class WebhookDisabled(Conflict):
    """The webhook is switched off."""

    code = "webhook_disabled"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that happened to an account. `event_id` is made from its cause, so that saying it twice is harmless.

    `data` is added to what is told of the account: JSON values and datetimes, the same keys for every event of a type.
    """

    type: str
    account_id: UUID
    event_id: UUID
    occurred_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one attempt came to: the receiver's status, or the public code of why there is none."""

    status: int | None
    error: str | None
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver took the letter."""
        return self.error is None and self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the letter, and of the endpoint. `wait` is set while it stays `pending`.

    With `disable` the endpoint is switched off for that reason; a letter still pending then is held, not tried.
    """

    state: str
    wait: timedelta | None = None
    disable: str | None = None


def judge(answer: Answer, *, attempt: int, jitter: float, failing_since: datetime | None, now: datetime) -> Verdict:
    """What the `attempt`-th answer (from 1) means. `failing_since`: the first failure since the endpoint last took one.

    2xx: delivered. 410: the receiver is gone, so is the endpoint. A destination we refuse to call: failed at once.
    Anything else: again on the schedule, or later if the receiver asks, until the schedule is used up.
    """
    if answer.ok:
        return Verdict("delivered")
    if answer.status == 410 and answer.error is None:
        return Verdict("cancelled", disable="gone")
    if answer.error == "destination_not_allowed":
        return Verdict("failed")
    disable = "failing" if failing_since is not None and now - failing_since >= PATIENCE_WITH_ENDPOINT else None
    after = wait(WEBHOOKS, attempt, jitter=jitter, wish=answer.retry_after)
    return Verdict("failed", disable=disable) if after is None else Verdict("pending", wait=after, disable=disable)


def wanted(types: Sequence[str], event_type: str) -> bool:
    """Whether an endpoint that lists `types` (none: all) gets events of this type."""
    return not types or event_type in types
