"""The filter language: a tree of conditions over facts, what it means, and when time alone may change its answer.

The language never says "unknown": a condition on a missing value is false, and its negation (`isNot`, `isNoneOf`,
`doesNotContain`, `isNotSet`) is therefore true. `app/db/filters.py` says the same in SQL; a property test holds the two
equal.
"""

from app.domain.filters.meaning import Facts, Outcome, explain, holds, next_change
from app.domain.filters.reading import InvalidFilter, parse
from app.domain.filters.tree import AllOf, AnyOf, Leaf, Not, Tree, leaves

__all__ = [
    "AllOf",
    "AnyOf",
    "Facts",
    "InvalidFilter",
    "Leaf",
    "Not",
    "Outcome",
    "Tree",
    "explain",
    "holds",
    "leaves",
    "next_change",
    "parse",
]
