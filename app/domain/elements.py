"""Elements: things a customer sets up, counted from the events that create, update and disable them.

What an event says of an instance is folded into greatest and least instants, so that no order of events can matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.fields import storable

MOST_ELEMENTS: Final = 100  # live ones of a workspace
MOST_COUNTED: Final = 100_000
"""Instances that are looked at where an account is evaluated: the cost of that stays bounded."""
LONGEST_INSTANCE: Final = 200
"""Characters of an instance's name; a longer one goes by its SHA-256."""
LONGEST_NAME: Final = 256  # of an event or a property


class UnknownElement(NotFound):
    """There is no such element in this workspace."""

    code = "unknown_element"


class ElementExists(Conflict):
    """An element has this slug already."""

    code = "element_exists"


class ElementArchived(Conflict):
    """The element is archived."""

    code = "element_archived"


class TooManyElements(Conflict):
    """The workspace has as many elements as it may have."""

    code = "too_many_elements"


class UnusableElement(Rejected):
    """Nothing can be counted like this."""

    code = "unusable_element"


class Role(StrEnum):
    """What an event does to an element."""

    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"


@dataclass(frozen=True, slots=True)
class Step:
    """The events that play a role: those of a name, or those of them whose properties fit."""

    event: str
    where: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What counts as an element. With `instance`, a property of its events tells one instance from another."""

    steps: Mapping[Role, Step]
    instance: str | None = None

    @property
    def measured(self) -> list[tuple[str, Mapping[str, Any] | None]]:
        """The events whose totals say how many there are; none where instances are told apart."""
        return [] if self.instance is not None else [(step.event, step.where) for step in self.steps.values()]

    @classmethod
    def stored(cls, source: Mapping[str, Any]) -> Self:
        """The definition as it was written and found usable."""
        steps = {
            role: Step(said["event"], said.get("where"))
            for role in Role
            if (said := source.get(role.value)) is not None
        }
        return cls(steps, source.get("instanceProperty"))


def read(source: Mapping[str, Any]) -> Definition:
    """The definition behind what somebody wrote. Raises `UnusableElement`; the filters are read elsewhere."""
    found = Definition.stored(source)
    for role, step in found.steps.items():
        _check(step.event, f"{role}/event")
    if found.instance is not None:
        _check(found.instance, "instanceProperty")
    if found.steps.get(Role.CREATE) == found.steps.get(Role.DISABLE):
        raise _refused("disable", "The same events cannot create and disable; tell them apart by their properties.")
    return found


def _check(text: str, where: str) -> None:
    if not text or len(text) > LONGEST_NAME or not storable(text):
        raise _refused(where, f"Give 1 to {LONGEST_NAME} characters, without NUL and lone surrogates.")


def _refused(where: str, detail: str) -> UnusableElement:
    return UnusableElement(f"#/{where}: {detail}", errors=[{"pointer": f"#/{where}", "detail": detail}])


@dataclass(slots=True)
class Sighting:
    """What some events say of one instance. The latest of what enables and of what disables it decides."""

    enabled_at: datetime | None = None
    disabled_at: datetime | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None

    def see(self, role: Role, at: datetime) -> None:
        """Add one event. An update moves the last date only; it neither enables nor disables."""
        if role is Role.DISABLE:
            self.disabled_at = at if self.disabled_at is None else max(self.disabled_at, at)
            return
        self.last_at = at if self.last_at is None else max(self.last_at, at)
        if role is Role.CREATE:
            self.enabled_at = at if self.enabled_at is None else max(self.enabled_at, at)
            self.first_at = at if self.first_at is None else min(self.first_at, at)

    @property
    def enabled(self) -> bool:
        """Whether it is there: created, and not disabled at that instant or later."""
        return self.enabled_at is not None and (self.disabled_at is None or self.enabled_at > self.disabled_at)
