"""The wire contract of reports."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant, WireId
from app.api.schemas.filters import EXAMPLE, Filter, Reading
from app.domain.fields import Subject
from app.domain.reports import COUNTED, DEFAULT_COLUMNS, Asked
from app.domain.wire import Wire

LONGEST_CURSOR = 8000
MOST_COLUMNS = 50

ViewId = Annotated[UUID, WireId("vie")]
Path = Annotated[str, Field(min_length=1, max_length=300, examples=["owner.lastSeenAt"])]
Defaults = "; ".join(f"{subject}: {', '.join(DEFAULT_COLUMNS[subject])}" for subject in Subject)
Columns = Annotated[
    list[Path] | None, Field(max_length=MOST_COLUMNS, description=f"Paths to show; left out: {Defaults}.")
]
AsOf = Annotated[
    Instant | None, Field(description="Read the facts that have history as they were at this instant; see the guide.")
]
Scope = Annotated[
    Literal["all", "mine"], Field(description="`mine`: only what the member who asks looks after in any key role.")
]


class SortIn(Wire):
    """One sort key. Missing values come last in both directions; text is sorted ignoring case."""

    field: Path
    direction: Literal["asc", "desc"] = "asc"
    type: Reading | None = Field(None, description="How to read a trait; as text unless said otherwise.")


class Narrowing(Wire):
    """Which records a report is about, by themselves or on top of a saved view."""

    view: ViewId | None = Field(None, description="A saved view to start from; what else is given replaces its parts.")
    filter: Filter | None = Field(None, description="Which records; left out: all of them.")
    scope: Scope = "all"
    as_of: AsOf = None
    updated_after: Instant | None = Field(
        None, description="Only what changed after this instant; without `sort`, in the order of change."
    )

    def given(self) -> frozenset[str]:
        """What was said, of what a view could say too."""
        return frozenset(self.model_fields_set) & frozenset(Asked.__dataclass_fields__)

    def asked(self) -> Asked:
        """The same for the domain."""
        return Asked(filter=self.filter, scope=self.scope, as_of=self.as_of, updated_after=self.updated_after)


class Listing(Narrowing):
    """Which records, what of them, in which order."""

    columns: Columns = None
    sort: list[SortIn] = Field(default_factory=list, max_length=3, description="Left out: in the order they were made.")

    def asked(self) -> Asked:
        """The same for the domain."""
        return replace(super().asked(), columns=self.columns, sort=[key.model_dump() for key in self.sort])


class ReportIn(Listing):
    """A page of a report."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "columns": ["name", "status"],
                    "filter": {"field": "externalId", "op": "isSet"},
                    "sort": [{"field": "name", "direction": "asc"}],
                    "limit": 50,
                    "count": True,
                },
                {
                    "columns": ["name", "mrr", "owner.email", "owner.lastSeenAt", "owner.sessions"],
                    "filter": EXAMPLE,
                    "sort": [{"field": "owner.lastSeenAt", "direction": "asc"}],
                },
            ]
        }
    )

    limit: int = Field(50, ge=1, le=200, description="How many rows a page has at most.")
    cursor: str | None = Field(
        None,
        max_length=LONGEST_CURSOR,
        description="`nextCursor` of the page before this one, sent with the same filter and sort.",
    )
    count: bool = Field(default=False, description=f"Also count the matching records; counting stops at {COUNTED:,}.")


class ExportIn(Listing):
    """What the file has, and how its columns are headed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"columns": ["name", "status", "createdAt"], "filter": {"field": "externalId", "op": "isSet"}}]
        }
    )

    heads: Literal["label", "path"] = Field("label", description="Columns headed by their labels, or by their paths.")
    bom: bool = Field(default=False, description="CSV only: begin with a byte order mark, which Excel needs for UTF-8.")


class ReportOut(Wire):
    """One page. Each row has `id`, `externalId` and the columns, by path."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": [
                        {
                            "id": "acc_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f",
                            "externalId": "acme",
                            "name": "Acme",
                            "mrr": 250,
                            "owner.lastSeenAt": "2026-01-31T09:30:00.123456Z",
                        }
                    ],
                    "nextCursor": None,
                    "hasMore": False,
                    "count": 1,
                    "countCapped": False,
                    "syncFrom": None,
                }
            ]
        }
    )

    data: list[dict[str, Any]]
    next_cursor: str | None = Field(description="Pass as `cursor` to get the next page; null on the last one.")
    has_more: bool = Field(description="Whether there is a next page.")
    count: int | None = Field(description="How many records match, when asked for.")
    count_capped: bool | None = Field(description="Whether there are more than `count`, when asked for.")
    sync_from: Instant | None = Field(
        None, description="With `updatedAfter`: what to pass as `updatedAfter` once the last page was read."
    )
