"""Reads the operands of conditions: what a value must look like for each type and operator."""

import math
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

from app.domain import ids
from app.domain.fields import Fact, Op, Type, storable
from app.domain.filters.tree import FAR, TICK, TURNS, Move, Operand, Span
from app.domain.filters.values import fold, instant_of, plain
from app.domain.operators import BARE, MANY, MOVES

LONGEST_LIST: Final = 200
LONGEST_TEXT: Final = 1024
MOST_DAYS: Final = 36_500
LARGEST: Final = 10**30
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_OFFSET: Final = re.compile(r"(Z|[-+][0-9]{2}:?[0-9]{2})\Z")

One = TypeVar("One", str, Decimal, UUID)
Reader = Callable[[Any, Fact], Operand]


class Unusable(ValueError):
    """This operand cannot be used; `where` points below the value."""

    def __init__(self, detail: str, where: str = "") -> None:
        super().__init__(detail)
        self.where = where


def reader(reading: Type, op: Op) -> Reader | None:
    """How to read the operand of `op` on values read as `reading`; None when it takes no operand."""
    if op in BARE:
        return None
    if op in TURNS:
        return _days
    if op in MOVES:
        return _move
    if reading is Type.DATETIME:
        return SPANS[op]
    one = ONES[reading]
    if op is Op.BETWEEN:
        return _between
    return _many(one) if op in MANY else one


def _text(value: Any, fact: Fact) -> str:
    if not isinstance(value, str) or not value:
        raise Unusable(f"`{fact.path}` is compared with text that is not empty; for missing values use isNotSet.")
    if len(value.encode("utf-8", "replace")) > LONGEST_TEXT or not storable(value):
        raise Unusable(f"Give at most {LONGEST_TEXT} bytes of text, without NUL characters and lone surrogates.")
    return fold(value)


def _number(value: Any, fact: Fact) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unusable(f"`{fact.path}` is compared with a number.")
    if abs(value) > LARGEST:
        raise Unusable("Give a number of at most 30 digits.")
    return Decimal(repr(value))


def _option(value: Any, fact: Fact) -> str:
    if value not in fact.options:
        raise Unusable(f"`{fact.path}` is one of: {', '.join(fact.options)}.")
    return str(value)


def _reference(value: Any, fact: Fact) -> UUID:
    found = ids.read(fact.prefix, value) if isinstance(value, str) else None
    if found is None:
        raise Unusable(f"`{fact.path}` is compared with an id such as {fact.prefix}_0190….")
    return found


def _member(value: Any, fact: Fact) -> UUID | str:
    """One value of a set."""
    return _reference(value, fact) if fact.prefix else _text(value, fact)


def _item(value: Any, fact: Fact) -> str:
    """One value of a list in a trait: a number as its plain digits, so that 7 and 7.0 are one."""
    return _text(value, fact) if isinstance(value, str) else plain(_number(value, fact))


def _many(one: Callable[[Any, Fact], One]) -> Reader:
    def read(value: Any, fact: Fact) -> tuple[One, ...]:
        if not isinstance(value, list) or not value or len(value) > LONGEST_LIST:
            raise Unusable(f"Give a list of 1 to {LONGEST_LIST} values.")
        return tuple(_at(ix, one, item, fact) for ix, item in enumerate(value))

    return read


def _at(ix: int, one: Callable[[Any, Fact], One], item: Any, fact: Fact) -> One:
    try:
        return one(item, fact)
    except Unusable as unusable:
        raise Unusable(str(unusable), f"/{ix}") from unusable


def _pair(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise Unusable("Give the two bounds as a list: [from, to]; both are included.")
    return value[0], value[1]


def _between(value: Any, fact: Fact) -> tuple[Decimal, Decimal]:
    low, high = _pair(value)
    return _at(0, _number, low, fact), _at(1, _number, high, fact)


def _days(value: Any, _fact: Fact) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_DAYS:
        raise Unusable(f"Give a whole number of days from 0 to {MOST_DAYS}; a day is 24 hours.")
    return value


def _move(value: Any, fact: Fact) -> Move:
    if not isinstance(value, dict) or value.keys() != {"by", "unit", "days"}:
        raise Unusable('Say by how much, and since when: {"by": 20, "unit": "percent", "days": 30}.')
    by = _within("by", _number, value["by"], fact)
    if by <= 0:
        raise Unusable("Give a number above 0; a fall is `decreasedBy`, a rise `increasedBy`.", "/by")
    if value["unit"] not in ("percent", "number"):
        raise Unusable("The unit is percent or number.", "/unit")
    return Move(by, value["unit"] == "percent", _within("days", _days, value["days"], fact))


def _within(key: str, one: Callable[[Any, Fact], Any], value: Any, fact: Fact) -> Any:
    try:
        return one(value, fact)
    except Unusable as unusable:
        raise Unusable(str(unusable), f"/{key}") from unusable


def moment(value: Any) -> Span:
    """A date as the 24 hours of that UTC day, an instant (with its offset) as one microsecond."""
    at = instant_of(value)
    if at is None or at >= FAR or not (_DAY.match(value) or _OFFSET.search(value[10:])):
        raise Unusable("Give a date (2026-03-31, a UTC day) or an instant with its offset (2026-03-31T09:00:00Z).")
    return Span(at, at + (timedelta(days=1) if _DAY.match(value) else TICK))


def _whole_day(value: Any, _fact: Fact) -> Span:
    if not (isinstance(value, str) and _DAY.match(value)):
        raise Unusable("Give a date such as 2026-03-31; it means that UTC day.")
    return moment(value)


def _from_to(value: Any, _fact: Fact) -> Span:
    low, high = _pair(value)
    return Span(moment(low).start, moment(high).end)


SPANS: Final[dict[Op, Reader]] = {
    Op.BEFORE: lambda value, _fact: Span(None, moment(value).start),
    Op.AFTER: lambda value, _fact: Span(moment(value).end, None),
    Op.ON: _whole_day,
    Op.BETWEEN: _from_to,
}

ONES: Final[dict[Type, Any]] = {
    Type.TEXT: _text,
    Type.NUMBER: _number,
    Type.SELECT: _option,
    Type.PERSON: _reference,
    Type.ID: _reference,
    Type.MULTI: _member,
    Type.LIST: _item,
}
