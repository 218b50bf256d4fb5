"""Segments: which links make a record a member, what a removal by hand holds back, and what a filter may ask about."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.fields import RELATIONS, Stage, Subject, UnknownFact, find
from app.domain.filters import InvalidFilter, Tree, bind, conditions, leaves, parse, parts

MOST_SEGMENTS: Final = 200  # live ones of a subject
MOST_AT_ONCE: Final = 1000  # records in one call

RULE: Final = "rule"
BY_HAND: Final = frozenset({"manual", "api"})
_AUTOMATION: Final = re.compile(r"playbook:[0-9a-f]{32}\Z")


class UnknownSegment(NotFound):
    """There is no such segment in this workspace."""

    code = "unknown_segment"


class SegmentExists(Conflict):
    """A segment of this subject has this name already."""

    code = "segment_exists"


class SegmentArchived(Conflict):
    """The segment is archived."""

    code = "segment_archived"


class SegmentDecidesHealth(Conflict):
    """Health scores go by this segment, so it cannot ask about health."""

    code = "segment_decides_health"


class TooManySegments(Conflict):
    """The workspace has as many segments of this subject as it may have."""

    code = "too_many_segments"


class EmptySegmentFilter(Rejected):
    """The filter of a segment needs at least one condition."""

    code = "empty_segment_filter"


class State(StrEnum):
    """What a person or a client decided about a record; `automatic`: nothing, links decide."""

    INCLUDED = "included"
    EXCLUDED = "excluded"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What setting a record's state did: whether it is a member now, and whether it `entered` or `left` by it."""

    state: State
    member: bool
    change: Literal["entered", "left"] | None


@dataclass(frozen=True, slots=True)
class Link:
    """One reason to be a member."""

    source: str
    added_at: datetime
    added_by: str | None


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A removal by hand, with the automations it holds back."""

    sources: tuple[str, ...]
    excluded_at: datetime
    excluded_by: str | None


@dataclass(frozen=True, slots=True)
class Membership:
    """All there is between one record and one segment; `since` when it last entered."""

    links: tuple[Link, ...]
    exclusion: Exclusion | None
    since: datetime | None

    @property
    def held_back(self) -> tuple[str, ...]:
        """The automations that do not count."""
        return () if self.exclusion is None else self.exclusion.sources

    @property
    def member(self) -> bool:
        """Whether the record is in the segment."""
        return is_member([link.source for link in self.links], self.held_back)

    @property
    def state(self) -> State:
        """What was decided by hand."""
        if any(link.source in BY_HAND for link in self.links):
            return State.INCLUDED
        return State.AUTOMATIC if self.exclusion is None else State.EXCLUDED


def is_member(links: Iterable[str], held_back: Collection[str] = ()) -> bool:
    """A link makes a member unless it is an automation's and that automation is held back by a removal by hand."""
    return any(source in BY_HAND or source not in held_back for source in links)


def held_back(links: Iterable[str], before: Iterable[str] = ()) -> list[str]:
    """The automations a removal by hand holds back: the rule, and whoever had put the record there.

    An automation that is made later may bring it back.
    """
    return sorted({RULE, *before, *links} - BY_HAND)


def is_automation(source: str) -> bool:
    """Whether this names something that may keep links of its own: `playbook:` and 32 hex digits."""
    return _AUTOMATION.match(source) is not None


def condition(source: Any, subject: Subject) -> Tree:
    """The filter of a segment: at least one condition, and only about what is decided before segments are, or health.

    Raises `InvalidFilter`, `NeedsMember`, `EmptySegmentFilter`.
    """
    for pointer, path, about in _fields(source, subject):
        if _comes_later(path, about):
            detail = f"A segment cannot ask about `{path[:100]}`, which is decided after or by segments."
            raise InvalidFilter(f"{pointer}: {detail}", errors=[{"pointer": pointer, "detail": detail}])
    tree = bind(understand(source, subject), None)  # nobody is asking
    if next(conditions(tree), None) is None:
        raise EmptySegmentFilter(
            "Add a condition to the filter: without one every record would match. For a segment without a rule, "
            "leave the filter out.",
            errors=[{"pointer": "#/filter", "detail": "has no condition"}],
        )
    return tree


def _comes_later(path: str, about: Subject) -> bool:
    """Whether segments cannot wait for this. Those that ask about health are judged once more when it is decided."""
    try:
        stage = find(path, about).stage
    except UnknownFact:  # for which it is refused when it is read
        return False
    return stage >= Stage.SEGMENTS and stage is not Stage.HEALTH


def asks_about_health(tree: Tree) -> bool:
    """Whether such a segment is judged after health, so that no health score can go by it."""
    return any(leaf.fact.stage is Stage.HEALTH for part in parts(tree) for leaf in leaves(part))


def understand(source: Any, subject: Subject) -> Tree:
    """The tree of a filter about records of this subject. Raises `InvalidFilter`."""
    return parse(source, subject)


def _fields(source: Any, subject: Subject) -> Iterator[tuple[str, str, Subject]]:
    """Every field a filter names, with where and of whom. What is nested too deep is refused when it is parsed."""
    waiting = [(source, "#/filter", subject)]
    while waiting:
        part, at, about = waiting.pop()
        if isinstance(part, Mapping):
            if isinstance(part.get("field"), str):
                yield f"{at}/field", part["field"], about
                continue
            related = part.get("related")
            relation = RELATIONS[about].get(related) if isinstance(related, str) else None
            about = about if relation is None else relation.target
            waiting += [(one, f"{at}/{key}", about) for key, one in part.items()]
        elif isinstance(part, list):
            waiting += [(one, f"{at}/{ix}", about) for ix, one in enumerate(part)]
