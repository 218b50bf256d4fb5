"""The wire contract of summaries of reports."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.api.schemas.filters import Reading
from app.api.schemas.reports import Narrowing, Path
from app.domain.reports import Asked
from app.domain.summaries import MOST_AGGREGATES, MOST_EDGES, MOST_GROUPINGS, MOST_GROUPS, Measure, Period
from app.domain.wire import Wire

Number = Annotated[int | float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


class GroupingIn(Wire):
    """One thing to group by. Records without a value are a group of their own, with the key null."""

    field: Path
    type: Reading | Literal["list"] | None = Field(
        None,
        description="How to read a trait; as text unless said otherwise. A record is in a group per item of a list.",
    )
    by: Annotated[Period, Field(strict=False)] | None = Field(
        None, description="For instants: in UTC, weeks from Monday."
    )
    edges: list[Number] | None = Field(
        None,
        min_length=1,
        max_length=MOST_EDGES,
        description="For numbers: where buckets meet; each holds its lower end.",
    )
    width: Annotated[int | float, Field(gt=0, le=1e15, allow_inf_nan=False)] | None = Field(
        None, description="For numbers: buckets of one width, counted from zero."
    )


class AggregateIn(Wire):
    """One number about each group. Missing values count for nothing."""

    op: Annotated[Measure, Field(strict=False)]
    field: Path | None = Field(None, description="A number; for `count` left out.")


GroupBy = Annotated[list[GroupingIn], Field(max_length=MOST_GROUPINGS)]
Aggregates = Annotated[
    list[AggregateIn], Field(max_length=MOST_AGGREGATES, description="Left out: the count of records.")
]


class SummaryIn(Narrowing):
    """How to bring together what a report keeps."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "groupBy": [{"field": "status"}],
                    "aggregates": [{"op": "count"}],
                    "filter": {"field": "externalId", "op": "isSet"},
                },
                {
                    "groupBy": [{"field": "mrr", "edges": [0, 100, 1000]}],
                    "aggregates": [{"op": "sum", "field": "mrr"}, {"op": "count"}],
                },
            ]
        }
    )

    group_by: GroupBy = Field(default_factory=list)
    aggregates: Aggregates = Field(default_factory=list)
    limit: int = Field(
        50, ge=1, le=MOST_GROUPS, description="How many groups are shown: the greatest by the first aggregate."
    )

    def asked(self) -> Asked:
        """The same for the domain: no columns and no order, whatever a view says."""
        return replace(super().asked(), columns=())

    def given(self) -> frozenset[str]:
        """What was said, of what a view could say too; here nothing is said of columns and order on purpose."""
        return super().given() | {"columns", "sort"}

    def gathering(self) -> dict[str, list[dict[str, Any]]]:
        """What to group by and what to compute, for the domain."""
        found = self.model_dump(mode="json", exclude_none=True, include={"group_by", "aggregates"})
        return {"group_by": found["group_by"], "aggregates": found["aggregates"]}


class GroupOut(Wire):
    """One group: its keys in the order of `groupBy`, and its numbers by name."""

    keys: list[Any]
    values: dict[str, Any]


class OtherOut(Wire):
    """All groups that are not shown, together."""

    groups: int
    values: dict[str, Any]


class SummaryOut(Wire):
    """Groups with their numbers; what they leave out; and the numbers over all. Numbers are exact.

    A number with more digits than a double holds is written as text.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "groupBy": ["status"],
                    "aggregates": ["count", "sum(mrr)"],
                    "groups": [{"keys": ["trial"], "values": {"count": 2, "sum(mrr)": 250.5}}],
                    "other": None,
                    "totals": {"count": 2, "sum(mrr)": 250.5},
                    "overlapping": False,
                }
            ]
        }
    )

    group_by: list[str]
    aggregates: list[str]
    groups: list[GroupOut]
    other: OtherOut | None = Field(description="What the groups beyond `limit` come to; null when all are shown.")
    totals: dict[str, Any] = Field(description="The numbers over all records, each counted once.")
    overlapping: bool = Field(
        description="Whether a record may be in several groups (of segments, say), so that they come to more than that."
    )
