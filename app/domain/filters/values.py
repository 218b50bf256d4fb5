"""How values are read before they are compared, written once for both engines: case, numbers and instants in traits."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from app.domain.fields import Type

LAST: Final = datetime.max.replace(tzinfo=UTC)
FIRST: Final = datetime.min.replace(tzinfo=UTC)
_NUMBER: Final = re.compile(r" *[-+]?[0-9]{1,30}(\.[0-9]{1,30})? *\Z")
_INSTANT: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?(?:Z|([-+])([0-9]{2}):?([0-9]{2}))?)?\Z"
)
_MICROSECOND: Final = timedelta(microseconds=1)


def fold(text: str) -> str:
    """Text as it is compared: every character in its simple lower case, as PostgreSQL's `lower` has it."""
    if text.isascii():
        return text.lower()
    return "".join("i" if char == "\u0130" else char.lower() for char in text)


def number_of(value: Any) -> Decimal | None:
    """A trait as a number: JSON numbers, and text that is a plain decimal number (`steward_number` in SQL)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        return Decimal(repr(value) if isinstance(value, float) else value)
    return Decimal(value.strip(" ")) if isinstance(value, str) and _NUMBER.match(value) else None


def instant_of(value: Any) -> datetime | None:
    """A trait as an instant: ISO 8601 text, UTC where it names no offset (`steward_instant` in SQL).

    Instants that leave the calendar through their offset stop at its ends.
    """
    match = _INSTANT.match(value) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, off_hours, off_minutes = match.groups()
    try:
        midnight = datetime(int(year), int(month), int(day), tzinfo=UTC)
    except ValueError:
        return None
    since = _since_midnight(int(hour or 0), int(minute or 0), int(second or 0), fraction or "")
    offset = _offset(sign, int(off_hours or 0), int(off_minutes or 0))
    if since is None or offset is None:
        return None
    try:
        return midnight + (since - offset)
    except OverflowError:
        return LAST if midnight.year > 1 else FIRST


def _since_midnight(hour: int, minute: int, second: int, fraction: str) -> timedelta | None:
    """24:00:00 and a 60th second are read as the moment they stand for; beyond them there is no such time."""
    micros = round(float(fraction) * 1_000_000) if fraction else 0
    if hour > 24 or minute > 59 or second > 60 or (second == 60 and micros):
        return None
    if hour == 24 and (minute or second or micros):
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros)


def _offset(sign: str | None, hours: int, minutes: int) -> timedelta | None:
    if hours > 15 or minutes > 59:
        return None
    return timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1)


def text_of(value: Any) -> str | None:
    """A trait as text: text as it is; numbers, true and false as JSON writes them; lists and objects not at all."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    number = number_of(value)
    if number is None:
        return None
    return format(abs(number) if number == 0 else number, "f")


def boolean_of(value: Any) -> bool | None:
    """A trait as a boolean: true and false, and the words in any case."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(fold(value)) if isinstance(value, str) else None


def plain(number: Decimal) -> str:
    """A number's digits without an exponent and without zeros at its end (`trim_scale` in SQL)."""
    digits = format(number, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits in ("", "-0", "-") else digits


def list_of(value: Any) -> frozenset[str] | None:
    """A trait as a list of texts, as they are compared (`steward_list` in SQL): an array's texts and numbers, true and
    false; a single one of them is a list of one. Whatever else an array holds is passed over; an empty one is missing.
    """
    found = frozenset(
        text for item in (value if isinstance(value, list) else [value]) if (text := _item(item)) is not None
    )
    return found or None


def _item(value: Any) -> str | None:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        number = number_of(value)
        return None if number is None else plain(number)
    text = text_of(value)
    return None if text is None else fold(text)


def read_as(reading: Type, value: Any) -> Any:
    """A trait's JSON value as `reading`, or None where it cannot be read so."""
    match reading:
        case Type.TEXT:
            return text_of(value)
        case Type.NUMBER:
            return number_of(value)
        case Type.DATETIME:
            return instant_of(value)
        case Type.BOOLEAN:
            return boolean_of(value)
        case Type.LIST:
            return list_of(value)
        case _:
            return value
