"""The wire contract of health scores: what they are made of, what they come to, and why."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, PlainSerializer, model_validator
from pydantic.config import JsonDict

from app.api.schemas.base import Instant, Name, Page, WireId
from app.api.schemas.filters import Filter
from app.api.schemas.reprocessings import ReprocessingId
from app.domain.health import MOST_CONDITIONS, MOST_VARIANTS
from app.domain.health_rules import HEAVIEST
from app.domain.wire import Wire

HealthScoreId = Annotated[UUID, WireId("hsc")]
Slug = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$", description="Small letters, digits and `_`.")]
Description = Annotated[str, Field(max_length=2000)]
SubjectName = Literal["accounts", "organizations"]
Label = Literal["poor", "concerning", "healthy"]
Number = Annotated[Decimal, PlainSerializer(float, return_type=float)]
Weight = Annotated[
    float, Field(ge=0, le=float(HEAVIEST), description="How much it counts beside the others; three decimals.")
]

_USAGE: Final[JsonDict] = {
    "name": "Last seen",
    "field": "lastSeenAt",
    "healthy": {"field": "lastSeenAt", "op": "inLastDays", "value": 7},
    "concerning": {"field": "lastSeenAt", "op": "inLastDays", "value": 30},
    "poor": {"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 30},
}
_SEATS: Final[JsonDict] = {
    "field": "traits.integrations",
    "healthy": {"field": "traits.integrations", "op": "atLeast", "value": 2},
    "poor": {"field": "traits.integrations", "op": "lessThan", "value": 1},
}
_RULES: Final[JsonDict] = {"weight": 2, "conditions": [_USAGE, _SEATS]}


class HealthConditionIn(Wire):
    """One line of a score: filters for what is healthy (10 points), concerning (5) and poor (0).

    Of several that hold the worst counts; where none holds, or what they ask for is missing, the line is left out.
    """

    name: Name | None = Field(None, description="What it is called; left out: the label of its field.")
    field: str | None = Field(None, max_length=300, description="The fact it is about, shown in the explanation.")
    healthy: Filter | None = None
    concerning: Filter | None = None
    poor: Filter | None = None


class HealthVariantIn(Wire):
    """What is different for the members of a segment."""

    segment: str = Field(max_length=100, description="`seg_…`: one that does not ask about health.")
    weight: Weight | None = Field(None, description="Left out: the weight for all others.")
    conditions: list[HealthConditionIn] | None = Field(
        None,
        max_length=MOST_CONDITIONS,
        description="Left out: the conditions for all others; an empty list: they have no such score.",
    )


class HealthRulesIn(Wire):
    """What a score is made of."""

    weight: Weight = 1
    conditions: list[HealthConditionIn] = Field(
        default_factory=list, max_length=MOST_CONDITIONS, description="For all whom no variant is for."
    )
    variants: list[HealthVariantIn] = Field(
        default_factory=list,
        max_length=MOST_VARIANTS,
        description="In the order of their priority: the first whose segment a record is in counts.",
    )

    def written(self, names: frozenset[str]) -> dict[str, Any]:
        """These parts of the rules as they are stored: without what was left out."""
        said = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {str(name): said[name] for name in sorted(names)}


class HealthScoreIn(HealthRulesIn):
    """A health score to be made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Product usage", **_RULES}]})

    subject: SubjectName = Field("accounts", description="Whose health it is about. It cannot be changed.")
    name: Name
    slug: Slug | None = Field(None, description="Names it in facts, for good; left out, it is made of the name.")
    description: Description | None = None


class HealthScorePatch(HealthRulesIn):
    """What to change; what is left out stays. A list replaces the whole list."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"weight": 3}]})

    name: Name | None = None
    description: Description | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must change something")
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("a health score needs a name")
        return self


class HealthRulesOut(Wire):
    """What a score is made of, as it was written."""

    weight: float
    conditions: list[dict[str, Any]]
    variants: list[dict[str, Any]]


class HealthScoreOut(HealthRulesOut):
    """A health score. After a change of its rules, `reprocessing` names their being applied to every record."""

    id: HealthScoreId
    subject: SubjectName
    name: str
    slug: str
    description: str | None
    version: int = Field(description="Goes up with every change of what it is made of.")
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None
    reprocessing: ReprocessingId | None = None


class HealthScoreVersionOut(HealthRulesOut):
    """What a score was made of from an instant on."""

    version: int
    at: Instant
    by: str | None = Field(description="Who wrote it: `mem_…` or `key_…`.")


class HealthScoreTemplate(HealthRulesOut):
    """A score to begin with: send it to `POST /health-scores`, changed or as it is."""

    subject: SubjectName
    name: str
    slug: str
    description: str


class HealthScoreTemplatesOut(Wire):
    """Scores to begin with."""

    data: list[HealthScoreTemplate]


class HealthScorePreviewIn(HealthRulesIn):
    """Rules to try: for a new score of a subject, or in place of what those of `score` say."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"subject": "accounts", **_RULES, "examples": 5}]})

    subject: SubjectName | None = Field(None, description="Left out: `accounts`, or whose the score is.")
    score: str | None = Field(None, max_length=100, description="The score they would change: its id or its slug.")
    examples: int = Field(10, ge=0, le=100, description="How many records whose label changes are shown.")
    sample: int | None = Field(
        None, ge=100, le=1_000_000, description="Look at about so many records, spread evenly, instead of at all."
    )


