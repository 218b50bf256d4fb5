"""The wire contract of the lifecycle: rules, what they would do, and the status of one record with its history."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from app.api.schemas.base import Instant, Page
from app.api.schemas.filters import Filter
from app.api.schemas.reprocessings import ReprocessingOut
from app.domain.wire import Wire

StatusName = Literal["subscribed", "trial", "churned", "ignored"]
UserStatusName = Literal["active", "deactivated"]
AnyStatus = Literal["subscribed", "trial", "churned", "ignored", "active", "deactivated"]
SourceName = Literal["default", "rule", "trait", "manual", "organization"]
RungName = Literal["track", "manual", "organization", "trait", "churned", "trial", "subscribed", "default"]
VerdictName = Literal["decides", "overruled", "silent", "ended"]
RecordId = Annotated[str, Field(pattern="^(acc|org|usr)_[0-9a-f]{32}$")]

_EXAMPLE: Final[JsonDict] = {
    "track": {"mode": "exclude", "filter": {"field": "name", "op": "contains", "value": "test"}},
    "trial": {"field": "trialEndsAt", "op": "isSet"},
    "churned": {"field": "traits.cancelledAt", "op": "isSet"},
}


class TrackIn(Wire):
    """Which records are tracked at all. `exclude` ignores those that match, `include` those that do not."""

    mode: Literal["exclude", "include"]
    filter: Filter


class LifecycleRulesIn(Wire):
    """The rules of one kind of record; what is left out is no rule. Users have `churned` only."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    track: TrackIn | None = Field(None, description="Wins over everything else.")
    subscribed: Filter | None = Field(
        None, description="Who pays. Without it, whoever has a value as revenue does: 0 is one."
    )
    trial: Filter | None = Field(None, description="When it ends is up to the trait mapped as `trialEnd`.")
    churned: Filter | None = Field(
        None, description="Since when is up to the trait mapped as `churn`, else the instant this first held."
    )
    keep_mrr_when_churned: bool = Field(
        default=True,
        description="A churned account whose revenue trait is cleared keeps its last MRR; false blanks it.",
    )

    def written(self) -> dict[str, Any]:
        """The rules as they are stored and read."""
        return {
            "track": self.track.model_dump() if self.track else None,
            "subscribed": self.subscribed,
            "trial": self.trial,
            "churned": self.churned,
            "keepMrrWhenChurned": self.keep_mrr_when_churned,
        }


class LifecycleIn(LifecycleRulesIn):
    """Rules to put in force."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "reprocess": True}]})

    reprocess: bool = Field(
        default=False, description="Apply them to every record now; else each follows when it is next evaluated."
    )


class LifecycleOut(Wire):
    """The rules in force."""

    subject: Literal["accounts", "organizations", "users"]
    track: TrackIn | None
    subscribed: dict[str, Any] | None
    trial: dict[str, Any] | None
    churned: dict[str, Any] | None
    keep_mrr_when_churned: bool
    version: int = Field(description="Goes up with every change; 0 while there were never any rules.")
    updated_at: Instant | None
    updated_by: str | None
    reprocessing: ReprocessingOut | None = Field(None, description="The work that applies a change to every record.")


class LifecyclePreviewIn(LifecycleRulesIn):
    """Rules to try out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "examples": 3}]})

    examples: int = Field(5, ge=0, le=20, description="How many records of each move are named.")


class MovedExample(Wire):
    """A record that would move."""

    id: RecordId
    external_id: str
    name: str | None
    because: str


class LifecycleMove(Wire):
    """How many records would move from one status to another."""

    from_: AnyStatus = Field(alias="from")
    to: AnyStatus
    unconverted: bool = Field(description="Whether they would be trials whose end has passed.")
    count: int
    examples: list[MovedExample]


class ConditionMatches(Wire):
    """How many records meet a condition, and how many of them only because a value is missing.

    "Is none of" and every other negation hold for records without the value, which is seldom meant.
    """

    condition: Literal["track", "churned", "trial", "subscribed"]
    matching: int
    for_lack_of_a_value: int


class LifecyclePreviewOut(Wire):
    """What the rules would do. Nothing has been changed."""

    total: int = Field(description="How many records there are.")
    looked_at: int = Field(description="How many of them were looked at.")
    partial: bool = Field(description="Only those known longest were looked at; the counts are theirs.")
    moving: int = Field(description="Records that would get another status.")
    moves: list[LifecycleMove] = Field(description="The most frequent first.")
    conditions: list[ConditionMatches]

    @classmethod
    def of(cls, fields: dict[str, object]) -> Self:
        """The preview from its parts."""
        return cls.model_validate(fields)


class StatusIn(Wire):
    """The status of an account or organization."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "churned"}, {"status": None}]})

    status: StatusName | None = Field(description="Null hands the record back to the rules.")


class UserStatusIn(Wire):
    """The status of a user."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "deactivated"}, {"status": None}]})

    status: UserStatusName | None = Field(description="Null hands the user back to the rules.")


class StatusStep(Wire):
    """One rung of the rule, from the one that goes first to the last, and what it came to."""

    rung: RungName
    says: AnyStatus | None
    verdict: VerdictName
    because: str


class StatusChoiceOut(Wire):
    """What was chosen by hand."""

    status: AnyStatus
    chosen_at: Instant
    chosen_by: str | None
    rules_said: AnyStatus = Field(description="What the rules said by themselves then: the choice holds as long.")


class StatusExplained(Wire):
    """A record's status and the whole reasoning behind it."""

    id: RecordId
    status: AnyStatus
    source: SourceName
    since: Instant | None
    unconverted: bool = Field(description="A trial whose end has passed.")
    trial_ends_at: Instant | None
    ended_at: Instant | None = Field(description="Since when it is churned or deactivated: by trait, else as seen.")
    rule: str = Field(description="What decides, in a sentence.")
    rules_say: AnyStatus = Field(description="What the rules say by themselves, without choice and track rules.")
    choice: StatusChoiceOut | None
    settling: bool = Field(
        description="Newer data is in: the rule says otherwise than `status`, which follows shortly."
    )
    steps: list[StatusStep]


class StatusChangeOut(Wire):
    """One change of a record's status."""

    changed_at: Instant
    from_: AnyStatus | None = Field(alias="from", description="Null: the first status that was seen.")
    to: AnyStatus
    unconverted: bool
    source: SourceName
    reason: str
    changed_by: str | None = Field(description="Who chose it by hand.")


StatusChangePage = Page[StatusChangeOut]
