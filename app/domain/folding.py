"""Folds a batch of messages into one row per account, user, link and day, whatever order the messages came in.

Every fold is a maximum, a minimum, a set or a sum over distinct messages, so that order and splitting cannot matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from app.domain.messages import (
    CONVERSATION,
    EPOCH,
    RECEIVED,
    AccountMessage,
    EventMessage,
    Message,
    Traits,
    UnlinkMessage,
    UserMessage,
    as_text,
    stamp,
)


def _later(a: datetime | None, b: datetime) -> datetime:
    return b if a is None or b > a else a


def _earlier(a: datetime | None, b: datetime) -> datetime:
    return b if a is None or b < a else a


@dataclass(slots=True)
class Party:
    """An account or a user as a batch leaves it. `stamps` names every trait written, `traits` those with a value."""

    ix: int
    traits: dict[str, Any] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    last_received_at: datetime | None = None
    last_sent_at: datetime | None = None
    events: int = 0

    def learn(self, traits: Traits, at: datetime) -> None:
        """Keep the latest value of each trait."""
        for key, value in traits.items():
            mark = stamp(at, value)
            if mark <= self.stamps.get(key, -1):
                continue
            self.stamps[key] = mark
            if value is None:
                self.traits.pop(key, None)
            else:
                self.traits[key] = value

    def seen(self, at: datetime) -> None:
        """Stretch the span of activity."""
        self.first_seen_at = _earlier(self.first_seen_at, at)
        self.last_seen_at = _later(self.last_seen_at, at)


@dataclass(slots=True)
class Link:
    """What a batch says of a membership. An event only implies it: any statement, however old, outranks that."""

    linked: bool
    changed_at: datetime
    first_linked_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event with its account and user as positions in the fold."""

    at: datetime
    name: str
    account: int | None
    user: int | None
    properties: bytes


@dataclass(slots=True)
class Fold:
    """Everything a batch changes, keyed by external id."""

    owner_trait: str | None
    accounts: dict[str, Party] = field(default_factory=dict)
    users: dict[str, Party] = field(default_factory=dict)
    links: dict[tuple[int, int], Link] = field(default_factory=dict)
    days: set[tuple[int, date]] = field(default_factory=set)
    claims: dict[tuple[int, int], str | None] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    relations: list[Message] = field(default_factory=list)
    """What is said of organizations and custom objects; kept apart, because few batches speak of them."""

    def account(self, external_id: str) -> Party:
        """The account's row in this fold, made on first mention. Positions count from 1, as SQL's ordinality does."""
        return self.accounts.get(external_id) or self.accounts.setdefault(external_id, Party(len(self.accounts) + 1))

    def user(self, external_id: str) -> Party:
        """The user's row in this fold, made on first mention."""
        return self.users.get(external_id) or self.users.setdefault(external_id, Party(len(self.users) + 1))

    def take(self, message: Message) -> None:
        """Add one message."""
        match message:
            case EventMessage():
                self._event(message)
            case AccountMessage():
                self._account(message)
            case UserMessage():
                user = self.user(message.user)
                user.learn(message.traits, message.at)
                for name in message.accounts:
                    self._link(self.account(name), user, linked=True, changed_at=message.at, at=message.at)
                if message.organizations:
                    self.relations.append(message)
            case UnlinkMessage():
                account, user = self.account(message.account), self.user(message.user)
                self._link(account, user, linked=False, changed_at=message.at, at=None)
            case _:
                self.relations.append(message)

    def _account(self, message: AccountMessage) -> None:
        account = self.account(message.account)
        account.learn(message.traits, message.at)
        if self.owner_trait is not None and self.owner_trait in message.traits:
            value = message.traits[self.owner_trait]
            self.claims[account.ix, stamp(message.at, value)] = as_text(value)

    def _event(self, message: EventMessage) -> None:
        account = self.account(message.account) if message.account is not None else None
        user = self.user(message.user) if message.user is not None else None
        row = EventRow(
            at=message.at,
            name=message.name,
            account=account.ix if account else None,
            user=user.ix if user else None,
            properties=message.properties,
        )
        self.events.append(row)
        if account and user:
            self._link(account, user, linked=True, changed_at=EPOCH, at=message.at)
        if message.name in CONVERSATION:
            self._conversation(message, user)
            return
        if account:
            account.events += 1
            account.seen(message.at)
        if user:
            user.seen(message.at)
            self.days.add((user.ix, message.at.date()))

    @staticmethod
    def _conversation(message: EventMessage, user: Party | None) -> None:
        if user is None:
            return
        if message.name == RECEIVED:
            user.last_received_at = _later(user.last_received_at, message.at)
        else:
            user.last_sent_at = _later(user.last_sent_at, message.at)

    def _link(self, account: Party, user: Party, *, linked: bool, changed_at: datetime, at: datetime | None) -> None:
        link = self.links.get((account.ix, user.ix))
        if link is None:
            self.links[account.ix, user.ix] = Link(linked, changed_at, at)
            return
        if (changed_at, not linked) > (link.changed_at, not link.linked):
            link.linked, link.changed_at = linked, changed_at
        if at is not None:
            link.first_linked_at = _earlier(link.first_linked_at, at)


def fold(messages: Iterable[Message], *, owner_trait: str | None) -> Fold:
    """One row per thing touched. `owner_trait` is the trait whose every value is kept as a claim to the account."""
    result = Fold(owner_trait)
    for message in messages:
        result.take(message)
    return result
