"""Counts events per account or organization: by day and user, in all, and by instance of an element.

Every count is a sum over distinct events, every instant a least or a greatest, so that order and splitting cannot
matter. What comes in is counted here, and so is what was stored before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from app.domain.elements import Sighting
from app.domain.matching import Act, Instance, Matchers, instance_of

Measure = str | int
"""The name of an event, or the id of a measure with a filter."""


@dataclass(slots=True)
class Total:
    """How many, the first and the last."""

    count: int
    first_at: datetime
    last_at: datetime

    def add(self, at: datetime) -> None:
        """Count one more."""
        self.count += 1
        if at < self.first_at:
            self.first_at = at
        elif at > self.last_at:
            self.last_at = at


@dataclass(slots=True)
class Counts:
    """Records and users go by whatever text the caller calls them."""

    days: dict[tuple[str, Measure, date, str | None], int] = field(default_factory=dict)
    totals: dict[tuple[str, Measure], Total] = field(default_factory=dict)
    instances: dict[tuple[str, str, str], Sighting] = field(default_factory=dict)
    """By record, element and instance."""

    def __bool__(self) -> bool:
        return bool(self.totals or self.instances)

    @property
    def names(self) -> set[str]:
        """The names of events that were counted."""
        return {measure for _, measure in self.totals if isinstance(measure, str)}

    def take(self, record: str, user: str | None, name: str, at: datetime) -> None:
        """Count an event by its name."""
        self._count(record, user, name, at)

    def match(
        self, record: str, user: str | None, name: str, at: datetime, properties: bytes, matchers: Matchers
    ) -> None:
        """Count an event for whatever looks for it."""
        for act, said in matchers.hits(name, properties):
            self._do(act, record, user, at, said)

    def _do(self, act: Act, record: str, user: str | None, at: datetime, said: Mapping[str, Any]) -> None:
        if not isinstance(act, Instance):
            self._count(record, user, act, at)
            return
        instance = instance_of(said.get(act.property))
        if instance is not None:
            key = record, str(act.element), instance
            found = self.instances.get(key) or self.instances.setdefault(key, Sighting())
            found.see(act.role, at)

    def _count(self, record: str, user: str | None, measure: Measure, at: datetime) -> None:
        day = record, measure, at.date(), user
        self.days[day] = self.days.get(day, 0) + 1
        total = self.totals.get((record, measure))
        if total is None:
            self.totals[record, measure] = Total(1, at, at)
        else:
            total.add(at)
