"""What every wire model shares: camelCase names, no unknown fields, no silent conversions; and the common shapes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict
from pydantic.alias_generators import to_camel

from app.domain import ids

T = TypeVar("T")

LONGEST_ID = 256
"""Bytes of a customer's own identifier."""


class Wire(BaseModel):
    """Base of every wire model."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        strict=True,
        from_attributes=True,
        frozen=True,
    )


class Page(Wire, Generic[T]):
    """One page of a list. Go on with `cursor` set to `nextCursor` until `hasMore` is false."""

    data: list[T]
    next_cursor: str | None = Field(description="Pass as `cursor` to get the next page; null on the last one.")
    has_more: bool = Field(description="Whether there is a next page.")

    @classmethod
    def model_parametrized_name(cls, params: tuple[type[Any], ...]) -> str:
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


def _identifier(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    if len(value.encode()) > LONGEST_ID:
        raise ValueError(f"must be at most {LONGEST_ID} bytes of UTF-8")
    return value


ExternalId = Annotated[str, AfterValidator(_identifier), Field(min_length=1, max_length=LONGEST_ID)]
"""A customer's own identifier, kept byte for byte: 1 to 256 bytes of UTF-8, not blank."""


def _name(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value.strip()


Name = Annotated[str, AfterValidator(_name), Field(min_length=1, max_length=200)]
"""A name shown to people: 1 to 200 characters, not blank."""


def wire_id(prefix: str) -> Any:
    """The type of an id on the wire: a UUID here, `<prefix>_<32 hex digits>` there."""

    def _read(value: Any) -> UUID:
        if isinstance(value, UUID):
            return value
        found = ids.read(prefix, value) if isinstance(value, str) else None
        if found is None:
            raise ValueError(f"must be an id that starts with {prefix}_")
        return found

    def _show(value: UUID) -> str:
        return ids.show(prefix, value)

    schema = {"type": "string", "pattern": f"^{prefix}_[0-9a-f]{{32}}$", "examples": [f"{prefix}_{'0190f3c2' * 4}"]}
    return Annotated[
        UUID,
        BeforeValidator(_read, json_schema_input_type=str),
        PlainSerializer(_show, return_type=str),
        Field(json_schema_extra=schema),
    ]


def page(data: Sequence[T], next_cursor: str | None, of: type[Page[T]]) -> Page[T]:
    """A page of `data`; there is more exactly when there is a cursor."""
    return of(data=list(data), next_cursor=next_cursor, has_more=next_cursor is not None)
