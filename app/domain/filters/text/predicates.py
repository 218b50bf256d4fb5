"""Reads what is said of a field: the operator, in any of its ways, and its operand."""

from typing import Any, Final

from app.domain.filters.text.cursor import Cursor
from app.domain.filters.text.tokens import Kind
from app.domain.filters.text.words import DAYS, SAID, SETS, Shape, shape
from app.domain.operators import Op

# The longest way of saying something is tried first: `is not set` before `is not`.
PHRASES: Final = sorted(SAID, key=lambda said: -len(said[0].split()))
NAMES: Final = {op.value.lower(): op for op in Op}
MOMENTS: Final = {Op.LESS_THAN: Op.BEFORE, Op.GREATER_THAN: Op.AFTER}  # `renewsAt < 2026-03-31`
HINT: Final = "an operator such as =, >, in, contains, before, in last, is set"


def predicate(cursor: Cursor) -> dict[str, Any]:
    """`op` and `value` of a condition; `type` too where the words say that a list is meant."""
    days = _days(cursor)
    if days is not None:
        return days
    for said, op in PHRASES:
        if cursor.accept(said):
            listed = {"type": "list"} if said.removesuffix(" of") in SETS.values() else {}
            return {"op": _about(op, cursor).value, **_operand(op, cursor), **listed}
    op_named = NAMES.get(cursor.next.source.lower()) if cursor.next.kind is Kind.WORD else None
    if op_named is None:
        raise cursor.expected(HINT)
    cursor.take()
    return {"op": op_named.value, **_operand(op_named, cursor)}


def _about(op: Op, cursor: Cursor) -> Op:
    return MOMENTS.get(op, op) if cursor.next.kind is Kind.MOMENT else op


def _days(cursor: Cursor) -> dict[str, Any] | None:
    """A condition that counts days from now: `in last 7 days`, `more than 7 days ago`."""
    start = next((before for before, _ in DAYS.values() if cursor.says(before)), None)
    if start is None:
        return None
    cursor.expect(start)
    number = cursor.whole()
    cursor.expect("day" if cursor.says("day") else "days")
    for op, (before, after) in DAYS.items():
        if before == start and cursor.accept(after.removeprefix("days").strip()):
            return {"op": op.value, "value": number}
    raise cursor.expected("`ago` or `from now`")


def _operand(op: Op, cursor: Cursor) -> dict[str, Any]:
    match shape(op):
        case Shape.NOTHING:
            return {}
        case Shape.LIST:
            return {"value": _list(cursor)}
        case Shape.PAIR:
            low = cursor.value()
            cursor.expect("and")
            return {"value": [low, cursor.value()]}
        case Shape.MOVE:
            return {"value": _move(cursor)}
        case Shape.DAYS:
            return {"value": cursor.whole()}
        case _:
            return {"value": cursor.value()}


def _list(cursor: Cursor) -> list[Any]:
    cursor.expect("(")
    found = [cursor.value()]
    while cursor.accept(","):
        found.append(cursor.value())
    cursor.expect(")")
    return found


def _move(cursor: Cursor) -> dict[str, Any]:
    """`20% in last 30 days`, or `20 in last 30 days`."""
    by = cursor.value()
    unit = "percent" if cursor.accept("%") else "number"
    cursor.expect("in last")
    days = cursor.whole()
    cursor.expect("day" if cursor.says("day") else "days")
    return {"by": by, "unit": unit, "days": days}
