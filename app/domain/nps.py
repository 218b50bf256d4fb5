"""The Net Promoter Score: what an answer counts as, and what a set of answers comes to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

LEAST: Final = 0
MOST: Final = 10
PROMOTER_FROM: Final = 9
PASSIVE_FROM: Final = 7
_CENT: Final = Decimal("0.01")


class Group(StrEnum):
    """What somebody who answered is."""

    DETRACTOR = "detractor"
    PASSIVE = "passive"
    PROMOTER = "promoter"


def group(score: int) -> Group:
    """Promoters answer 9 or 10, passives 7 or 8, detractors 0 to 6."""
    if score >= PROMOTER_FROM:
        return Group.PROMOTER
    return Group.PASSIVE if score >= PASSIVE_FROM else Group.DETRACTOR


def score(promoters: int, detractors: int, responses: int) -> Decimal | None:
    """Percent of promoters less percent of detractors, -100 to 100, to two decimals; None without answers."""
    if not responses:
        return None
    return (Decimal(100 * (promoters - detractors)) / responses).quantize(_CENT, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one user. Of two the later counts, and of two of one instant that with the greater id."""

    user: UUID
    score: int
    responded_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of whom there are."""

    promoters: int = 0
    passives: int = 0
    detractors: int = 0
    last_at: datetime | None = None

    @property
    def responses(self) -> int:
        """How many users answered."""
        return self.promoters + self.passives + self.detractors

    @property
    def score(self) -> Decimal | None:
        """What they come to."""
        return score(self.promoters, self.detractors, self.responses)

    @classmethod
    def of(cls, answers: Iterable[Answer]) -> Self:
        """The tally of each user's latest answer: the meaning of every score."""
        latest: dict[UUID, Answer] = {}
        for one in answers:
            known = latest.get(one.user)
            if known is None or (one.responded_at, one.id) > (known.responded_at, known.id):
                latest[one.user] = one
        groups = [group(one.score) for one in latest.values()]
        return cls(
            groups.count(Group.PROMOTER),
            groups.count(Group.PASSIVE),
            groups.count(Group.DETRACTOR),
            max((one.responded_at for one in latest.values()), default=None),
        )


@dataclass(frozen=True, slots=True)
class Month:
    """A UTC month: what was answered in it, by each user's last answer in it; and how everybody stood at its end."""

    month: date
    answered: Tally
    standing: Tally


Move = tuple[date, Sequence[int], Sequence[int]]
"""A month, how many of each group answered in it, and of what groups these users had been before."""


def trend(moves: Sequence[Move], today: date, months: int) -> list[Month]:
    """The last months up to this one, the oldest first, whether anybody answered in them or not."""
    by_month = {month: (now, before) for month, now, before in moves}
    last = max([today.replace(day=1), *by_month])
    wanted = [_back(last, months - 1 - n) for n in range(months)]
    standing = [0, 0, 0]
    for month, now, before in moves:
        if month < wanted[0]:
            standing = [known + n - b for known, n, b in zip(standing, now, before, strict=True)]
    found = []
    for month in wanted:
        now, before = by_month.get(month, ((0, 0, 0), (0, 0, 0)))
        standing = [known + n - b for known, n, b in zip(standing, now, before, strict=True)]
        found.append(Month(month, _tally(now), _tally(standing)))
    return found


def _tally(counts: Sequence[int]) -> Tally:
    promoters, passives, detractors = counts
    return Tally(promoters, passives, detractors)


def _back(month: date, count: int) -> date:
    place = month.year * 12 + month.month - 1 - count
    return date(place // 12, place % 12 + 1, 1)
