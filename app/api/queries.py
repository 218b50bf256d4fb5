"""Reports asked for in an address: lists with commas, the order with minus signs, the filter as one line of text."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query
from pydantic import ValidationError

from app.api.problems import from_validation
from app.api.schemas.reports import LONGEST_CURSOR, ReportIn
from app.domain.fields import READINGS, Subject
from app.domain.filters.text import parse_text
from app.domain.reports import refuse

SubjectName = Annotated[
    str,
    Path(min_length=1, max_length=40, json_schema_extra={"enum": [str(subject) for subject in Subject]}),
]
"""What a report is about."""

LONGEST_LINE: Final = 6000


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of a report, as it came: its texts by name, those that were given."""

    filter: str | None
    columns: str | None
    sort: str | None
    rest: dict[str, Any]

    def body(self, subject: Subject) -> ReportIn:
        """The same as the body of a POST. Raises `InvalidFilter`, `InvalidReport`, `InvalidRequest`."""
        found = {name: value for name, value in self.rest.items() if value is not None}
        if self.columns is not None:
            found["columns"] = list(_listed(self.columns))
        if self.sort is not None:
            found["sort"] = [_key(text) for text in _listed(self.sort)]
        if self.filter is not None:
            found["filter"] = parse_text(self.filter, subject)
        try:
            return ReportIn.model_validate(found, strict=False)
        except ValidationError as wrong:
            errors = [{**error, "loc": ("query", *error["loc"])} for error in wrong.errors()]
            raise from_validation(errors) from wrong


def _listed(text: str) -> Iterator[str]:
    """Parts between commas; one that holds a comma stands in quotation marks, as in CSV."""
    try:
        row = next(csv.reader([text], strict=True, skipinitialspace=True), [])
    except csv.Error as wrong:
        raise refuse("query", "Put commas between the parts, and parts with commas into quotation marks.") from wrong
    yield from (part.strip() for part in row if part.strip())


def _key(text: str) -> dict[str, str]:
    """`-mrr`: descending; `traits.seats:number`: a trait read as a number."""
    path, colon, reading = text.rpartition(":")
    if not colon or reading not in READINGS:
        path, reading = text, ""
    found = {"field": path.removeprefix("-"), "direction": "desc" if path.startswith("-") else "asc"}
    return {**found, "type": reading} if reading else found


async def _query(  # noqa: PLR0913, PLR0917 - one per parameter of the address
    filter_: Annotated[
        str | None, Query(alias="filter", max_length=LONGEST_LINE, description="The filter as one line of text.")
    ] = None,
    columns: Annotated[str | None, Query(max_length=LONGEST_LINE, description="Paths, with commas between.")] = None,
    sort: Annotated[str | None, Query(max_length=1000, description="Such as `-mrr,name`.")] = None,
    scope: Annotated[str | None, Query(json_schema_extra={"enum": ["all", "mine"]})] = None,
    as_of: Annotated[str | None, Query(alias="asOf", json_schema_extra={"format": "date-time"})] = None,
    updated_after: Annotated[str | None, Query(alias="updatedAfter", json_schema_extra={"format": "date-time"})] = None,
    view: Annotated[str | None, Query(description="A saved view to start from.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=LONGEST_CURSOR)] = None,
    count: Annotated[bool, Query()] = False,  # noqa: FBT002 - a query parameter
) -> Asked:
    rest = {"scope": scope, "asOf": as_of, "updatedAfter": updated_after, "view": view}
    return Asked(filter_, columns, sort, {**rest, "limit": limit, "cursor": cursor, "count": count})


ReportQuery = Annotated[Asked, Depends(_query)]


@dataclass(frozen=True, slots=True)
class Part:
    """Which page of a saved report, and whether to count."""

    limit: int
    cursor: str | None
    count: bool


async def _counted(
    limit: Annotated[int, Query(ge=1, le=200, description="How many rows a page has at most.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=LONGEST_CURSOR, description="`nextCursor` of the page before this one.")
    ] = None,
    count: Annotated[bool, Query(description="Also count the matching records.")] = False,  # noqa: FBT002 - a query parameter
) -> Part:
    return Part(limit, cursor, count)


Counted = Annotated[Part, Depends(_counted)]
