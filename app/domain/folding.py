"""Folds a batch of messages into one row per account, user, link and day, whatever order the messages came in.

Every fold is a maximum, a minimum, a set or a sum over distinct messages, so that order and splitting cannot matter.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import orjson

from app.domain.counting import Counts
from app.domain.matching import Matchers
from app.domain.messages import (
    CONVERSATION,
    EPOCH,
    RECEIVED,
    AccountMessage,
    EventMessage,
    InstanceMessage,
    Message,
    OrganizationMessage,
    ParentMessage,
    Traits,
    UnlinkMessage,
    UserMessage,
    as_text,
    stamp,
    tick,
)

DATA: Final = "data"
"""Where a line of trait history came from, unless somebody edited the record."""


def _later(a: datetime | None, b: datetime) -> datetime:
    return b if a is None or b > a else a


def _earlier(a: datetime | None, b: datetime) -> datetime:
    return b if a is None or b < a else a


@dataclass(slots=True)
class Party:
    """An account or a user as a batch leaves it. `stamps` names every trait written, `traits` those with a value.

    `told` holds what each message said of traits, as JSON under the stamp of the whole: the lines of trait history.
    """

    traits: dict[str, Any] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)
    told: dict[int, bytes] = field(default_factory=dict)
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    last_received_at: datetime | None = None
    last_sent_at: datetime | None = None
    events: int = 0

    @property
    def moved(self) -> bool:
        """Whether the batch says when it was active, or in conversation."""
        return bool(self.last_seen_at or self.last_received_at or self.last_sent_at)

    def learn(self, traits: Traits, at: datetime) -> None:
        """Keep the latest value of each trait, and the whole of what was said."""
        if not traits:
            return
        moment, said = tick(at), orjson.dumps(traits, option=orjson.OPT_SORT_KEYS)
        self.told[moment | zlib.crc32(said)] = said
        for key, value in traits.items():
            mark = moment | zlib.crc32(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
            if mark <= self.stamps.get(key, -1):
                continue
            self.stamps[key] = mark
            if value is None:
                self.traits.pop(key, None)
            else:
                self.traits[key] = value

    def seen(self, at: datetime) -> None:
        """Stretch the span of activity."""
        if self.last_seen_at is None or self.first_seen_at is None:
            self.first_seen_at = self.last_seen_at = at
        elif at > self.last_seen_at:
            self.last_seen_at = at
        elif at < self.first_seen_at:
            self.first_seen_at = at


@dataclass(slots=True)
class Link:
    """What a batch says of a membership. An event only implies it: any statement, however old, outranks that."""

    linked: bool
    changed_at: datetime
    first_linked_at: datetime | None
    active_on: date | None = None
    """The last day on which the user did anything at the account."""

    @property
    def implied(self) -> bool:
        """Whether only events speak of it."""
        return self.changed_at == EPOCH


@dataclass(slots=True)
class Fold:
    """Everything a batch changes. Accounts and users go by their external ids here; `…_ids` tells the ids of ours."""

    owner_trait: str | None
    erasures: int = 0
    """The workspace's count of erasures under which the ids hold."""
    matchers: Matchers = field(default_factory=Matchers)
    source: str = DATA
    keeps_history: bool = True
    accounts: dict[str, Party] = field(default_factory=dict)
    users: dict[str, Party] = field(default_factory=dict)
    links: dict[tuple[str, str], Link] = field(default_factory=dict)
    days: set[tuple[str, date]] = field(default_factory=set)
    claims: dict[tuple[str, int], str | None] = field(default_factory=dict)
    events: list[EventMessage] = field(default_factory=list)
    relations: list[Message] = field(default_factory=list)
    """What is said of organizations and custom objects; kept apart, because few batches speak of them."""
    counts: Counts = field(default_factory=Counts)
    """Events by account, and by organization those that name no account."""
    parent_counts: Counts = field(default_factory=Counts)
    account_ids: dict[str, str] = field(default_factory=dict)
    user_ids: dict[str, str] = field(default_factory=dict)
    measure_ids: dict[str, str] = field(default_factory=dict)
    """By event name; empty for those that are not counted."""

    def account(self, external_id: str) -> Party:
        """What this batch says of an account, from its first mention on."""
        found = self.accounts.get(external_id)
        if found is None:
            found = self.accounts[external_id] = Party()
        return found

    def user(self, external_id: str) -> Party:
        """What this batch says of a user, from their first mention on."""
        found = self.users.get(external_id)
        if found is None:
            found = self.users[external_id] = Party()
        return found

    def take(self, message: Message) -> None:
        """Add one message."""
        match message:
            case EventMessage():
                self._event(message)
            case AccountMessage():
                self._account(message)
            case UserMessage():
                self.user(message.user).learn(message.traits, message.at)
                for name in message.accounts:
                    self.account(name)
                    self._link(name, message.user, linked=True, changed_at=message.at, at=message.at)
                if message.organizations:
                    self.relations.append(message)
            case UnlinkMessage():
                self.account(message.account)
                self.user(message.user)
                self._link(message.account, message.user, linked=False, changed_at=message.at, at=None)
            case _:
                self._relation(message)

    def _relation(self, message: OrganizationMessage | ParentMessage | InstanceMessage) -> None:
        """Left for `relations`; but the account it names is made as any other."""
        self.relations.append(message)
        if not isinstance(message, OrganizationMessage) and message.account is not None:
            self.account(message.account)

    def _account(self, message: AccountMessage) -> None:
        self.account(message.account).learn(message.traits, message.at)
        if self.owner_trait is not None and self.owner_trait in message.traits:
            value = message.traits[self.owner_trait]
            self.claims[message.account, stamp(message.at, value)] = as_text(value)

    def _event(self, message: EventMessage) -> None:
        (self.events if message.organization is None else self.relations).append(message)
        at = message.at
        account = self.account(message.account) if message.account is not None else None
        user = self.user(message.user) if message.user is not None else None
        if account and user:
            self._link(message.account or "", message.user or "", linked=True, changed_at=EPOCH, at=at)
        self._counted(message)
        if message.name in CONVERSATION:
            self._conversation(message, user)
            return
        if account:
            account.events += 1
            account.seen(at)
        if user:
            user.seen(at)
            self._active(message, at.date())

    def _active(self, message: EventMessage, day: date) -> None:
        self.days.add((message.user or "", day))
        link = self.links.get((message.account or "", message.user or "")) if message.account is not None else None
        if link is not None and (link.active_on is None or day > link.active_on):
            link.active_on = day

    def _counted(self, message: EventMessage) -> None:
        """Once: for the account, or for the organization where no account is named."""
        counts = self.parent_counts if message.account is None else self.counts
        record = message.organization if message.account is None else message.account
        if record is not None:
            counts.take(record, message.user, message.name, message.at)
            if message.name in self.matchers.by_name:
                counts.match(record, message.user, message.name, message.at, message.properties, self.matchers)

    @staticmethod
    def _conversation(message: EventMessage, user: Party | None) -> None:
        if user is None:
            return
        if message.name == RECEIVED:
            user.last_received_at = _later(user.last_received_at, message.at)
        else:
            user.last_sent_at = _later(user.last_sent_at, message.at)

    def _link(self, account: str, user: str, *, linked: bool, changed_at: datetime, at: datetime | None) -> None:
        link = self.links.get((account, user))
        if link is None:
            self.links[account, user] = Link(linked, changed_at, at)
            return
        if (changed_at, not linked) > (link.changed_at, not link.linked):
            link.linked, link.changed_at = linked, changed_at
        if at is not None:
            link.first_linked_at = _earlier(link.first_linked_at, at)


def fold(
    messages: Iterable[Message], *, owner_trait: str | None, erasures: int = 0, matchers: Matchers | None = None
) -> Fold:
    """One row per thing touched. `owner_trait` is the trait whose every value is kept as a claim to the account."""
    result = Fold(owner_trait, erasures, matchers or Matchers())
    for message in messages:
        result.take(message)
    return result
