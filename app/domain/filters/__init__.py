"""The filter language: a tree of conditions over facts, what it means, and when time alone may change its answer.

The language never says "unknown": a condition on a missing value is false, and its negation (`isNot`, `isNoneOf`,
`doesNotContain`, `isNotSet`) is therefore true. `app/db/filters.py` says the same in SQL; a property test holds the two
equal.
"""

from app.domain.filters.binding import NeedsMember, bind
from app.domain.filters.meaning import Facts, Outcome, explain, holds, next_change
from app.domain.filters.reading import InvalidFilter, parse
from app.domain.filters.tree import (
    AllOf,
    AnyOf,
    Condition,
    Happened,
    Leaf,
    Not,
    Related,
    Tree,
    asks_about,
    conditions,
    happenings,
    leaves,
    parts,
    relations,
    size,
)

__all__ = [
    "AllOf",
    "AnyOf",
    "Condition",
    "Facts",
    "Happened",
    "InvalidFilter",
    "Leaf",
    "NeedsMember",
    "Not",
    "Outcome",
    "Related",
    "Tree",
    "asks_about",
    "bind",
    "conditions",
    "explain",
    "happenings",
    "holds",
    "leaves",
    "next_change",
    "parse",
    "parts",
    "relations",
    "size",
]
