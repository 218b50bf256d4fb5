"""Who is in the demo story: the customers, their people, and the team that looks after them. The same for a seed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Final

from app.demo import words
from app.demo.plots import PLOTS, Plot, Twist

PLANS: Final = ((200, "Starter"), (800, "Team"), (10**9, "Business"))
TRIAL_DAYS: Final = 14
CROWDED: Final = 60  # every so many accounts, one has a great many users
CROWD: Final = (28, 40)
SIZES: Final = (2, 2, 3, 3, 3, 4, 4, 5, 6)
FIRST_NUMBER: Final = 1000
CONSULTANTS: Final = 12  # users who also work for another account


@dataclass(frozen=True, slots=True)
class Person:
    """A user: active between two instants, on `engagement` of the weekdays in between."""

    external_id: str
    name: str
    email: str
    title: str
    joined_at: datetime
    until: datetime
    engagement: float


@dataclass(frozen=True, slots=True)
class Firm:
    """A customer account. The first of `people` is the owner, unless the twist says otherwise."""

    external_id: str
    name: str
    plot: Plot
    twist: Twist
    mrr: int
    plan: str
    industry: str
    region: str
    seats: int
    joined_at: datetime
    until: datetime
    people: tuple[Person, ...]
    guests: tuple[Person, ...] = ()  # people of another account who also work for this one
    leavers: tuple[Person, ...] = ()  # people who were unlinked when they left

    @property
    def owners(self) -> tuple[Person, ...]:
        """Who owns it by the trait, and who was chosen instead."""
        return self.people[: 2 if self.twist is Twist.CHOSEN else 1]


@dataclass(frozen=True, slots=True)
class Colleague:
    """One of the team."""

    name: str
    email: str
    role: str


TEAM: Final = tuple(
    Colleague(name, f"{name.split()[0].lower()}@ourteam.example", role)
    for name, role in (
        ("Mina Castell", "csm"),
        ("Jude Okoro", "csm"),
        ("Lena Brook", "csm"),
        ("Theo Marlow", "csm"),
        ("Ravi Sterling", "account_executive"),
        ("Nora Vale", "account_executive"),
    )
)


def firms(seed: int, anchor: datetime) -> list[Firm]:
    """Every account of the story, with its people, as of `anchor`."""
    rng = Random(f"steward demo {seed}")  # noqa: S311 - a story, not a secret
    cast = [(plot, twist) for plot in PLOTS for twist in plot.cast()]
    names = _names(rng, len(cast))
    people = count(10_000)
    made = [
        _firm(rng, name, role, number, people, anchor)
        for number, (name, role) in enumerate(zip(names, cast, strict=True), start=1)
    ]
    return _with_consultants(rng, made)


def _names(rng: Random, wanted: int) -> list[str]:
    pairs = [(first, trade) for first in words.COMPANY for trade in words.TRADE]
    return [f"{first} {trade}" for first, trade in rng.sample(pairs, wanted)]


def _firm(
    rng: Random, name: str, role: tuple[Plot, Twist], number: int, people: Iterator[int], anchor: datetime
) -> Firm:
    plot, twist = role
    joined = anchor - timedelta(days=rng.uniform(*plot.age))
    until = anchor - timedelta(days=rng.uniform(*plot.ended)) if plot.ended else anchor
    mrr = rng.randint(plot.mrr[0] // 5, plot.mrr[1] // 5) * 5
    size = rng.randint(*CROWD) if number % CROWDED == 0 else rng.choice(SIZES)
    domain = f"{name.lower().replace(' ', '-')}.example"
    others = [_other(rng, next(people), domain, joined, until) for _ in range(size - 1)]
    return _with_leavers(
        Firm(
            external_id=f"org_{FIRST_NUMBER + number}",
            name=name,
            plot=plot,
            twist=twist,
            mrr=mrr,
            plan=next(plan for ceiling, plan in PLANS if mrr < ceiling),
            industry=rng.choice(words.INDUSTRIES),
            region=rng.choice(words.REGIONS),
            seats=size + rng.randint(0, 5),
            joined_at=joined,
            until=until,
            people=(_owner(rng, next(people), domain, joined, _owner_until(rng, plot, anchor, until)), *others),
        ),
        anchor,
    )


def _with_leavers(firm: Firm, anchor: datetime) -> Firm:
    """Where the twist says so the owner left some days ago; elsewhere, sometimes, somebody else did."""
    people = list(firm.people)
    if firm.twist is Twist.LEFT:
        people[0] = replace(people[0], until=anchor - timedelta(days=9))
        return replace(firm, people=tuple(people), leavers=(people[0],))
    if firm.plot.name == "steady" and firm.twist is Twist.NONE and len(people) > 4:
        people[3] = replace(people[3], until=max(anchor - timedelta(days=2), people[3].joined_at))
        return replace(firm, people=tuple(people), leavers=(people[3],))
    return firm


def _owner_until(rng: Random, plot: Plot, anchor: datetime, until: datetime) -> datetime:
    return anchor - timedelta(hours=rng.uniform(*plot.quiet)) if plot.quiet else until


def _owner(rng: Random, number: int, domain: str, joined: datetime, until: datetime) -> Person:
    return _person(rng, number, domain, (joined, until), rng.choice(words.OWNER_TITLES), rng.uniform(0.25, 0.5))


def _other(rng: Random, number: int, domain: str, joined: datetime, until: datetime) -> Person:
    """Most people come in the first weeks; the rest trickle in."""
    came = min(joined + (until - joined) * rng.betavariate(1, 3), until - timedelta(hours=1))
    return _person(rng, number, domain, (came, until), rng.choice(words.TITLES), rng.uniform(0.1, 0.5))


def _person(
    rng: Random, number: int, domain: str, time: tuple[datetime, datetime], title: str, engagement: float
) -> Person:
    first, last = rng.choice(words.FIRST), rng.choice(words.LAST)
    return Person(
        external_id=f"u_{number}",
        name=f"{first} {last}",
        email=f"{first.lower()}.{last.lower()}@{domain}",
        title=title,
        joined_at=time[0],
        until=time[1],
        engagement=engagement,
    )


def _with_consultants(rng: Random, made: list[Firm]) -> list[Firm]:
    """Let some people of steady accounts work for another one too."""
    steady = [ix for ix, firm in enumerate(made) if firm.plot.name == "steady" and firm.people[1:]]
    for _ in range(CONSULTANTS):
        home, away = rng.sample(steady, 2)
        person = made[home].people[-1]
        guest = replace(person, joined_at=max(person.joined_at, made[away].joined_at), engagement=0.2)
        if guest.external_id not in {one.external_id for one in made[away].guests}:
            made[away] = replace(made[away], guests=(*made[away].guests, guest))
    return made
