"""Health scores: what conditions come to in points, the points in a score, and the scores in the health of a record."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.filters import Condition as Seen
from app.domain.filters import Tree

MOST_SCORES: Final = 50  # live ones of a workspace
MOST_CONDITIONS: Final = 30  # of a score, for one segment
MOST_VARIANTS: Final = 20  # segments of a score
MOST_LEAVES: Final = 2000  # conditions in all filters of a workspace's live scores
HIGHEST: Final = Decimal(10)
SHOWN: Final = Decimal("0.01")
CONCERNING_FROM: Final = Decimal("3.33")
HEALTHY_FROM: Final = Decimal("6.67")


class UnknownHealthScore(NotFound):
    """There is no such health score in this workspace."""

    code = "unknown_health_score"


class HealthScoreExists(Conflict):
    """A health score has this slug already."""

    code = "health_score_exists"


class HealthScoreArchived(Conflict):
    """The health score is archived."""

    code = "health_score_archived"


class TooManyHealthScores(Conflict):
    """The workspace has as many health scores, or conditions in them, as it may have."""

    code = "too_many_health_scores"


class UnusableHealthScore(Rejected):
    """The health score cannot be used as it is written."""

    code = "unusable_health_score"


class PreviewTooSlow(Rejected):
    """The preview takes longer than it may."""

    code = "preview_too_slow"


class State(StrEnum):
    """What a condition finds, and what a score is called; the worst first."""

    POOR = "poor"
    CONCERNING = "concerning"
    HEALTHY = "healthy"


Holds = Callable[[Tree], bool]
"""Whether a filter holds for the record that is looked at."""
POINTS: Final[Mapping[State, int]] = {State.POOR: 0, State.CONCERNING: 5, State.HEALTHY: 10}


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of a score: filters for the states that somebody wrote one for, the worst first. `sees` is what it
    looks at."""

    name: str
    sees: tuple[Seen, ...]
    trees: Mapping[State, Tree]
    sources: Mapping[State, Mapping[str, Any]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Part:
    """What a score is made of, for the members of a segment or (without one) for all others."""

    segment_id: UUID | None
    weight: Decimal
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """A health score, understood. Of its parts the first whose segment a record is in counts."""

    id: UUID
    slug: str
    name: str
    version: int
    parts: tuple[Part, ...]

    def part_for(self, segments: Collection[UUID]) -> Part:
        """The part that counts for a record in these segments; the last one is for everybody."""
        return next(one for one in self.parts if one.segment_id is None or one.segment_id in segments)

    @property
    def trees(self) -> Iterable[Tree]:
        """Every filter of every part."""
        return (tree for part in self.parts for one in part.conditions for tree in one.trees.values())


@dataclass(frozen=True, slots=True)
class Result:
    """What a score comes to for a record: the part that counted, what each of its conditions found, and the mean."""

    score: Score
    part: Part
    states: tuple[State | None, ...]

    @property
    def value(self) -> Decimal | None:
        """From 0 to 10; None where no condition says anything."""
        return mean(self.states)

    @property
    def counted(self) -> int:
        """How many conditions say something."""
        return sum(1 for one in self.states if one is not None)


def state(condition: Condition, holds: Holds) -> State | None:
    """What a condition finds: the worst whose filter holds; None: no filter holds, it is left out."""
    return next((one for one, tree in condition.trees.items() if holds(tree)), None)


@lru_cache(maxsize=4096)
def mean(states: tuple[State | None, ...]) -> Decimal | None:
    """The mean of the points of those that say something, to two decimals; None where none does."""
    points = [POINTS[one] for one in states if one is not None]
    return rounded(Decimal(sum(points)) / len(points)) if points else None


def overall(weighed: Iterable[tuple[Decimal | None, Decimal]]) -> Decimal | None:
    """The weighted average of scores (as they are shown) that have a value: who has none leaves its weight to others.

    None where nothing with any weight has a value.
    """
    having = [(value, weight) for value, weight in weighed if value is not None]
    total = sum((weight for _, weight in having), Decimal(0))
    return rounded(sum((value * weight for value, weight in having), Decimal(0)) / total) if total else None


def label(value: Decimal | None) -> State | None:
    """What a score is called: by equal thirds of what is shown, so that one number never has two names."""
    if value is None:
        return None
    if value >= HEALTHY_FROM:
        return State.HEALTHY
    return State.CONCERNING if value >= CONCERNING_FROM else State.POOR


def rounded(value: Decimal) -> Decimal:
    """A score as it is stored and shown."""
    return value.quantize(SHOWN, rounding=ROUND_HALF_UP)


def results(scores: Iterable[Score], segments: Collection[UUID], holds: Holds) -> list[Result]:
    """What each score comes to for a record in these segments."""
    found = []
    for score in scores:
        part = score.part_for(segments)
        found.append(Result(score, part, tuple(state(one, holds) for one in part.conditions)))
    return found


def health(found: Iterable[Result]) -> Decimal | None:
    """The overall health behind these results."""
    return overall((one.value, one.part.weight) for one in found)
