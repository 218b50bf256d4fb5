"""The fifty rules and thirty metrics of `benchmarks.evaluation`: as customers write them, and as the best SQL says it.

Half of the rules are segments, half are indicators. In the SQL `t_…` are traits, and `events_<n>_<d>` says how often
event n came in the last d days, `users_…` how many users did it, `days_…` on how many days.
"""

from dataclasses import dataclass
from typing import Any

EVENTS = 20
NAMES = [f"Event {n}" for n in range(EVENTS)]


@dataclass(frozen=True)
class Rule:
    """One rule: `sql` is about the columns of the one-pass statements."""

    name: str
    filter: dict[str, Any]
    sql: str
    segment: bool


@dataclass(frozen=True)
class Term:
    """How much of an event there was in the last so many days."""

    count: str
    event: int
    days: int

    @property
    def column(self) -> str:
        """What the statements call it."""
        return f"{self.count}_{self.event}_{self.days}"

    @property
    def written(self) -> dict[str, Any]:
        """As part of a metric's definition."""
        return {"events": [NAMES[self.event]], "count": self.count, "days": self.days}


@dataclass(frozen=True)
class Metric:
    """A quotient of two terms, or a term."""

    slug: str
    top: Term
    bottom: Term | None = None

    @property
    def sql(self) -> str:
        """Its value, of the columns of its terms."""
        return (
            self.top.column if self.bottom is None else f"{self.top.column}::numeric / nullif({self.bottom.column}, 0)"
        )


def _traits() -> list[tuple[dict[str, Any], str]]:
    """Twenty: words, numbers, and both, about as many accounts each as a customer would want to see."""
    words = [
        (_trait("industry", "is", f"industry-{n}", "text"), f"lower(t_industry) = 'industry-{n}'") for n in range(8)
    ]
    elsewhere = _trait("region", "isNot", "emea", "text")
    seats = [
        (
            {"all": [_trait("seats", "greaterThan", least, "number"), elsewhere]},
            f"t_seats > {least} and lower(coalesce(t_region, '')) <> 'emea'",
        )
        for least in range(440, 500, 10)
    ]
    paying = _trait("plan", "isAnyOf", ["pro", "enterprise", "team"], "text")
    usage = [
        (
            {"all": [_trait("usage", "lessThan", most, "number"), paying]},
            f"t_usage < {most} and lower(t_plan) in ('pro', 'enterprise', 'team')",
        )
        for most in range(2, 8)
    ]
    return [*words, *seats, *usage]


def _trait(key: str, op: str, value: Any, type_: str) -> dict[str, Any]:
    return {"field": f"traits.{key}", "op": op, "value": value, "type": type_}


def _seen() -> list[tuple[dict[str, Any], str]]:
    return [
        (
            {"field": "lastSeenAt", "op": "moreThanDaysAgo", "value": 80 + n},
            f"last_seen_at < moment - interval '{80 + n} days'",
        )
        for n in range(10)
    ]


def _events() -> list[tuple[dict[str, Any], str, Term]]:
    found = []
    for n in range(EVENTS):
        days, least = (7, 30)[n % 2], (3, 6)[n % 2]
        condition = {"event": NAMES[n], "op": "atLeast", "count": least, "inLastDays": days}
        term = Term("events", n, days)
        found.append((condition, f"{term.column} >= {least}", term))
    return found


def rules() -> list[Rule]:
    """Twenty over traits, ten over the last activity, twenty over events in a window."""
    asked = [*_traits(), *_seen(), *((condition, sql) for condition, sql, _ in _events())]
    return [
        Rule(f"Rule {ix}", condition, f"coalesce({sql}, false)", ix % 2 == 0)
        for ix, (condition, sql) in enumerate(asked)
    ]


def metrics() -> list[Metric]:
    """Ten counts, six of days, four of users, ten quotients."""
    found = [Metric(f"count_{n}", Term("events", n, (7, 30, 60)[n % 3])) for n in range(10)]
    found += [Metric(f"days_{n}", Term("days", n, 30)) for n in range(6)]
    found += [Metric(f"users_{n}", Term("users", n, 30)) for n in range(4)]
    found += [Metric(f"share_{n}", Term("events", n, 30), Term("events", n + 10, 30)) for n in range(10)]
    return found


def terms() -> list[Term]:
    """Whatever the statements count, once each."""
    asked = [term for _, _, term in _events()]
    for metric in metrics():
        asked += [term for term in (metric.top, metric.bottom) if term is not None]
    return list({term.column: term for term in asked}.values())
