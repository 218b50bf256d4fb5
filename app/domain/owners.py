"""Who owns an account: one pure rule over what has been learned, so that no order of arrival can change the answer.

The mapped trait makes *claims*, a person or an API client makes a *choice*, and the workspace has a *policy* for when
neither decides. The rule walks claims and choice from the newest to the oldest until one of them decides.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from app.domain.messages import EPOCH

Policy = Literal["none", "first_user"]

NEWEST_OF_RUN: Final = 16
MOST_CLAIMS: Final = 256


class Source(StrEnum):
    """What decided."""

    FIRST_USER = "auto_first_user"
    TRAIT = "trait"
    MANUAL = "manual"
    API = "api"


class State(StrEnum):
    """`pending`: the newest word of the trait names someone who is not (yet) linked to the account."""

    NONE = "none"
    RESOLVED = "resolved"
    PENDING = "pending"


class Verdict(StrEnum):
    """What one entry of the timeline came to."""

    DECIDES = "decides"
    PENDING = "pending"
    CLEARED = "cleared"
    LEFT = "left"
    VOID = "void"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Person:
    """A user as one account knows them. `left_at`: unlinked then, after having been linked."""

    user_id: UUID
    external_id: str
    linked: bool
    linked_at: datetime | None = None
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What the mapped trait said. The stamp orders claims: microseconds since 1970, times 2^32, plus a value hash."""

    stamp: int
    value: str | None

    @property
    def at(self) -> datetime:
        """When it was said."""
        return EPOCH + timedelta(microseconds=self.stamp >> 32)

    @property
    def clears(self) -> bool:
        """Null clears, and so does text without a character in it."""
        return self.value is None or not self.value.strip()


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person or an API client decided last. Without a person: that nobody owns the account."""

    at: datetime
    source: Source
    person: Person | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything the rule looks at. `people` holds those whom claims name, as far as they exist."""

    claims: Sequence[Claim] = ()
    choice: Choice | None = None
    people: Mapping[str, Person] = field(default_factory=dict)
    policy: Policy = "none"
    first_user: Person | None = None
    trait_key: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One entry the rule considered, and what it made of it."""

    kind: Literal["claim", "choice", "policy"]
    at: datetime | None
    value: str | None
    verdict: Verdict
    because: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """Who owns the account, what decided, and every step that led there."""

    owner: Person | None
    source: Source | None
    state: State
    pending_value: str | None
    since: datetime | None
    reason: str
    steps: tuple[Step, ...]


def runs(claims: Iterable[Claim]) -> list[Claim]:
    """Claims oldest first, each unbroken run of one value as one claim at its first stamp: repeating is no news."""
    heads: list[Claim] = []
    for claim in sorted(claims, key=lambda claim: claim.stamp):
        if not heads or heads[-1].value != claim.value:
            heads.append(claim)
    return heads


def resolve(timeline: Timeline) -> Resolution:
    """Walk the timeline from its newest entry and say who owns the account, since when, and why.

    At the same instant a choice is newer than a claim.
    """
    entries: list[Claim | Choice] = [*runs(timeline.claims), *([timeline.choice] if timeline.choice else [])]
    entries.sort(key=_newness, reverse=True)
    walk = _Walk(timeline)
    for entry in entries:
        found = walk.choice(entry) if isinstance(entry, Choice) else walk.claim(entry)
        if found is not None:
            return found
    return walk.policy()


def _newness(entry: Claim | Choice) -> tuple[datetime, float]:
    return (entry.at, math.inf) if isinstance(entry, Choice) else (entry.at, entry.stamp)


def _quoted(value: str | None) -> str:
    text = value or ""
    return f'"{text[:80]}…"' if len(text) > 80 else f'"{text}"'


def _latest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at is not None), default=None)


class _Walk:
    """The rule under way: what is pending so far, and whether claims still count."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.pending: str | None = None
        self.claims_end = False
        self.steps: list[Step] = []

    def choice(self, choice: Choice) -> Resolution | None:
        by = "by hand" if choice.source is Source.MANUAL else "through the API"
        person = choice.person
        if person is None:
            self._step(choice, None, Verdict.DECIDES, f"It was decided {by} that nobody owns this account.")
            return self._end(None, choice.source, choice.at)
        name = _quoted(person.external_id)
        if person.linked:
            self._step(choice, person.external_id, Verdict.DECIDES, f"User {name} was chosen {by}.")
            return self._end(person, choice.source, choice.at)
        because = f"User {name} was chosen {by} but is no longer linked to the account: the choice is void."
        self._step(choice, person.external_id, Verdict.VOID, because)
        return None

    def claim(self, claim: Claim) -> Resolution | None:
        person = None if claim.value is None else self.timeline.people.get(claim.value)
        verdict, because = self._weigh(claim, person)
        self._step(claim, claim.value, verdict, because)
        if verdict is Verdict.DECIDES and person is not None:
            return self._end(person, Source.TRAIT, _latest(claim.at, person.linked_at))
        if verdict in (Verdict.PENDING, Verdict.LEFT) and self.pending is None:
            self.pending = claim.value
        self.claims_end = self.claims_end or verdict in (Verdict.CLEARED, Verdict.LEFT)
        return None

    def _weigh(self, claim: Claim, person: Person | None) -> tuple[Verdict, str]:
        key, name = f"Trait {_quoted(self.timeline.trait_key)}", _quoted(claim.value)
        if self.claims_end:
            return Verdict.ENDED, f"{key} named {name}, but what it said later ended that."
        if claim.clears:
            return Verdict.CLEARED, f"{key} was cleared: older values no longer count; an older choice still does."
        if person is None:
            return Verdict.PENDING, f"{key} names {name}, a user not known yet: kept as pending."
        if person.linked:
            return Verdict.DECIDES, f"{key} names user {name}, who is linked to the account."
        if person.left_at is not None and person.left_at >= claim.at:
            return Verdict.LEFT, f"{key} named user {name}, who has been unlinked since: older values no longer count."
        return Verdict.PENDING, f"{key} names user {name}, who is not linked to the account: kept as pending."

    def policy(self) -> Resolution:
        """What holds when no entry decided."""
        first = self.timeline.first_user if self.timeline.policy == "first_user" else None
        if first is not None:
            because = f"Nothing else decides; by default the first user owns the account: {_quoted(first.external_id)}."
        elif self.timeline.policy == "first_user":
            because = "Nothing else decides, and the account has no user who could own it by default."
        else:
            because = "Nothing decides, and by default an account has no owner."
        value = first.external_id if first else None
        self.steps.append(Step("policy", None, value, Verdict.DECIDES, because))
        return self._end(first, Source.FIRST_USER if first else None, first.linked_at if first else None)

    def _step(self, entry: Claim | Choice, value: str | None, verdict: Verdict, because: str) -> None:
        kind: Literal["claim", "choice"] = "choice" if isinstance(entry, Choice) else "claim"
        self.steps.append(Step(kind, entry.at, value, verdict, because))

    def _end(self, owner: Person | None, source: Source | None, since: datetime | None) -> Resolution:
        settled = State.RESOLVED if owner else State.NONE
        return Resolution(
            owner=owner,
            source=source,
            state=State.PENDING if self.pending is not None else settled,
            pending_value=self.pending,
            since=since,
            reason=self.steps[-1].because,
            steps=tuple(self.steps),
        )


def surplus(claims: Iterable[Claim], *, choice_at: datetime | None) -> list[Claim]:
    """The claims that can be forgotten although a message that comes late may still split a run.

    Of each run the first and the newest stay, and the last one before the choice (a split must not carry the run
    over it); of all that stay, the newest `MOST_CLAIMS`.
    """
    ordered = sorted(claims, key=lambda claim: claim.stamp)
    keep: list[Claim] = []
    start = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or ordered[end].value != ordered[start].value:
            keep += _kept_of_run(ordered[start:end], choice_at)
            start = end
    kept = {claim.stamp for claim in keep[-MOST_CLAIMS:]}
    return [claim for claim in ordered if claim.stamp not in kept]


def _kept_of_run(run: Sequence[Claim], choice_at: datetime | None) -> list[Claim]:
    before = [claim for claim in run if choice_at is not None and claim.at <= choice_at]
    kept = {run[0].stamp, *(claim.stamp for claim in run[-NEWEST_OF_RUN:]), *(claim.stamp for claim in before[-1:])}
    return [claim for claim in run if claim.stamp in kept]
