"""The wire contract of segments: groups of accounts, users or organizations, and who is in them and why."""

from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.api.schemas.accounts import Money
from app.api.schemas.alerts import ConditionOut
from app.api.schemas.base import Instant, Name, Page, WireId
from app.api.schemas.filters import EXAMPLE, Filter
from app.api.schemas.reprocessings import ReprocessingId
from app.domain.segments import MOST_AT_ONCE
from app.domain.wire import Wire

SegmentId = Annotated[UUID, WireId("seg")]
SubjectName = Literal["accounts", "users", "organizations"]
StateName = Literal["included", "excluded", "automatic"]
Result = Literal["entered", "left", "unchanged", "unknown"]
Description = Annotated[str, Field(max_length=2000)]
Color = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$", description="Six hex digits, such as `#2f80ed`.")]
RecordRef = Annotated[
    str, Field(min_length=1, max_length=800, description="An id of ours (`acc_…`, `usr_…`, `org_…`) or your own.")
]

_EXAMPLE: Final[JsonDict] = {
    "subject": "accounts",
    "name": "Quiet owners",
    "description": "Paying accounts whose owner has been away for a week.",
    "color": "#2f80ed",
    "filter": EXAMPLE,
}
STATE: Final = (
    "`included`: a member whatever rules and automations say. `excluded`: not a member, and what put it there does not "
    "bring it back. `automatic`: nothing decided by hand; rules and automations decide."
)


class SegmentIn(Wire):
    """A group to be made. Without a filter, members come by hand and from automations only."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    subject: SubjectName = Field("accounts", description="What its members are. It cannot be changed.")
    name: Name = Field(description="Unique among the segments of the subject; upper and lower case are the same.")
    description: Description | None = None
    color: Color | None = None
    filter: Filter | None = None


class SegmentPatch(Wire):
    """What to change; what is left out stays. `filter: null` takes the rule away; who was added by hand stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Owners gone quiet"}]})

    name: Name | None = None
    description: Description | None = None
    color: Color | None = None
    filter: Filter | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must change something")
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("a segment needs a name")
        return self


class SegmentOut(Wire):
    """A segment. After a change of its filter, `reprocessing` names its being applied to every record."""

    id: SegmentId
    subject: SubjectName
    name: str
    description: str | None
    color: str | None
    filter: dict[str, Any] | None
    members: int = Field(description="How many records are in it now; counting stops at 10,000.")
    members_capped: bool = Field(description="Whether there are more than `members`.")
    version: int = Field(description="Goes up with every change.")
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None
    reprocessing: ReprocessingId | None = None


class SegmentPreviewIn(Wire):
    """A filter to try."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"subject": "accounts", "filter": EXAMPLE}]})

    subject: SubjectName = "accounts"
    filter: Filter


class SampledRecord(Wire):
    """A record that matches."""

    id: str
    external_id: str
    name: str | None


class SegmentPreviewOut(Wire):
    """What a filter matches now."""

    count: int
    count_capped: bool = Field(description="Whether there are more than `count`.")
    sample: list[SampledRecord]


class LinkOut(Wire):
    """One reason to be a member."""

    source: str = Field(description="`rule`, `manual` (a person), `api` (a key), or an automation: `playbook:…`.")
    since: Instant
    by: str | None = Field(description="Who added it, where somebody did: `mem_…` or `key_…`.")
    held_back: bool = Field(description="Whether a removal by hand keeps it from counting.")


class ExclusionOut(Wire):
    """A removal by hand."""

    since: Instant
    by: str | None
    holds_back: list[str] = Field(description="The sources that do not bring the record back.")


class MembershipOut(Wire):
    """What is between a record and a segment."""

    member: bool
    state: StateName = Field(description=STATE)
    since: Instant | None = Field(description="When it last entered; null when it never did.")
    sources: list[LinkOut]
    excluded: ExclusionOut | None


class SegmentMemberOut(MembershipOut):
    """A record, and what is between it and the segment."""

    id: str
    external_id: str
    name: str | None


class SegmentMemberExplained(SegmentMemberOut):
    """A record, what is between it and the segment, and what the segment's rule sees of it now."""

    conditions: list[ConditionOut] | None = Field(
        description="Every condition of the filter with the value it sees; null for a segment without one."
    )


class SegmentStateIn(Wire):
    """What is decided by hand about a record."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "included"}]})

    state: StateName = Field("included", description=STATE)


class SegmentStateItem(Wire):
    """A record, and what is decided about it."""

    record: RecordRef
    state: StateName = Field(description=STATE)


class SegmentStatesIn(Wire):
    """Records to include, exclude or hand back. Of two lines on one record the later counts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"data": [{"record": "acme", "state": "included"}, {"record": "globex", "state": "excluded"}]}]
        }
    )

    data: list[SegmentStateItem] = Field(min_length=1, max_length=MOST_AT_ONCE)


class SegmentStateResult(Wire):
    """What became of one line."""

    record: str
    id: str | None = Field(description="Null for a record there is not.")
    result: Result
    member: bool = Field(description="Whether the record is a member now.")


class SegmentStatesOut(Wire):
    """What became of each line, in the same order."""

    data: list[SegmentStateResult]


class SegmentChangeOut(Wire):
    """A record entered or left."""

    id: str = Field(description="The record.")
    external_id: str
    name: str | None
    change: Literal["entered", "left"]
    at: Instant
    source: str
    reason: str = Field(
        description="`filter_holds`, `filter_no_longer_holds`, `included`, `excluded`, `handed_back`, `linked`, "
        "`unlinked` or `segment_archived`."
    )
    by: str | None


class SegmentBrief(Wire):
    """A segment, in short."""

    id: SegmentId
    name: str
    color: str | None


class RecordSegmentOut(MembershipOut):
    """A segment a record is in, or was removed from by hand."""

    segment: SegmentBrief


class RecordSegmentsOut(Wire):
    """The segments of a record, in the order the segments were made."""

    data: list[RecordSegmentOut]


class RevenueOut(Wire):
    """Monthly recurring revenue of members."""

    total: Money
    average: Money | None = Field(description="Over the members that have any; null when none has.")
    members: int = Field(description="Members that have any.")


class StatusFigures(Wire):
    """The members with one status."""

    status: str
    members: int
    mrr: RevenueOut | None = Field(description="Null for users.")


class SeenFigures(Wire):
    """When members were last seen: for accounts, their owners."""

    quiet_days: int
    quiet: int = Field(description="Not seen for that long.")
    never_seen: int = Field(description="Never seen, or without an owner.")


class MovedFigures(Wire):
    """How often somebody entered and left."""

    days: int
    entered: int
    left: int


class SegmentKpisOut(Wire):
    """Key figures of a segment's members, as of now."""

    members: int
    mrr: RevenueOut | None = Field(description="Null for users.")
    statuses: list[StatusFigures] = Field(description="The most common first.")
    seen: SeenFigures
    moved: MovedFigures


SegmentPage = Page[SegmentOut]
SegmentMemberPage = Page[SegmentMemberOut]
SegmentChangePage = Page[SegmentChangeOut]
