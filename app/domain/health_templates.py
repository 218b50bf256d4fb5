"""Health scores to begin with: of facts every workspace has, ready to be changed and saved."""

from collections.abc import Mapping, Sequence
from typing import Any, Final


def _number(name: str, field: str, *, healthy: float, poor: float) -> Mapping[str, Any]:
    """Healthy from one number on, poor below the other, concerning between them."""
    return {
        "name": name,
        "field": field,
        "healthy": {"field": field, "op": "atLeast", "value": healthy},
        "concerning": {
            "all": [
                {"field": field, "op": "atLeast", "value": poor},
                {"field": field, "op": "lessThan", "value": healthy},
            ]
        },
        "poor": {"field": field, "op": "lessThan", "value": poor},
    }


def _recent(name: str, field: str, *, healthy: int, poor: int) -> Mapping[str, Any]:
    """Healthy while it was not longer ago than so many days, poor when it was longer ago than the other number."""
    return {
        "name": name,
        "field": field,
        "healthy": {"not": {"field": field, "op": "moreThanDaysAgo", "value": healthy}},
        "concerning": {"field": field, "op": "moreThanDaysAgo", "value": healthy},
        "poor": {"field": field, "op": "moreThanDaysAgo", "value": poor},
    }


TEMPLATES: Final[Sequence[Mapping[str, Any]]] = (
    {
        "subject": "accounts",
        "name": "Product usage",
        "slug": "product_usage",
        "description": "Whether the people of an account use the product, and did so lately.",
        "weight": 3,
        "conditions": [
            _number("Active users", "activeUserShare", healthy=60, poor=30),
            _recent("Last seen", "lastSeenAt", healthy=7, poor=30),
            _number("Elements in use", "elementsUsed", healthy=2, poor=1),
        ],
    },
    {
        "subject": "accounts",
        "name": "Owner engagement",
        "slug": "owner_engagement",
        "description": "Whether who decides over the budget is known, and around.",
        "weight": 2,
        "conditions": [
            _recent("Owner last seen", "owner.lastSeenAt", healthy=7, poor=30),
            {
                "name": "Owner known",
                "field": "owner.state",
                "healthy": {"field": "owner.state", "op": "is", "value": "resolved"},
                "poor": {"field": "owner.state", "op": "is", "value": "none"},
            },
        ],
    },
    {
        "subject": "accounts",
        "name": "Conversation",
        "slug": "conversation",
        "description": "Whether we and the account still talk.",
        "weight": 1,
        "conditions": [
            _recent("They wrote", "lastReceivedMessageAt", healthy=30, poor=90),
            _recent("We wrote", "lastSentMessageAt", healthy=30, poor=60),
        ],
    },
    {
        "subject": "accounts",
        "name": "NPS",
        "slug": "nps",
        "description": "What the people of an account say of the product.",
        "weight": 1,
        "conditions": [_number("NPS", "nps", healthy=50, poor=0)],
    },
    {
        "subject": "organizations",
        "name": "Accounts in good health",
        "slug": "accounts_in_good_health",
        "description": "Whether accounts of an organization are in poor health.",
        "weight": 1,
        "conditions": [
            {
                "name": "Accounts in poor health",
                "healthy": {
                    "all": [
                        {"field": "accounts", "op": "greaterThan", "value": 0},
                        {
                            "related": "accounts",
                            "op": "none",
                            "where": {"field": "healthLabel", "op": "isAnyOf", "value": ["poor", "concerning"]},
                        },
                    ]
                },
                "concerning": {
                    "related": "accounts",
                    "op": "atLeast",
                    "count": 1,
                    "where": {"field": "healthLabel", "op": "is", "value": "concerning"},
                },
                "poor": {
                    "related": "accounts",
                    "op": "atLeast",
                    "count": 1,
                    "where": {"field": "healthLabel", "op": "is", "value": "poor"},
                },
            }
        ],
    },
)
