"""Reports as files: what a cell says in a table that people open in a spreadsheet."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from app.domain import ids
from app.domain.errors import Rejected
from app.domain.fields import Fact, Type

Format = Literal["csv", "xlsx"]
Cell = str | bool | int | float | Decimal | datetime | None

BOM: Final = "\ufeff"
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class TooManyRows(Rejected):
    """The report has more rows than a file may have."""

    code = "too_many_rows"


def cell(fact: Fact, value: Any, people: Mapping[UUID, Any]) -> Cell:
    """A fact's value as a cell: people by their address, ids with their prefix, lists with semicolons between."""
    if fact.type is Type.PERSON and value is not None:
        person = people.get(value)
        return ids.show("mem", value) if person is None else str(person.email)
    if isinstance(value, UUID):
        return ids.show(fact.prefix, value)
    if isinstance(value, list | tuple | frozenset):
        return "; ".join(str(cell(fact, one, people)) for one in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    found: Cell = value
    return found


def text(value: Cell) -> str:
    """A cell as CSV has it. What somebody sent as text never begins like a formula: a spreadsheet would run it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return defused(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal():
            return format(value.to_integral_value() if value == value.to_integral_value() else value, "f")
        case _:
            return str(value)


def defused(value: str) -> str:
    """The text with an apostrophe before it, if a spreadsheet would take it for a formula."""
    return f"'{value}" if value.startswith(FORMULAS) else value
