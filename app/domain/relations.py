"""Folds what is said of organizations and custom objects, by the rules of `folding`: order cannot matter."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.folding import Party
from app.domain.messages import (
    CONVERSATION,
    EventMessage,
    InstanceMessage,
    Message,
    OrganizationMessage,
    ParentMessage,
    UserMessage,
    stamp,
)


@dataclass(slots=True)
class Word:
    """A value of which the latest statement counts; without a stamp, nothing was said."""

    value: str | None = None
    stamp: int | None = None

    def hear(self, value: str | None, at: datetime) -> None:
        """Keep the value if it was said later."""
        mark = stamp(at, value)
        if self.stamp is None or mark > self.stamp:
            self.value, self.stamp = value, mark


@dataclass(slots=True)
class Instance:
    """An instance of a custom object as a batch leaves it."""

    party: Party = field(default_factory=Party)
    name: Word = field(default_factory=Word)
    account: Word = field(default_factory=Word)
    organization: Word = field(default_factory=Word)


@dataclass(slots=True)
class Relations:
    """Everything a batch says of organizations and custom objects, keyed by external ids."""

    organizations: dict[str, Party] = field(default_factory=dict)
    parents: dict[str, Word] = field(default_factory=dict)
    affiliations: dict[tuple[str, str], datetime] = field(default_factory=dict)
    instances: dict[tuple[str, str], Instance] = field(default_factory=dict)
    events: list[EventMessage] = field(default_factory=list)

    def organization(self, external_id: str) -> Party:
        """The organization's row in this fold, made on first mention."""
        return self.organizations.get(external_id) or self.organizations.setdefault(external_id, Party())

    def take(self, message: Message) -> None:
        """Add one message; of one about an account or a user, what it says of organizations."""
        match message:
            case OrganizationMessage():
                self.organization(message.organization).learn(message.traits, message.at)
            case ParentMessage():
                self.parents.setdefault(message.account, Word()).hear(message.organization, message.at)
                self._mention(message.organization)
            case UserMessage():
                for name in message.organizations:
                    self._affiliate(name, message.user, message.at)
            case EventMessage():
                self._event(message)
            case InstanceMessage():
                self._instance(message)

    def _mention(self, organization: str | None) -> None:
        if organization is not None:
            self.organization(organization)

    def _affiliate(self, organization: str, user: str, at: datetime) -> None:
        self._mention(organization)
        known = self.affiliations.get((organization, user), at)
        self.affiliations[organization, user] = min(known, at)

    def _event(self, message: EventMessage) -> None:
        if message.organization is None:
            return
        organization = self.organization(message.organization)
        self.events.append(message)
        if message.user is not None:
            self._affiliate(message.organization, message.user, message.at)
        if message.name not in CONVERSATION:
            organization.seen(message.at)

    def _instance(self, message: InstanceMessage) -> None:
        key = message.custom_object, message.instance
        instance = self.instances.get(key) or self.instances.setdefault(key, Instance())
        instance.party.learn(message.traits, message.at)
        if message.name is not None:
            instance.name.hear(message.name, message.at)
        if message.account is not None:
            instance.account.hear(message.account, message.at)
        if message.organization is not None:
            instance.organization.hear(message.organization, message.at)
            self._mention(message.organization)


def fold(messages: Iterable[Message]) -> Relations:
    """One row per organization, per account that has a parent, per instance."""
    result = Relations()
    for message in messages:
        result.take(message)
    return result
