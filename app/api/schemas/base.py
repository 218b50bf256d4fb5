"""What every wire model shares: camelCase names, no unknown fields, no silent conversions; and the common shapes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from app.domain import ids
from app.domain.wire import Wire

T = TypeVar("T")


class Page(Wire, Generic[T]):
    """One page of a list. Go on with `cursor` set to `nextCursor` until `hasMore` is false."""

    data: list[T]
    next_cursor: str | None = Field(description="Pass as `cursor` to get the next page; null on the last one.")
    has_more: bool = Field(description="Whether there is a next page.")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """`AccountPage` rather than `Page[AccountOut]`: generators make file names of it."""
        return f"{params[0].__name__.removesuffix('Out')}Page"


def _instant(value: Any) -> datetime:
    """RFC 3339 with an explicit offset, and nothing else that a datetime parser might be talked into."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or len(value) > 40 or len(value) < 20 or value[4] != "-":
        raise ValueError("must be a time such as 2026-01-31T09:30:00Z")
    try:
        found = datetime.fromisoformat(value)
        offset = found.utcoffset()
        found = found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time such as 2026-01-31T09:30:00Z") from None
    if offset is None:
        raise ValueError("must end in Z or an offset such as +02:00")
    return found


def _show_instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Instant = Annotated[
    datetime, Strict(strict=False), BeforeValidator(_instant), PlainSerializer(_show_instant, return_type=str)
]
"""A moment in UTC, written as RFC 3339 with an explicit offset."""


def _name(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value.strip()


Name = Annotated[str, AfterValidator(_name), Field(min_length=1, max_length=200)]
"""A name shown to people: 1 to 200 characters, not blank."""


@dataclass(frozen=True, slots=True)
class WireId:
    """Makes `Annotated[UUID, WireId("acc")]` an id of ours: a UUID here, `acc_<32 hex digits>` on the wire."""

    prefix: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Reads and shows the prefixed form."""
        return core_schema.no_info_plain_validator_function(
            self._read,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                self._show, return_schema=core_schema.str_schema()
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A string with the prefix, the same in both directions."""
        example = f"{self.prefix}_{'0190f3c2' * 4}"
        return {"type": "string", "pattern": f"^{self.prefix}_[0-9a-f]{{32}}$", "examples": [example]}

    def _read(self, value: Any) -> UUID:
        if isinstance(value, UUID):
            return value
        found = ids.read(self.prefix, value) if isinstance(value, str) else None
        if found is None:
            raise ValueError(f"must be an id that starts with {self.prefix}_")
        return found

    def _show(self, value: UUID) -> str:
        return ids.show(self.prefix, value)


def page(data: Sequence[T], next_cursor: str | None, of: type[Page[T]]) -> Page[T]:
    """A page of `data`; there is more exactly when there is a cursor."""
    return of(data=list(data), next_cursor=next_cursor, has_more=next_cursor is not None)
