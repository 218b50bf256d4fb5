"""The words of the text form: how each operator is said, and what follows it.

The first way of saying an operator is how it is written; the others are understood too, and so is the name it has in
JSON (`moreThanDaysAgo 7`).
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from app.domain.operators import BARE, MANY, MOVES, Op, Quantity


class Shape(Enum):
    """What follows an operator."""

    NOTHING = auto()
    ONE = auto()
    LIST = auto()
    PAIR = auto()
    DAYS = auto()  # `7`, or with the words around it
    MOVE = auto()


# The words before the number of days, and those after it.
DAYS: Final[Mapping[Op, tuple[str, str]]] = {
    Op.MORE_THAN_DAYS_AGO: ("more than", "days ago"),
    Op.LESS_THAN_DAYS_AGO: ("less than", "days ago"),
    Op.MORE_THAN_DAYS_FROM_NOW: ("more than", "days from now"),
    Op.LESS_THAN_DAYS_FROM_NOW: ("less than", "days from now"),
    Op.IN_LAST_DAYS: ("in last", "days"),
    Op.IN_NEXT_DAYS: ("in next", "days"),
}

SAID: Final[tuple[tuple[str, Op], ...]] = (
    ("=", Op.IS),
    ("!=", Op.IS_NOT),
    ("in", Op.IS_ANY_OF),
    ("not in", Op.IS_NONE_OF),
    ("has any", Op.IS_ANY_OF),
    ("has all", Op.IS_ALL_OF),
    ("has none", Op.IS_NONE_OF),
    ("contains", Op.CONTAINS),
    ("does not contain", Op.DOES_NOT_CONTAIN),
    ("starts with", Op.STARTS_WITH),
    ("ends with", Op.ENDS_WITH),
    (">", Op.GREATER_THAN),
    (">=", Op.AT_LEAST),
    ("<", Op.LESS_THAN),
    ("<=", Op.AT_MOST),
    ("between", Op.BETWEEN),
    ("increased by", Op.INCREASED_BY),
    ("decreased by", Op.DECREASED_BY),
    ("before", Op.BEFORE),
    ("after", Op.AFTER),
    ("on", Op.ON),
    ("is true", Op.IS_TRUE),
    ("is false", Op.IS_FALSE),
    ("is me", Op.IS_ME),
    ("is set", Op.IS_SET),
    ("is not set", Op.IS_NOT_SET),
    # understood, never written
    ("is not", Op.IS_NOT),
    ("is", Op.IS),
    ("= true", Op.IS_TRUE),
    ("= false", Op.IS_FALSE),
    ("has any of", Op.IS_ANY_OF),
    ("has all of", Op.IS_ALL_OF),
    ("has none of", Op.IS_NONE_OF),
    ("at least", Op.AT_LEAST),
    ("at most", Op.AT_MOST),
    ("is assigned", Op.IS_SET),
    ("is unassigned", Op.IS_NOT_SET),
)

QUANTITIES: Final[tuple[tuple[str, Quantity], ...]] = (
    ("at least", Quantity.AT_LEAST),
    ("at most", Quantity.AT_MOST),
    ("exactly", Quantity.EXACTLY),
    ("none", Quantity.NONE),
)

WRITTEN: Final[Mapping[Op, str]] = {op: said for said, op in reversed(SAID)} | {
    Op.IS_ANY_OF: "in",
    Op.IS_NONE_OF: "not in",
}
SETS: Final[Mapping[Op, str]] = {Op.IS_ANY_OF: "has any", Op.IS_NONE_OF: "has none", Op.IS_ALL_OF: "has all"}


def shape(op: Op) -> Shape:
    """What follows this operator."""
    if op in BARE:
        return Shape.NOTHING
    if op in DAYS:
        return Shape.DAYS
    if op in MANY:
        return Shape.LIST
    if op in MOVES:
        return Shape.MOVE
    return Shape.PAIR if op is Op.BETWEEN else Shape.ONE
