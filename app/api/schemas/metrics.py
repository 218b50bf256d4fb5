"""The wire contract of metrics. What an expression means is decided in the domain."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    TypeAdapter,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue

from app.api.schemas.base import Instant, Name, Page, WireId
from app.api.schemas.filters import FilterTree
from app.api.schemas.reprocessings import ReprocessingId
from app.domain.metrics import Aggregate, Counted, Operator
from app.domain.metrics.reading import DEEPEST, LONGEST_WINDOW, MOST_NAMES, MOST_TERMS
from app.domain.wire import Wire
from app.services.metric_reads import MOST_TRIED

MetricId = Annotated[UUID, WireId("met")]
SubjectName = Literal["accounts", "organizations"]
Number = Annotated[Decimal, PlainSerializer(float, return_type=float)]
Slug = Annotated[
    str,
    Field(
        pattern="^[a-z][a-z0-9_]{0,39}$",
        description="Its name in paths: the fact is `metrics.` and this. It cannot be changed.",
    ),
]
Description = Annotated[str, Field(max_length=2000)]
RecordRef = Annotated[
    str, Field(min_length=1, max_length=800, description="An id of ours (`acc_…`, `org_…`) or your own.")
]

SHARE: Final[JsonDict] = {
    "numerator": {"events": ["Report created"], "count": "users", "days": 30},
    "denominator": {"field": "users"},
    "percent": True,
}
EXAMPLE: Final[JsonDict] = {
    "name": "Share of users who report",
    "slug": "reporting_share",
    "description": "Of all users, those who created a report in the last 30 days.",
    "subjects": ["accounts", "organizations"],
    **SHARE,
}


class EventsTerm(Wire):
    """What is counted of events by name."""

    events: list[str] = Field(min_length=1, max_length=MOST_NAMES, description="Names of events, as they are sent.")
    where: dict[str, Any] | None = Field(
        None, description='Only those with such properties: `{"property": "plan", "op": "is", "value": "pro"}`.'
    )
    count: Counted = Field(Counted.EVENTS, description="How many, by how many users, or on how many days.")
    days: int | None = Field(
        None, ge=1, le=LONGEST_WINDOW, description="In this many days of UTC, today among them; left out: ever."
    )


class FieldTerm(Wire):
    """A fact of the record itself, read as a number."""

    field: str = Field(description="A path listed by `GET /facts`, such as `users`, `mrr` or `traits.seats`.")


class UsersOf(Wire):
    """What becomes of a number that several users have."""

    aggregate: Aggregate = Aggregate.COUNT
    field: str | None = Field(None, description="A fact of users; left out with `count`.")
    where: "FilterTree | None" = Field(None, description="Which users; left out: all of them.")


class UsersTerm(Wire):
    """A figure over the record's users."""

    users: UsersOf


class Operation(Wire):
    """Values joined from left to right. Without one of them there is none, except with `coalesce`: the first one."""

    op: Operator
    args: list["ExpressionTree"] = Field(min_length=1, max_length=MOST_TERMS)


ExpressionTree = float | EventsTerm | FieldTerm | UsersTerm | Operation
Operation.model_rebuild()


class _Documented:
    """Shows the shape of an expression while leaving its reading to the domain, which points at what is wrong."""

    def __get_pydantic_json_schema__(self, _schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            **handler(TypeAdapter(ExpressionTree).core_schema),
            "description": f"Up to {MOST_TERMS} terms, joined by operators up to {DEEPEST} deep.",
            "examples": [SHARE["numerator"]],
        }


Expression = Annotated[dict[str, Any] | int | float, _Documented()]


def _distinct(subjects: list[SubjectName]) -> list[SubjectName]:
    return list(dict.fromkeys(subjects))


Subjects = Annotated[list[SubjectName], AfterValidator(_distinct), Field(min_length=1, max_length=2)]
Percent = Annotated[bool, Field(description="Times 100.")]
HistoryDays = Annotated[
    int,
    Field(
        ge=0,
        le=LONGEST_WINDOW,
        description="For how many days before today it is worked out, where it asks for nothing but events.",
    ),
]


class MetricIn(Wire):
    """A metric to be worked out for every record."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: Name = Field(description="Unique among metrics; upper and lower case are the same.")
    slug: Slug | None = None
    description: Description | None = None
    subjects: Subjects = Field(["accounts", "organizations"], description="Whose metric it is.")
    numerator: Expression
    denominator: Expression | None = None
    percent: Percent = False
    history_days: HistoryDays = 90


class MetricPatch(Wire):
    """What to change; what is left out stays. `denominator: null` takes it away."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Users who report, in percent"}]})

    name: Name | None = None
    description: Description | None = None
    subjects: Subjects | None = None
    numerator: Expression | None = None
    denominator: Expression | None = None
    percent: Percent | None = None
    history_days: HistoryDays | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must change something")
        for needed in self.model_fields_set - {"description", "denominator"}:
            if getattr(self, needed) is None:
                raise ValueError(f"{needed} cannot be null")
        return self


class MetricOut(Wire):
    """A metric. After a change, `reprocessings` name its being worked out for every record of each subject."""

    id: MetricId
    slug: str
    name: str
    description: str | None
    subjects: list[SubjectName]
    numerator: Any = Field(description="As it was written.")
    denominator: Any
    percent: bool
    formula: str | None = Field(description="In words; null where this release does not understand it.")
    facts: list[str] = Field(description="The paths of what it says of accounts and organizations.")
    version: int = Field(description="Goes up with what it says, not with its name.")
    history_days: int
    history_ready: bool = Field(description="Whether the days before it was defined have been worked out.")
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None
    reprocessings: list[ReprocessingId] = Field(default_factory=list)


MetricPage = Page[MetricOut]


class MetricPreviewIn(Wire):
    """A metric to try on a few records."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"subject": "accounts", **SHARE}]})

    subject: SubjectName = "accounts"
    numerator: Expression
    denominator: Expression | None = None
    percent: Percent = False
    records: list[RecordRef] | None = Field(
        None, min_length=1, max_length=MOST_TRIED, description="On which; left out: the first ones there are."
    )


class TriedRecord(Wire):
    """What a metric would be for a record."""

    id: str
    external_id: str
    name: str | None
    value: Number | None
    change: Number | None = Field(description="In percent, against the windows before; null where it has none.")


class MetricPreviewOut(Wire):
    """What a metric would be."""

    data: list[TriedRecord]
    complete: bool = Field(
        description="Whether all stored events were read; false: there are too many, and the values may be too low."
    )


class RecordMetricOut(Wire):
    """A metric of a record, as evaluated last."""

    metric: MetricId
    slug: str
    name: str
    percent: bool
    value: Number | None = Field(description="Null: there is none.")
    change: Number | None = Field(description="In percent, against the same number of days before.")


class RecordMetricsOut(Wire):
    """All metrics of a record."""

    data: list[RecordMetricOut]


class MetricDayOut(Wire):
    """What a metric was on a day: the last value of that day."""

    day: date = Field(strict=False, description="In UTC.")
    value: Number | None
    version: int | None = Field(description="Of the metric, when it came to that; null: nothing is known of the day.")
    source: Literal["seen", "workedOut"] | None = Field(description="Seen then, or worked out of stored events later.")


class MetricHistoryOut(Wire):
    """What a metric of a record was, one entry per day."""

    metric: MetricId
    slug: str
    name: str
    data: list[MetricDayOut]
