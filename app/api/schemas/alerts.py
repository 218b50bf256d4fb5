"""The wire contract of alerts."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.accounts import AccountBrief, MemberRef
from app.api.schemas.base import Instant, Page, WireId
from app.api.schemas.indicators import IndicatorId, Kind
from app.domain.wire import Wire

AlertId = Annotated[UUID, WireId("alr")]
State = Literal["active", "addressed", "resolved"]


class IndicatorRef(Wire):
    """An indicator, in short."""

    id: IndicatorId
    name: str
    kind: Kind


class ConditionOut(Wire):
    """One condition of the indicator, with the value it saw."""

    field: str
    label: str
    op: str
    value: Any = Field(description="What the value was compared with.")
    saw: Any = Field(description="The account's value; null when there was none.")
    holds: bool


class AlertOut(Wire):
    """One time an indicator came true for an account."""

    id: AlertId
    indicator: IndicatorRef
    indicator_version: int
    account: AccountBrief
    state: State
    assignee: MemberRef | None
    fired_at: Instant
    addressed_at: Instant | None
    addressed_note: str | None
    resolved_at: Instant | None


class AlertExplained(AlertOut):
    """An alert with its reasons: as it fired, as it was resolved, and how the conditions look now."""

    why: list[ConditionOut] = Field(description="Every condition as it was when the indicator fired.")
    resolved_why: list[ConditionOut] | None = Field(
        description="Every condition as it was when the alert was resolved."
    )
    currently: list[ConditionOut] = Field(description="Every condition of the indicator as it is now.")
    holds: bool = Field(description="Whether the indicator's condition holds now.")


class AddressIn(Wire):
    """That someone looks after it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Called them; demo on Tuesday."}]})

    note: str | None = Field(None, max_length=2000)


AlertPage = Page[AlertOut]