class HealthDistribution(Wire):
    """How records are spread over the labels."""

    healthy: int
    concerning: int
    poor: int
    none: int = Field(description="Without a value.")
    average: Number | None = Field(description="Of those with a value.")


class HealthMove(Wire):
    """How many records change from one label to another."""

    before: Label | None
    after: Label | None
    count: int


class HealthBeforeAfter(Wire):
    """The same as evaluated last, and as it would be."""

    before: HealthDistribution
    after: HealthDistribution
    moves: list[HealthMove]


class HealthValue(Wire):
    """A score and what it is called."""

    score: Number | None
    label: Label | None


class HealthChange(Wire):
    """A value before and after."""

    before: HealthValue
    after: HealthValue


class HealthExample(Wire):
    """A record whose score or health changes its label."""

    id: str
    external_id: str
    name: str | None
    score: HealthChange
    health: HealthChange


class HealthScorePreviewOut(Wire):
    """What rules would come to. With `sampled`, only about one in `oneIn` records was looked at."""

    subject: SubjectName
    looked_at: int
    sampled: bool
    one_in: int
    changed: int = Field(description="Records looked at whose score or health would have another label.")
    score: HealthBeforeAfter
    health: HealthBeforeAfter
    examples: list[HealthExample]


class HealthSeen(Wire):
    """Something a condition looks at."""

    field: str
    label: str
    value: Any = Field(description="Null where it is missing.")


class HealthFilters(Wire):
    """The filters of a condition, each as one line of text."""

    healthy: str | None
    concerning: str | None
    poor: str | None


class HealthConditionOut(Wire):
    """One line of a score, explained."""

    name: str
    seen: list[HealthSeen]
    state: Label | None = Field(description="Null: no filter holds, or what they ask for is missing.")
    points: int | None = Field(description="10, 5 or 0; null: it is left out.")
    filter: str | None = Field(description="The filter that held and counted.")
    filters: HealthFilters
    share: Number = Field(description="Its part of the score if all conditions said something, from 0 to 1.")
    effective_share: Number = Field(description="Its part once those that are left out are.")


class HealthScoreExplained(Wire):
    """What a score comes to for a record, point by point."""

    id: HealthScoreId
    name: str
    slug: str
    version: int
    score: Number | None = Field(description="From 0 to 10; null where no condition says anything.")
    label: Label | None
    segment: str | None = Field(description="The segment whose variant counts; null: the conditions for all others.")
    weight: Number
    share: Number = Field(description="Its part of the health if all scores had a value, from 0 to 1.")
    effective_share: Number = Field(description="Its part once those without a value are left out.")
    conditions: list[HealthConditionOut]


class HealthBreakdownOut(Wire):
    """The health of a record as of now, with every point that makes it."""

    data: list[HealthScoreExplained]
    health_score: Number | None = Field(description="From 0 to 10; null where no score has a value.")
    health_label: Label | None
    calculated_at: Instant
    evaluated: HealthValue = Field(description="What filters and reports go by: as it was evaluated last.")


class HealthDayScore(Wire):
    """What a score came to."""

    slug: str
    id: str
    name: str
    version: int = Field(description="The version of its rules that it was judged by.")
    score: Number | None
    label: Label | None
    weight: Number
    segment: str | None


class HealthInput(Wire):
    """What a condition saw and found."""

    score: str = Field(description="The slug of its score.")
    condition: str
    field: str
    saw: Any
    state: Label | None
    points: int | None


class HealthDayOut(Wire):
    """A day on which something changed: the last of that day."""

    day: date
    at: Instant
    score: Number | None
    label: Label | None
    scores: list[HealthDayScore]
    inputs: list[HealthInput]


class HealthPoint(Wire):
    """The health at the end of a day, or now."""

    day: date
    score: Number | None
    label: Label | None


class HealthTrendOut(Wire):
    """The health day by day, the oldest first."""

    data: list[HealthPoint]


HealthScorePage = Page[HealthScoreOut]
HealthScoreVersionPage = Page[HealthScoreVersionOut]
HealthDayPage = Page[HealthDayOut]
