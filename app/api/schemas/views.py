"""The wire contract of saved views."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from app.api.schemas.base import Instant, Name, Page
from app.api.schemas.filters import EXAMPLE, Filter
from app.api.schemas.reports import Columns, Scope, SortIn, ViewId
from app.api.schemas.summaries import Aggregates, GroupBy
from app.domain.wire import Wire

Subject = Literal["accounts", "users", "organizations"]
Sharing = Literal["private", "shared"]
LISTS = ("sort", "group_by", "aggregates")


class ViewIn(Wire):
    """A report to keep."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": "accounts",
                    "name": "Quiet owners",
                    "columns": ["name", "mrr", "owner.email", "owner.lastSeenAt"],
                    "filter": EXAMPLE,
                    "sort": [{"field": "mrr", "direction": "desc"}],
                }
            ]
        }
    )

    subject: Subject
    name: Name
    columns: Columns = None
    filter: Filter | None = None
    sort: list[SortIn] = Field(default_factory=list, max_length=3)
    group_by: GroupBy = Field(default_factory=list)
    aggregates: Aggregates = Field(default_factory=list)
    scope: Scope = "all"
    shared: Sharing = Field("private", description="`private`: seen by whoever made it alone; `shared`: by all.")
    pinned: int | None = Field(None, ge=0, le=10_000, description="Its place before the views that are not pinned.")

    def stored(self) -> dict[str, Any]:
        """What the domain keeps of it."""
        return _stored(self, set(ViewIn.model_fields))


class ViewPatch(Wire):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Very quiet owners", "pinned": 1}]})

    name: Name | None = None
    columns: Columns = None
    filter: Filter | None = None
    sort: list[SortIn] | None = Field(None, max_length=3)
    group_by: GroupBy | None = None
    aggregates: Aggregates | None = None
    scope: Scope | None = None
    shared: Sharing | None = None
    pinned: int | None = Field(None, ge=0, le=10_000)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must change something")
        return self

    def stored(self) -> dict[str, Any]:
        """What the domain is to change; null resets columns, filter and place, and leaves the rest as it is."""
        found = _stored(self, set(self.model_fields_set))
        clears = {"columns", "filter", "pinned"}
        return {name: value for name, value in found.items() if value is not None or name in clears}


def _stored(model: Wire, names: set[str]) -> dict[str, Any]:
    values = {name: getattr(model, name) for name in names}
    lists = model.model_dump(mode="json", by_alias=False, exclude_none=True, include=names & set(LISTS))
    return {**values, **lists}


class BrokenOut(Wire):
    """Why a view cannot be shown any more."""

    code: str
    detail: str
    errors: list[dict[str, str]]


class ViewOut(Wire):
    """A saved view. `broken` is null while it can be shown."""

    id: ViewId
    subject: Subject
    name: str
    columns: list[str] | None
    filter: dict[str, Any] | None
    sort: list[dict[str, Any]]
    group_by: list[dict[str, Any]]
    aggregates: list[dict[str, Any]]
    scope: Literal["all", "mine"]
    shared: Sharing
    owner: str = Field(description="The member (`mem_…`) or key (`key_…`) it belongs to.")
    pinned: int | None
    version: int = Field(description="Goes up with every change.")
    created_at: Instant
    updated_at: Instant
    broken: BrokenOut | None = Field(description="What the view names and is no longer there.")


ViewPage = Page[ViewOut]
