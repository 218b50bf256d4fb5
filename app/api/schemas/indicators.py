"""The wire contract of indicators."""

from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.api.schemas.accounts import MemberId
from app.api.schemas.base import Instant, Name, Page, WireId
from app.api.schemas.filters import EXAMPLE, Filter
from app.api.schemas.reprocessings import ReprocessingId
from app.domain.wire import Wire

IndicatorId = Annotated[UUID, WireId("ind")]
Kind = Literal["risk", "opportunity"]


class RoleAssignee(Wire):
    """Whoever holds the role at the account when the indicator fires."""

    role: Literal["csm", "accountExecutive"]


class MemberAssignee(Wire):
    """Always the same member."""

    member: MemberId


Assignee = RoleAssignee | MemberAssignee

_EXAMPLE: Final[JsonDict] = {
    "name": "Owner is quiet",
    "kind": "risk",
    "filter": EXAMPLE,
    "assignee": {"role": "csm"},
    "enabled": True,
}


class IndicatorIn(Wire):
    """A condition you want to hear about."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    kind: Kind
    filter: Filter
    assignee: Assignee | None = None
    enabled: bool = True


class IndicatorPatch(Wire):
    """What to change; what is left out stays. `assignee: null` means nobody."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}]})

    name: Name | None = None
    kind: Kind | None = None
    filter: Filter | None = None
    assignee: Assignee | None = None
    enabled: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must change something")
        return self


class IndicatorOut(Wire):
    """An indicator. After a change, `reprocessing` names its being applied to every account."""

    id: IndicatorId
    name: str
    kind: Kind
    filter: dict[str, Any]
    assignee: Assignee | None
    enabled: bool
    version: int = Field(description="Goes up with every change; alerts name the version that fired.")
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None
    reprocessing: ReprocessingId | None = None


class PreviewIn(Wire):
    """A filter to try."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"filter": EXAMPLE}]})

    filter: Filter


class SampledAccount(Wire):
    """An account that matches."""

    id: str
    external_id: str
    name: str | None


class PreviewOut(Wire):
    """What a filter matches now."""

    count: int
    count_capped: bool = Field(description="Whether there are more than `count`.")
    sample: list[SampledAccount]


IndicatorPage = Page[IndicatorOut]
