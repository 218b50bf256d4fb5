"""Which status an account, an organization or a user has: one pure rule over rules' answers, a choice and the clock.

The rule climbs down a ladder and the first rung that says something decides: track rules, a choice made by hand, the
organization, the status trait, churn, trial and subscribed rules, and at last the default. What the rungs below the
choice say is the *outcome of the rules*; a choice holds for as long as that stays what it was when the choice was made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

from app.domain.errors import NotFound, Rejected
from app.domain.fields import Subject


class UnusableStatus(Rejected):
    """Records of this kind have no such status."""

    code = "unusable_status"


class UnknownLifecycle(NotFound):
    """There is a lifecycle of accounts, organizations and users, and no other."""

    code = "unknown_lifecycle"


class Status(StrEnum):
    """Accounts and organizations have one of the first four, users one of the last two."""

    SUBSCRIBED = "subscribed"
    TRIAL = "trial"
    CHURNED = "churned"
    IGNORED = "ignored"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class Source(StrEnum):
    """What decided."""

    DEFAULT = "default"
    RULE = "rule"
    TRAIT = "trait"
    MANUAL = "manual"
    ORGANIZATION = "organization"


class Verdict(StrEnum):
    """What one rung came to: it decides, a higher one did, it has nothing to say, or it was a choice that ended."""

    DECIDES = "decides"
    OVERRULED = "overruled"
    SILENT = "silent"
    ENDED = "ended"


Rung = Literal["track", "manual", "organization", "trait", "churned", "trial", "subscribed", "default"]

STATUSES: Final[Mapping[Subject, tuple[Status, ...]]] = {
    Subject.ACCOUNTS: (Status.SUBSCRIBED, Status.TRIAL, Status.CHURNED, Status.IGNORED),
    Subject.ORGANIZATIONS: (Status.SUBSCRIBED, Status.TRIAL, Status.CHURNED, Status.IGNORED),
    Subject.USERS: (Status.ACTIVE, Status.DEACTIVATED),
}
HANDED_DOWN: Final = (Status.CHURNED, Status.IGNORED)
"""The statuses of an organization that its accounts take over."""

SOURCES: Final[Mapping[Rung, Source]] = {
    "track": Source.RULE,
    "manual": Source.MANUAL,
    "organization": Source.ORGANIZATION,
    "trait": Source.TRAIT,
    "churned": Source.RULE,
    "trial": Source.RULE,
    "subscribed": Source.RULE,
    "default": Source.DEFAULT,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody decided by hand, and what the rules said by themselves at that moment.

    `paid`: whether the account counted as paying then; `revenue`: what its revenue trait said.
    """

    status: Status
    outcome: Status
    at: datetime
    paid: bool = False
    revenue: Decimal | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything the rule looks at. The answers of the four conditions are None where there is no such condition."""

    ignored: bool | None = None
    churned: bool | None = None
    trial: bool | None = None
    subscribed: bool | None = None
    said: Status | None = None
    revenue: Decimal | None = None
    organization: Status | None = None
    trial_ends_at: datetime | None = None
    choice: Choice | None = None

    @property
    def pays(self) -> bool:
        """Without conditions of its own, whoever has a value as revenue is subscribed: 0 is one."""
        return self.revenue is not None if self.subscribed is None else self.subscribed


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: what it says (None: nothing), what became of that, and why."""

    rung: Rung
    says: Status | None
    verdict: Verdict
    because: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A status and the rung that decided it. `outcome` is what the rules say by themselves, track rules aside.

    `unconverted`: a trial whose end has passed. `changes_at`: when the clock alone makes it one. `over`: there was a
    choice, and it has ended.
    """

    subject: Subject
    found: Circumstances
    status: Status
    rung: Rung
    outcome: Status
    unconverted: bool
    changes_at: datetime | None
    over: bool

    @property
    def source(self) -> Source:
        """What decided."""
        return SOURCES[self.rung]

    @property
    def reason(self) -> str:
        """What decided, in a sentence."""
        return _because(self.rung, self.status, self)

    @property
    def steps(self) -> Iterator[Step]:
        """Every rung of the ladder, from the first to the last."""
        decided = False
        for rung, says in _ladder(self.subject, self.found, over=self.over):
            verdict = Verdict.SILENT if says is None else Verdict.OVERRULED if decided else Verdict.DECIDES
            decided = decided or says is not None
            yield Step(rung, says, _ended(rung, self) or verdict, _because(rung, says, self))


def subject_of(name: str) -> Subject:
    """Whose lifecycle is meant. Raises `UnknownLifecycle`."""
    if name not in STATUSES:
        raise UnknownLifecycle(f"Ask for one of: {', '.join(STATUSES)}.")
    return Subject(name)


def decide(subject: Subject, found: Circumstances, now: datetime) -> Decision:
    """Climb down the ladder: the first rung that says something decides."""
    _, outcome = _first(_rules(subject, found))
    over = found.choice is not None and has_ended(found.choice, found, outcome)
    rung, status = _first(_ladder(subject, found, over=over))
    ends = found.trial_ends_at if status is Status.TRIAL else None
    return Decision(
        subject=subject,
        found=found,
        status=status,
        rung=rung,
        outcome=outcome,
        unconverted=ends is not None and ends <= now,
        changes_at=ends if ends is not None and ends > now else None,
        over=over,
    )


def has_ended(choice: Choice, found: Circumstances, outcome: Status) -> bool:
    """Whether a choice is over: the rules say otherwise than they did, or who was churned by hand pays again.

    Paying again is beginning to count as paying; or, without conditions that say who pays, revenue with another value
    than at the time of the choice. The same value once more is no news.
    """
    if outcome is not choice.outcome:
        return True
    if choice.status is not Status.CHURNED or not found.pays:
        return False
    return not choice.paid or (found.subscribed is None and found.revenue != choice.revenue)


Said = tuple[Rung, Status | None]


def _first(ladder: Iterator[Said]) -> tuple[Rung, Status]:
    return next((rung, says) for rung, says in ladder if says is not None)


def _ladder(subject: Subject, found: Circumstances, *, over: bool) -> Iterator[Said]:
    if subject is not Subject.USERS:
        yield "track", Status.IGNORED if found.ignored else None
    yield "manual", found.choice.status if found.choice and not over else None
    yield from _rules(subject, found)


def _rules(subject: Subject, found: Circumstances) -> Iterator[Said]:
    """What holds without a choice. Users have churn rules only; an organization belongs to no other."""
    if subject is Subject.USERS:
        yield "churned", Status.DEACTIVATED if found.churned else None
        yield "default", Status.ACTIVE
        return
    if subject is Subject.ACCOUNTS:
        yield "organization", found.organization if found.organization in HANDED_DOWN else None
    yield "trait", found.said
    yield "churned", Status.CHURNED if found.churned else None
    yield "trial", Status.TRIAL if found.trial else None
    yield "subscribed", Status.SUBSCRIBED if found.pays else None
    yield "default", Status.SUBSCRIBED


def _ended(rung: Rung, decision: Decision) -> Verdict | None:
    return Verdict.ENDED if rung == "manual" and decision.over else None


def _because(rung: Rung, says: Status | None, decision: Decision) -> str:
    found = decision.found
    match rung:
        case "track":
            return _track(found)
        case "manual":
            return _manual(found, over=decision.over)
        case "organization":
            return "No organization decides for it." if says is None else f"Its organization is {says}, so it is too."
        case "trait":
            return "No mapped trait names a status." if says is None else f"The mapped status trait says {says}."
        case "default":
            return f"Nothing else decides: by default it is {says}."
        case _:
            return _condition(rung, found)


def _track(found: Circumstances) -> str:
    if found.ignored is None:
        return "There is no track rule."
    if found.ignored:
        return "The track rule says to ignore it, which wins over everything else."
    return "The track rule does not ignore it."


def _manual(found: Circumstances, *, over: bool) -> str:
    choice = found.choice
    if choice is None:
        return "Nobody chose a status by hand."
    if not over:
        return f"It was chosen by hand, and holds while the rules by themselves say {choice.outcome}."
    paid = choice.status is Status.CHURNED and found.pays
    why = "it pays again" if paid else f"the rules no longer say {choice.outcome}"
    return f"{choice.status.capitalize()} was chosen by hand, but that ended: {why}."


def _condition(rung: Rung, found: Circumstances) -> str:
    holds = {"churned": found.churned, "trial": found.trial, "subscribed": found.subscribed}[rung]
    conditions = f"{'churn' if rung == 'churned' else rung} conditions"
    if holds is None:
        revenue = f"It has {'' if found.pays else 'no '}revenue, and t" if rung == "subscribed" else "T"
        return f"{revenue}here are no {conditions}."
    return f"It meets the {conditions}." if holds else f"It does not meet the {conditions}."
