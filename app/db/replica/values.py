"""The shapes of values in a copy: how each travels from PostgreSQL as text, lives in DuckDB, and stands in a cursor.

Comparing in the copy must be comparing in PostgreSQL. Numbers are doubles, which is exact while none has more than 15
significant digits; instants are whole microseconds; text is folded by PostgreSQL before it travels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Text,
    Uuid,
    case,
    cast,
    extract,
    func,
    literal_column,
)
from sqlalchemy.types import TypeEngine

from app.db.places import SORTED_CHARACTERS

ESCAPE: Final = "\x1b"
SEPARATOR: Final = "\x1e"  # between the values of a column on its way
LONGEST: Final = 2000  # characters of a text that is copied; a column with a longer one is not used
DIGITS: Final = 15  # decimals of so many digits survive becoming a double and back
WIDEST: Final = 40  # characters of a number that is copied
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


class Unanswerable(Exception):
    """A copy cannot answer this; PostgreSQL can."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the values of a type travel and live. `kept` is SQL of the copy over the text `{0}`: its value (`escaped` is
    that where there are escapes). `unfit` and `long` are SQL of PostgreSQL over it: whether it cannot be held exactly,
    whether reports are sorted by the beginning of it only."""

    type: TypeEngine[Any]
    stored: str
    kept: str
    send: Callable[[ColumnElement[Any]], ColumnElement[Any]]
    unfit: str | None = None
    long: str | None = None
    escaped: str | None = None
    show: Callable[[Any], str] = str
    read: Callable[[str], str] = str


def micros(at: datetime) -> int:
    """An instant as microseconds since 1970."""
    return (at - EPOCH) // _TICK


def plain(number: Decimal) -> float:
    """A number as the copy has it. Raises `Unanswerable` where that would not be exact."""
    digits = number.normalize().as_tuple()
    if len(digits.digits) > DIGITS or not isinstance(digits.exponent, int) or abs(digits.exponent) > WIDEST:
        raise Unanswerable
    return float(number)


def _send_text(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """`=` and the text, so that an empty one is not a missing one."""
    safe = func.replace(func.replace(value, _said("\x1b"), _said("\x1b[")), _said(SEPARATOR), _said("\x1b]"))
    marked = _said("=").op("||")(safe)  # nothing where there is no text
    return case((func.length(value) > literal_column(str(LONGEST)), _said("!")), else_=marked)


def _said(text: str) -> ColumnElement[str]:
    """A text of ours within a statement: parameters would be hundreds."""
    return literal_column("E'" + "".join(f"\\x{ord(char):02x}" for char in text) + "'", Text)


def _send_instant(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(cast(extract("epoch", value) * literal_column("1000000"), BigInteger), Text)


def _send(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(value, Text)


def _send_ids(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.array_to_string(value, ",")


def _show_number(value: float) -> str:
    return format(Decimal(repr(value)).normalize(), "f")


def _read_number(text: str) -> str:
    plain(Decimal(text))
    return text


def _show_instant(value: int) -> str:
    """As PostgreSQL writes it."""
    try:
        at = EPOCH + timedelta(microseconds=value)
    except OverflowError as beyond:
        raise Unanswerable from beyond
    seconds = f"{at:%H:%M:%S}" + (f".{at.microsecond:06}".rstrip("0") if at.microsecond else "")
    return f"{at.year:04}-{at.month:02}-{at.day:02} {seconds}+00"


def _read_instant(text: str) -> str:
    try:
        return str(micros(datetime.fromisoformat(text)))
    except ValueError as beyond:
        raise Unanswerable from beyond


def _show_flag(value: bool) -> str:  # noqa: FBT001 - the value itself
    return "true" if value else "false"


_TEXT: Final = "substr(nullif({0}, ''), 2)"
_ESCAPED: Final = f"replace(replace({_TEXT}, '\x1b]', '{SEPARATOR}'), '\x1b[', '\x1b')"
_DIGITS: Final = "ltrim(rtrim(replace({0}, '.', ''), '0'), '-0')"

TEXT: Final = Shape(
    Text(), "varchar", _TEXT, _send_text, "{0} = '!'", f"length({{0}}) > {SORTED_CHARACTERS + 1}", _ESCAPED
)
WORD: Final = Shape(Text(), "varchar", "nullif({0}, '')", _send)
NUMBER: Final = Shape(
    Double(),
    "double",
    "try_cast({0} as double)",
    _send,
    f"length({{0}}) > {WIDEST} or length({_DIGITS}) > {DIGITS}",
    show=_show_number,
    read=_read_number,
)
INSTANT: Final = Shape(
    BigInteger(),
    "bigint",
    "cast(nullif({0}, '') as bigint)",
    _send_instant,
    show=_show_instant,
    read=_read_instant,
)
FLAG: Final = Shape(Boolean(), "boolean", "cast(nullif({0}, '') as boolean)", _send, show=_show_flag)
ID: Final = Shape(Uuid(), "uuid", "cast(nullif({0}, '') as uuid)", _send)
IDS: Final = Shape(
    ARRAY(Uuid()),
    "uuid[]",
    "case when {0} = '' then cast([] as uuid[]) else cast(string_split({0}, ',') as uuid[]) end",
    _send_ids,
)
