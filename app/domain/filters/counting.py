"""What a condition on events sees: how many were counted, and when the window will have lost enough of them.

How many there were stands under "days" and the event's name, as days and counts; or what the condition found, under
"found" and the condition.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from app.domain.filters.tree import Happened


def _days(happened: Happened, facts: Mapping[str, Any], now: datetime) -> list[tuple[date, int]]:
    """The days the condition looks at with what was counted on them, the latest first."""
    found: list[tuple[date, int]] = facts.get("days", {}).get(happened.event, [])
    first = None if happened.days is None else happened.first(now)
    return sorted(((day, count) for day, count in found if first is None or day >= first), reverse=True)


def counted(happened: Happened, facts: Mapping[str, Any], now: datetime) -> int:
    """How often the event was counted, as far as the condition looks."""
    found: int | None = facts.get("found", {}).get(happened)
    return sum(count for _, count in _days(happened, facts, now)) if found is None else found


def leaving(happened: Happened, facts: Mapping[str, Any], now: datetime) -> Iterator[datetime]:
    """The midnights at which the count falls below what makes a difference: when the last day leaves that, with those
    after it, still held as many."""
    for wanted in happened.falls:
        held = 0
        for day, count in _days(happened, facts, now):
            held += count
            if held >= wanted:
                yield datetime.combine(day + timedelta(days=happened.days or 0), time(), UTC)
                break
