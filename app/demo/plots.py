"""What happens to the accounts of the demo story: a few plots, each played by some of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

DAYS: Final = 180
"""How far back the story reaches."""

Status = Literal["subscribed", "trial", "churned", "ignored"]


class Twist(StrEnum):
    """What is special about who owns the account."""

    NONE = "none"
    NOBODY = "nobody"  # no trait names an owner
    PENDING = "pending"  # the trait names someone who has not been heard of
    CHANGED = "changed"  # the trait named someone else before
    LEFT = "left"  # the trait names someone who has been unlinked since
    CHOSEN = "chosen"  # a person chose another owner than the trait names


@dataclass(frozen=True, slots=True)
class Plot:
    """One way for an account to fare, and how many do. `pace` is activity at the start and at the end of its time.

    `quiet` bounds how long ago, in hours, the owner was last seen; the others are seen to the end.
    """

    name: str
    accounts: int
    status: Status
    mrr: tuple[int, int]
    pace: tuple[float, float]
    quiet: tuple[float, float] | None = None
    ended: tuple[int, int] | None = None  # days ago that everybody stopped
    age: tuple[int, int] = (20, DAYS)  # days ago that it signed up
    twists: tuple[tuple[Twist, int], ...] = ()

    def cast(self) -> Iterator[Twist]:
        """The twist of each account of this plot."""
        twisted = [twist for twist, count in self.twists for _ in range(count)]
        yield from twisted
        yield from [Twist.NONE] * (self.accounts - len(twisted))


WEEK: Final = timedelta(days=7) / timedelta(hours=1)

PLOTS: Final = (
    Plot(
        "steady",
        62,
        "subscribed",
        (40, 900),
        (1.0, 1.0),
        twists=((Twist.PENDING, 8), (Twist.CHOSEN, 5), (Twist.NOBODY, 4)),
    ),
    Plot("growing", 30, "subscribed", (120, 1800), (0.3, 1.4), twists=((Twist.CHANGED, 6),)),
    Plot("declining", 14, "subscribed", (90, 700), (1.4, 0.1), age=(100, DAYS), twists=((Twist.LEFT, 2),)),
    Plot("owner gone quiet", 24, "subscribed", (110, 2400), (1.0, 0.8), (WEEK + 14, 45 * 24), age=(70, DAYS)),
    Plot("owner about to go quiet", 1, "subscribed", (640, 640), (1.0, 0.9), (WEEK - 0.25, WEEK - 0.25), age=(90, 120)),
    Plot("owner quiet tomorrow", 2, "subscribed", (210, 480), (1.0, 0.9), (WEEK - 20, WEEK - 4), age=(90, 150)),
    Plot("small, owner gone quiet", 9, "subscribed", (15, 95), (0.8, 0.6), (WEEK + 14, 30 * 24), age=(60, DAYS)),
    Plot("trial", 18, "trial", (0, 0), (0.8, 1.1), age=(2, 13), twists=((Twist.NOBODY, 3), (Twist.PENDING, 2))),
    Plot("trial ran out", 10, "trial", (0, 0), (1.0, 0.1), ended=(3, 20), age=(24, 60)),
    Plot("churned", 18, "churned", (60, 800), (0.9, 0.2), ended=(15, 90), age=(120, DAYS)),
    Plot("ignored", 12, "ignored", (0, 0), (0.2, 0.2), twists=((Twist.NOBODY, 6),)),
)
