"""Success metrics and formula traits: numbers worked out of events, users and facts by an expression of their own.

`app/db/metrics` says in SQL what `meaning` says in Python; a property test holds the two equal.
"""

from app.domain.metrics.errors import (
    InvalidExpression,
    MetricArchived,
    MetricExists,
    TooManyMetrics,
    UnknownMetric,
)
from app.domain.metrics.reading import read
from app.domain.metrics.tree import (
    Aggregate,
    Counted,
    Equation,
    Events,
    Expression,
    Number,
    Operation,
    Operator,
    People,
    Term,
    Value,
    asks,
    terms,
    weight,
)

__all__ = [
    "Aggregate",
    "Counted",
    "Equation",
    "Events",
    "Expression",
    "InvalidExpression",
    "MetricArchived",
    "MetricExists",
    "Number",
    "Operation",
    "Operator",
    "People",
    "Term",
    "TooManyMetrics",
    "UnknownMetric",
    "Value",
    "asks",
    "read",
    "terms",
    "weight",
]
