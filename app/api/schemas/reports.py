"""The wire contract of reports."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.api.schemas.filters import EXAMPLE, Filter, Reading
from app.domain.reports import COUNTED, DEFAULT_COLUMNS
from app.domain.wire import Wire

LONGEST_CURSOR = 8000

Path = Annotated[str, Field(min_length=1, max_length=300, examples=["owner.lastSeenAt"])]


class SortIn(Wire):
    """One sort key. Missing values come last in both directions; text is sorted ignoring case."""

    field: Path
    direction: Literal["asc", "desc"] = "asc"
    type: Reading | None = Field(None, description="How to read a trait; as text unless said otherwise.")


class ReportIn(Wire):
    """Which accounts, what of them, in which order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "columns": ["name", "mrr", "owner.email", "owner.lastSeenAt", "owner.sessions"],
                    "filter": EXAMPLE,
                    "sort": [{"field": "owner.lastSeenAt", "direction": "asc"}],
                    "limit": 50,
                    "count": True,
                }
            ]
        }
    )

    columns: list[Path] | None = Field(
        None, max_length=50, description=f"Paths to show; left out: {', '.join(DEFAULT_COLUMNS)}."
    )
    filter: Filter | None = Field(None, description="Which accounts; left out: all of them.")
    sort: list[SortIn] = Field(default_factory=list, max_length=3, description="Left out: in the order they were made.")
    limit: int = Field(50, ge=1, le=200, description="How many rows a page has at most.")
    cursor: str | None = Field(
        None,
        max_length=LONGEST_CURSOR,
        description="`nextCursor` of the page before this one, sent with the same filter and sort.",
    )
    count: bool = Field(default=False, description=f"Also count the matching accounts; counting stops at {COUNTED:,}.")


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
                }
            ]
        }
    )

    data: list[dict[str, Any]]
    next_cursor: str | None = Field(description="Pass as `cursor` to get the next page; null on the last one.")
    has_more: bool = Field(description="Whether there is a next page.")
    count: int | None = Field(description="How many accounts match, when asked for.")
    count_capped: bool | None = Field(description="Whether there are more than `count`, when asked for.")
